"""Performances as JSON (see `fomm_core.motion.interchange`), by the standard library alone."""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

from .performance_file import MOST_KEYPOINTS, SHAPES, PerformanceError, Stored, check_finite, check_format, sides_of

SUFFIX = ".json"


def parse(data: bytes) -> Stored:
    """What the bytes of a file hold.

    Raises:
        PerformanceError: they are no performance, or not a whole one.
    """
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as problem:
        raise PerformanceError(f"Expected a performance as JSON; this can't be read: {problem}.") from problem
    if not isinstance(found, dict):
        raise PerformanceError("Expected a performance as JSON: an object with a format and positions.")
    values = {name: found.pop(name) for name in SHAPES if name in found}
    notes = {name: _note(name, value) for name, value in found.items()}
    check_format(notes)
    position = values.get("position")
    if not (isinstance(position, list) and position and isinstance(position[0], list) and position[0]):
        raise PerformanceError("Expected positions of at least one frame and one keypoint.")
    frames, keypoints = len(position), len(position[0])
    if keypoints > MOST_KEYPOINTS:
        raise PerformanceError(f"Expected at most {MOST_KEYPOINTS} keypoints; this performance has {keypoints}.")
    if {notes.setdefault("frames", str(frames)), notes.setdefault("keypoints", str(keypoints))} != {
        str(frames),
        str(keypoints),
    }:
        raise PerformanceError(f"It holds {frames} frames of {keypoints} keypoints, which is not what its notes say.")
    numbers = {name: _numbers(name, value, frames, keypoints) for name, value in values.items()}
    for name, some in numbers.items():
        check_finite(name, some, frames)
    return Stored(notes, numbers, frames, keypoints)


def _note(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if name == "user" and isinstance(value, Mapping):
        return json.dumps(value)
    if type(value) in (int, float):
        return str(value)
    raise PerformanceError(f"Expected text or a number for {name[:80]!r}; got {type(value).__name__}.")


def _numbers(name: str, value: Any, frames: int, keypoints: int) -> array[float]:
    sides = sides_of(name, frames, keypoints)
    flat: list[float] = []
    if not _flatten(value, sides, flat):
        raise PerformanceError(f"Expected {name} as nested lists of numbers of the sides {sides}.")
    try:
        return array("d" if name == "times" else "f", flat)
    except OverflowError as problem:
        raise PerformanceError(f"Expected finite keypoints; got a number too large in the {name}.") from problem


def _flatten(value: Any, sides: Sequence[int], into: list[float]) -> bool:
    """Whether a value has these sides; its numbers are put at the end of `into`."""
    if not sides:
        into.append(value)
        return type(value) in (int, float)
    return isinstance(value, list) and len(value) == sides[0] and all(_flatten(one, sides[1:], into) for one in value)
