"""Performances as files, by the standard library alone: a short header and raw numbers (safetensors).

What the files hold is told in `fomm_core.motion.performance`, which Blender's Python can't import. They may come from
strangers: each size, place and kind of number is checked before it is used.
"""

from __future__ import annotations

import json
import math
import os
import re
import sys
import zlib
from array import array
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeGuard

FORMAT, FORMAT_VERSION = "fomm-keypoints", 3
CHECKSUM, KIND = "checksum", "crc32:"
LARGEST_FILE = 64 << 20
MOST_KEYPOINTS = 1000
"""More would be more curves than Blender can show."""

SHAPES: dict[str, tuple[int, ...]] = {
    "times": (),
    "confidence": (),
    "covariance": (2, 2),
    "jacobian": (2, 2),
    "position": (2,),
}
"""What a file may hold; the sides after frames and keypoints. In this order they are written, 8-byte numbers first."""


class PerformanceError(ValueError):
    """A file is no performance, or not a whole one; says what to do."""


@dataclass(frozen=True)
class Stored:
    """What a file holds: its notes word for word, and its numbers by name (float32; `times` float64), last side first.

    `position` and, where there is one, `jacobian` are those to be edited; nothing else is looked at.
    """

    notes: dict[str, str]
    numbers: dict[str, array[float]]
    frames: int
    keypoints: int

    def shape(self, name: str) -> list[int]:
        """The sides of one of `numbers`."""
        return sides_of(name, self.frames, self.keypoints)

    def changed(self, **numbers: array[float]) -> Stored:
        """With other numbers of the same names and lengths.

        Raises:
            PerformanceError: one of them is NaN or infinite.
        """
        for name, values in numbers.items():
            check_finite(name, values, self.frames)
        return replace(self, numbers={**self.numbers, **numbers})


def sides_of(name: str, frames: int, keypoints: int) -> list[int]:
    """The sides of what a file holds under a name."""
    return [frames + 1] if name == "times" else [frames, keypoints, *SHAPES[name]]


def read(path: Path) -> bytes:
    """A file's bytes.

    Raises:
        PerformanceError: there is none, or it is too large.
    """
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise PerformanceError(
                f"Expected a performance of at most {LARGEST_FILE >> 20} MB; {path.name} has {size >> 20} MB."
            )
        return path.read_bytes()
    except OSError as problem:
        raise PerformanceError(f"{path} can't be read: {problem.strerror}. Choose another file.") from problem


def parse(data: bytes) -> Stored:
    """What the bytes of a file hold.

    Raises:
        PerformanceError: they are no performance, are damaged, or of a newer version.
    """
    header, body = _parts(data)
    notes = header.pop("__metadata__", {})
    if not isinstance(notes, dict) or not all(isinstance(value, str) for value in notes.values()):
        raise _damaged("its notes are no text")
    check_format(notes)
    frames, keypoints = _sides(header)
    numbers: dict[str, array[float]] = {}
    end = 0
    for name, begin, after in sorted(_places(header, frames, keypoints), key=lambda place: place[1:]):
        if begin != end:
            raise _damaged(f"{name} begins at byte {begin} instead of {end}")
        numbers[name] = _numbers(name, body[begin:after])
        end = after
    if end != len(body):
        raise _damaged(f"expected {end} bytes of numbers; got {len(body)}")
    for name, values in numbers.items():
        check_finite(name, values, frames)
    stored = Stored(notes, numbers, frames, keypoints)
    if (notes.get("frames"), notes.get("keypoints")) != (str(frames), str(keypoints)):
        raise _damaged(f"it holds {frames} frames of {keypoints} keypoints, which is not what its notes say")
    if notes.get(CHECKSUM, "").startswith(KIND) and notes[CHECKSUM] != _checksum(stored):
        raise _damaged("what it holds is not what was stored (checksum)")
    return stored


def bytes_of(stored: Stored) -> bytes:
    """A whole file; `parse` gives back the same."""
    header: dict[str, Any] = {"__metadata__": {**stored.notes, CHECKSUM: _checksum(stored)}}
    parts, end = [], 0
    for name in SHAPES:
        if name in stored.numbers:
            parts.append(_raw(stored.numbers[name]))
            places = [end, end := end + len(parts[-1])]
            header[name] = {"dtype": _dtype(name), "shape": stored.shape(name), "data_offsets": places}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join((len(text).to_bytes(8, "little"), text, *parts))


