"""A performance as JSON, for tools that read no safetensors: the notes of the file, and its numbers as nested lists.

{"format": "fomm-keypoints", "format_version": "1", "frames": "48", "keypoints": "10", "fps": "25", ...,
 "position": [[[x, y], ...], ...], "jacobian": [[[[a, b], [c, d]], ...], ...], "times": [...], "confidence": [...]}

Positions are (x, y) in -1..1 from the middle of the corner pixels, jacobians rows first; numbers have as many digits as
it takes to read the very same ones back. A file written by hand needs format, format_version and position alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import PerformanceError

JSON_SUFFIX = ".json"
LARGEST_FILE = 1 << 28
_DIMENSIONS = {"position": 3, "jacobian": 4, "times": 1, "confidence": 2, "covariance": 4}


def as_json(tensors: Mapping[str, Tensor], notes: Mapping[str, str]) -> str:
    """The text of a file."""
    return json.dumps({**notes, **{name: _shortest(value.numpy()) for name, value in tensors.items()}}, allow_nan=False)


def read_json(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Numbers and notes of a file, as a safetensors file has them. Raises PerformanceError for any other JSON."""
    if path.stat().st_size > LARGEST_FILE:
        raise PerformanceError(f"expected a performance of at most {LARGEST_FILE >> 20} MiB of JSON; {path} is larger")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, OSError) as error:
        raise PerformanceError(f"expected a performance as JSON; {path} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise PerformanceError(f"expected a JSON object with position and notes in {path}; got another value")
    tensors = {name: _numbers(path, name, found.pop(name)) for name in _DIMENSIONS if name in found}
    notes = {key: _note(path, key, value) for key, value in found.items()}
    if "position" in tensors:  # what a hand leaves out
        notes.setdefault("frames", str(tensors["position"].shape[0]))
        notes.setdefault("keypoints", str(tensors["position"].shape[1]))
    return tensors, notes


def _shortest(values: np.ndarray) -> Any:
    """Nested lists; of float32 the doubles with fewest digits that are read back as the same."""
    if values.dtype == np.float64:
        return values.tolist()
    flat = [float(str(value)) for value in values.ravel()]
    return np.array(flat, np.float64).reshape(values.shape).tolist()


def _numbers(path: Path, name: str, value: Any) -> Tensor:
    kind = np.float64 if name == "times" else np.float32
    try:
        array = np.array(value, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise PerformanceError(f"expected {name} in {path} as nested lists of numbers, all equally long") from error
    if array.ndim != _DIMENSIONS[name] or not _only_numbers(value):
        raise PerformanceError(
            f"expected {name} in {path} as numbers of {_DIMENSIONS[name]} dimensions; got {list(array.shape)}"
        )
    with np.errstate(over="ignore"):  # beyond float32 it is Inf, which is refused where NaN is
        return torch.from_numpy(array.astype(kind))


def _only_numbers(value: Any) -> bool:
    """Whether the innermost values are numbers: NumPy would take "1" and true for some."""
    while isinstance(value, list) and value and isinstance(value[0], list):
        value = [inner for outer in value for inner in outer]
    return isinstance(value, list) and all(type(number) in (int, float) for number in value)


def _note(path: Path, key: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if key == "user" and isinstance(value, dict):
        return json.dumps(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise PerformanceError(f"expected text or a number for {key[:80]!r} in {path}; got {type(value).__name__}")
