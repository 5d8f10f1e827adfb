"""Whether ONNX Runtime computes from an exported folder what the model computes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..config import MotionModelConfig
from ..model import MotionModel
from .folder import FILES, read_manifest

COUNTS = (1, 2, 3)
"""Of frames that are compared."""
SEED, PATCHES = 0, 8
"""Of the images of noise: their start, and how many patches a side has."""


@dataclass(frozen=True)
class Difference:
    """The greatest difference of any number that an exported network gives from the model's, of its own scale.

    size: (height, width). count: of frames. output: whose difference it is; images lie in 0..1, positions and flows
    in -1..1.
    """

    size: tuple[int, int]
    count: int
    output: str
    value: float


def compare(
    folder: str | os.PathLike[str],
    model: MotionModel,
    *,
    sizes: Sequence[tuple[int, int]] | None = None,
    counts: Sequence[int] = COUNTS,
) -> tuple[Difference, ...]:
    """The worst output at each size and count of frames, by ONNX Runtime on the CPU, on smooth seeded noise.

    sizes: (height, width); by default the exported one, a wide one and a tall one. Raises CheckpointError for a folder
    of another kind, ImportError without onnxruntime.
    """
    manifest = read_manifest(folder)
    plain = model.with_config(MotionModelConfig.from_dict(manifest["config"])).eval()
    sessions = {part: _session(Path(folder) / file) for part, file in FILES.items()}
    height, width = manifest["pictures"]["size"]
    step = manifest["pictures"]["multiple_of"]
    chosen = sizes or ((height, width), (height, width + step), (height + step, width))
    return tuple(found for size in chosen for found in _compared(sessions, plain, size, counts))


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


@torch.inference_mode()
def _compared(
    sessions: Mapping[str, Any], model: MotionModel, size: tuple[int, int], counts: Sequence[int]
) -> Iterator[Difference]:
    generator = torch.Generator().manual_seed(SEED)
    shape = (model.config.num_channels, *size)
    source = _pictures(1, shape, generator)
    for count in counts:
        driving = _pictures(count, shape, generator)
        expected = _by_model(model, source, driving)
        got = _by_runtime(sessions, source, driving, expected)
        worst = max(expected, key=lambda name: _apart(got[name], expected[name]))
        yield Difference(size, count, worst, _apart(got[worst], expected[worst]))


def _pictures(count: int, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Smooth noise, as photographs are: in bare noise, rounding of a flow shows as another pixel."""
    coarse = torch.rand(count, shape[0], PATCHES, PATCHES, generator=generator)
    return F.interpolate(coarse, size=shape[1:], mode="bilinear", align_corners=True)


def _by_model(model: MotionModel, source: Tensor, driving: Tensor) -> dict[str, Tensor]:
    """All outputs of the three files, by name."""
    assert model.dense_motion is not None
    at_source, at_driving = model.detector(source), model.detector(driving)
    frames = model(source, at_source, at_driving)
    assert frames.motion is not None
    values = {
        "source_position": at_source.position,
        "driving_position": at_driving.position,
        "source_jacobian": at_source.jacobian,
        "driving_jacobian": at_driving.jacobian,
        "features": model.generator.encode(source)[-1],
        "small": model.dense_motion.reduce(source),
        "frame": frames.images,
        "flow": frames.motion.flow,
        "occlusion": frames.motion.occlusion,
    }
    return {name: value for name, value in values.items() if value is not None}


def _by_runtime(
    sessions: Mapping[str, Any], source: Tensor, driving: Tensor, expected: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The same by the files. Each gets the model's own numbers: one network is compared, not a chain."""
    got = {}
    for name, pictures in (("source", source), ("driving", driving)):
        for output, value in _run(sessions["detector"], {"image": pictures}).items():
            got[f"{name}_{output}"] = value
    got |= _run(sessions["encoder"], {"source": source})
    inputs = {value.name: {**expected, "source": source}[value.name] for value in sessions["animator"].get_inputs()}
    return got | _run(sessions["animator"], inputs)


def _run(session: Any, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    names = [value.name for value in session.get_outputs()]
    arrays = session.run(names, {name: np.ascontiguousarray(value.numpy()) for name, value in inputs.items()})
    return {name: torch.from_numpy(array) for name, array in zip(names, arrays, strict=True)}


def _apart(got: Tensor, expected: Tensor) -> float:
    """The greatest difference, of the greatest value or of 1; infinite where one is no number."""
    if got.shape != expected.shape or not bool(got.isfinite().all()):
        return float("inf")
    return float((got - expected).abs().max() / max(1.0, float(expected.abs().max())))
