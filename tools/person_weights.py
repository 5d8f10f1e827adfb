"""Make the weights of the network that marks people, and the numbers that the tests hold it to, from MediaPipe's file.

    pip download --no-deps mediapipe==0.10.21 && unzip mediapipe-0.10.21-*.whl
    pip install ai-edge-litert
    python tools/person_weights.py mediapipe/modules/selfie_segmentation/selfie_segmentation.tflite

The tflite file is MediaPipe's (Apache-2.0). Only this tool needs LiteRT: to read it, and to run it once.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from ai_edge_litert import schema_py_generated as schema
from PIL import Image
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).parent))
from face_weights import PACKAGE, ROOT, filled, litert, networks

WEIGHTS = ROOT / "fomm_core/assets/persons/persons.safetensors"
NUMBERS = ROOT / "tests/data/persons/litert.npz"
PICTURE = ROOT / "fomm_core/assets/source.png"
EVERY = 4
"""Of the mask's pixels, along both axes, every fourth is kept as a number for the tests."""


def parameters(path: Path) -> Iterator[np.ndarray]:
    """Weights and biases in the order of the operators, which is that of the modules in our network."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(bytearray(path.read_bytes()), 0))
    graph = model.subgraphs[0]
    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}
    maker = {int(output): operator for operator in graph.operators for output in operator.outputs}

    def stored(tensor: int) -> np.ndarray:
        tensor = int(maker[tensor].inputs[0]) if tensor in maker else tensor
        data = bytes(model.buffers[graph.tensors[tensor].buffer].data)
        kind = {0: np.float32, 1: np.float16}[graph.tensors[tensor].type]
        return np.frombuffer(data, kind).reshape(graph.tensors[tensor].shape)

    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        name = names[max(code.builtinCode, code.deprecatedBuiltinCode)]
        if name in ("CONV_2D", "DEPTHWISE_CONV_2D", "CUSTOM"):
            order = {"CONV_2D": (0, 3, 1, 2), "DEPTHWISE_CONV_2D": (3, 0, 1, 2), "CUSTOM": (3, 0, 1, 2)}[name]
            yield stored(int(operator.inputs[1])).transpose(order)
            yield stored(int(operator.inputs[2]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="selfie_segmentation.tflite of the package mediapipe 0.10.21")
    path = parser.parse_args().file
    networks()
    network = importlib.import_module(f"{PACKAGE}.fomm_core.persons.network").PersonMask()
    state = filled(network, path, list(parameters(path)))
    network.load_state_dict(state)
    picture = np.asarray(Image.open(PICTURE).convert("RGB")).astype(np.float32) / np.float32(255)
    (expected,) = litert(path, picture)
    with torch.inference_mode():
        found = network.eval()(torch.from_numpy(picture).permute(2, 0, 1)[None])
    print("largest error", np.abs(found[0, 0].numpy() - expected[0, ..., 0]).max())
    notes = {
        "format": "fomm-persons",
        "format_version": "1",
        "source": "MediaPipe: selfie segmentation; from the PyPI package mediapipe 0.10.21",
        "license": "Apache-2.0",
    }
    WEIGHTS.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.half().contiguous() for name, value in state.items()}, WEIGHTS, metadata=notes)
    NUMBERS.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(NUMBERS, mask=expected[0, ::EVERY, ::EVERY, 0])
    print(WEIGHTS.stat().st_size, "bytes of weights,", NUMBERS.stat().st_size, "bytes of numbers")


if __name__ == "__main__":
    main()