def write_new(path: Path, data: bytes) -> None:
    """Write a file that is not there yet; it has its content from the moment that it can be read.

    Raises:
        PerformanceError: it is there, or can't be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    claimed = False
    try:
        part.write_bytes(data)
        path.open("xb").close()
        claimed = True
        part.replace(path)
    except OSError as problem:
        if claimed:
            path.unlink(missing_ok=True)
        raise PerformanceError(f"{path} can't be written: {problem.strerror}. Choose another folder.") from problem
    finally:
        part.unlink(missing_ok=True)


def _parts(data: bytes) -> tuple[dict[str, Any], bytes]:
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > len(data) - 8:
        raise PerformanceError("Expected a performance as Save Keypoints writes it; this is no safetensors file.")
    try:
        header = json.loads(data[8 : 8 + length])
    except (ValueError, RecursionError) as problem:
        raise PerformanceError(
            "Expected a performance as Save Keypoints writes it; this is no safetensors file."
        ) from problem
    if not isinstance(header, dict):
        raise _damaged("its header is no object")
    return header, data[8 + length :]


def check_format(notes: dict[str, str]) -> None:
    """Raise PerformanceError for other files, and newer ones."""
    if notes.get("format") != FORMAT:
        raise PerformanceError("Expected a performance as Save Keypoints writes it; this file is something else.")
    version = notes.get("format_version", "")
    if not re.fullmatch(r"[1-9][0-9]{0,8}", version):
        raise _damaged(f"expected a format version of 1 to {FORMAT_VERSION}; got {version[:20]!r}")
    if int(version) > FORMAT_VERSION:
        raise PerformanceError(f"Its format version is {version}: update the add-on, which reads {FORMAT_VERSION}.")


def _sides(header: dict[str, Any]) -> tuple[int, int]:
    """Frames and keypoints."""
    if "position" not in header or set(header) - set(SHAPES):
        names = ", ".join(sorted(header))[:80]
        raise _damaged(f"expected position and, maybe, {', '.join(sorted(set(SHAPES) - {'position'}))}; got {names}")
    entry = header["position"]
    shape = entry.get("shape") if isinstance(entry, dict) else None
    if not _wholes(shape, 3) or 0 in shape[:2]:
        raise _damaged("expected at least one frame and one keypoint")
    if shape[1] > MOST_KEYPOINTS:
        raise PerformanceError(f"Expected at most {MOST_KEYPOINTS} keypoints; this performance has {shape[1]}.")
    return shape[0], shape[1]


def _places(header: dict[str, Any], frames: int, keypoints: int) -> list[tuple[str, int, int]]:
    """Names, and where their numbers begin and end."""
    found = []
    for name, entry in header.items():
        shape, dtype = sides_of(name, frames, keypoints), _dtype(name)
        if not isinstance(entry, dict) or entry.get("dtype") != dtype or entry.get("shape") != shape:
            raise _damaged(f"expected {name} as {dtype} of the sides {shape}")
        place, size = entry.get("data_offsets"), math.prod(shape) * (8 if dtype == "F64" else 4)
        if not _wholes(place, 2) or place[1] - place[0] != size:
            raise _damaged(f"expected {size} bytes of {name}")
        found.append((name, place[0], place[1]))
    return found


def _wholes(values: Any, count: int) -> TypeGuard[list[int]]:
    return isinstance(values, list) and len(values) == count and all(type(one) is int and one >= 0 for one in values)


def _dtype(name: str) -> str:
    return "F64" if name == "times" else "F32"


def _numbers(name: str, raw: bytes) -> array[float]:
    values = array("d" if name == "times" else "f")
    try:
        values.frombytes(raw)
    except ValueError as problem:
        raise _damaged(f"its {name} ends too early") from problem
    return _swapped(values)


def _raw(values: array[float]) -> bytes:
    return _swapped(values).tobytes()


def _swapped(values: array[float]) -> array[float]:
    """From the file's order of bytes to the machine's, or back."""
    if sys.byteorder == "big":
        values = array(values.typecode, values)
        values.byteswap()
    return values


def check_finite(name: str, values: array[float], frames: int) -> None:
    """Raise PerformanceError for NaN or infinity, with the frame."""
    for place, value in enumerate(values):
        if not math.isfinite(value):
            frame = place if name == "times" else place // (len(values) // frames)
            raise PerformanceError(f"Expected finite keypoints; got NaN or infinity in the {name} of frame {frame}.")


def _checksum(stored: Stored) -> str:
    """As `fomm_core.checksums` has it."""
    crc = 0
    for name in sorted(stored.notes):
        if name != CHECKSUM:
            crc = zlib.crc32(f"{name}\0{stored.notes[name]}\0".encode("utf-8", "surrogatepass"), crc)
    for name in sorted(stored.numbers):
        kind = "torch.float64" if name == "times" else "torch.float32"
        crc = zlib.crc32(f"{name}\0{kind}{stored.shape(name)}\0".encode(), crc)
        crc = zlib.crc32(_raw(stored.numbers[name]), crc)
    return f"{KIND}{crc:08x}"


def _damaged(what: str) -> PerformanceError:
    return PerformanceError(f"The performance is damaged: {what}. Copy or save it again.")
