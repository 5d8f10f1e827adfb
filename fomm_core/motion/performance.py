"""A performance as a small safetensors file: keypoints over time that can be reused without their video.

Layout: tensors `position` [T, K, 2] and, where the model has them, `jacobian` and `covariance` [T, K, 2, 2], float32,
and where frames are uneven `times` [T + 1], float64 (seconds: when each begins, and when the last ends), and where it
was measured `confidence` [T, K], float32; metadata strings `format` = "fomm-keypoints", `format_version`, `frames`,
`keypoints`, `family` (what kind of model they are of), and where known `fps` (a fraction such as "30000/1001"),
`groups` ("mouth: 8; head: 1-3"), `source_size` ("480x640", height first) and `user` (a JSON object of strings).

A name that ends in .json is the same as text for other tools, see `interchange`.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..checksums import is_as_written, with_checksum
from ..errors import KeypointError, PerformanceError
from ..files import atomic_path
from ..geometry import Keypoints
from .checks import check_frames
from .groups import NAME, Groups, format_groups, parse_groups
from .interchange import JSON_SUFFIX, as_json, read_json
from .timing import rate_of

FORMAT = "fomm-keypoints"
FORMAT_VERSION = 3
"""1 until times were added (2), and confidence and covariances (3). Files are written as the oldest that holds what
they have, so that older versions read them."""
FAMILY = "fomm"
"""Keypoints with jacobians, or without: what all files hold that name no family."""
LARGEST_SIDE = 1 << 20
LARGEST_DENOMINATOR = 1_000_000


@dataclass(frozen=True, eq=False)
class Performance:
    """Keypoints as they were saved.

    keypoints: T >= 1 frames, CPU, float32, finite; timed where the clip's frames were uneven.
    fps: frames per second as a fraction (30000/1001 stays that); None where it was not known.
    metadata: what the one who saved it wished to note.
    family: the kind of model that the keypoints are of, see `FAMILY`.
    groups: which keypoints move which part, by name; empty where nobody said.
    source_size: (height, width) of the frames that they were found in, in pixels; None where it was not known.
    """

    keypoints: Keypoints
    fps: Fraction | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    family: str = FAMILY
    groups: Groups = field(default_factory=dict)
    source_size: tuple[int, int] | None = None

    @property
    def rate(self) -> Fraction | None:
        """Frames per second: `fps`, or the common rate of timed keypoints."""
        return self.fps or rate_of(self.keypoints)


def save_keypoints(
    path: str | os.PathLike[str],
    keypoints: Keypoints,
    *,
    fps: float | Fraction | None = None,
    metadata: Mapping[str, str] | None = None,
    family: str = FAMILY,
    groups: Groups | None = None,
    source_size: tuple[int, int] | None = None,
) -> Path:
    """Save a performance. The file appears only when it is complete.

    Args:
        path: The file; .json is text, every other ending safetensors.
        keypoints: T >= 1 frames.
        fps: Frames per second, if known and constant.
        metadata: Text to store beside the keypoints.
        family: The family of the model that detected them.
        groups: Keypoint numbers by the name of the part that they move, such as "mouth".
        source_size: (height, width) in pixels of the frames that they were found in, if known.

    Returns:
        The path.

    Raises:
        KeypointError: There are no frames, values are not finite, the fps is not above 0, or groups name other
            keypoints.

    Example:
        >>> import torch
        >>> from fomm_nodes.fomm_core import Keypoints
        >>> from fomm_nodes.fomm_core.motion import load_keypoints, save_keypoints
        >>> path = save_keypoints("talk.safetensors", Keypoints(torch.zeros(25, 10, 2)), fps=25)
        >>> load_keypoints(path).rate
        Fraction(25, 1)
    """
    check_frames("performance", keypoints)
    tensors = tensors_of(keypoints)
    notes = notes_of(keypoints, fps, metadata or {}, family, groups or {}, source_size)
    with atomic_path(path) as temporary:
        if Path(path).suffix.lower() == JSON_SUFFIX:
            Path(temporary).write_text(as_json(tensors, notes), encoding="utf-8")
        else:
            save_file(tensors, temporary, metadata=with_checksum(tensors, notes))
    return Path(path)


def tensors_of(keypoints: Keypoints) -> dict[str, Tensor]:
    """What a file stores, by name. Raises KeypointError for values that are not finite."""
    tensors = {"position": keypoints.position}
    if keypoints.jacobian is not None:
        tensors["jacobian"] = keypoints.jacobian
    if keypoints.confidence is not None:
        tensors["confidence"] = keypoints.confidence
    if keypoints.covariance is not None:
        tensors["covariance"] = keypoints.covariance
    tensors = {name: value.detach().to("cpu", torch.float32).contiguous() for name, value in tensors.items()}
    for name, value in tensors.items():
        if (frame := _first_bad_frame(value)) is not None:
            raise KeypointError(f"expected finite keypoints; got NaN or Inf in the {name} of frame {frame}")
    if keypoints.times is not None:
        tensors["times"] = (keypoints.times - keypoints.times[0]).contiguous()
    return tensors


def notes_of(
    keypoints: Keypoints,
    fps: float | Fraction | None,
    metadata: Mapping[str, str],
    family: str,
    groups: Groups,
    source_size: tuple[int, int] | None,
) -> dict[str, str]:
    """What a file says of its numbers."""
    notes = {
        "format": FORMAT,
        "format_version": str(_version_of(keypoints)),
        "frames": str(len(keypoints)),
        "keypoints": str(keypoints.count),
        "family": family,
        "user": json.dumps({str(key): str(value) for key, value in metadata.items()}),
    }
    if not NAME.fullmatch(family):
        raise KeypointError(f"expected a family's name such as {FAMILY}; got {family[:80]!r}")
    if fps is not None:
        rate = Fraction(fps).limit_denominator(LARGEST_DENOMINATOR) if math.isfinite(fps) else Fraction(0)
        if rate <= 0:
            raise KeypointError(f"expected finite frames per second above 0, or None; got {fps}")
        notes["fps"] = str(rate)
    if groups:
        notes["groups"] = format_groups(groups)
        parse_groups(notes["groups"], keypoints.count)
    if source_size is not None:
        if not all(0 < side <= LARGEST_SIDE for side in source_size):
            raise KeypointError(f"expected a source size of 1 to {LARGEST_SIDE} pixels a side; got {source_size}")
        notes["source_size"] = "{}x{}".format(*source_size)
    return notes


def _version_of(keypoints: Keypoints) -> int:
    if keypoints.confidence is not None or keypoints.covariance is not None:
        return FORMAT_VERSION
    return 1 if keypoints.times is None else 2


def load_keypoints(path: str | os.PathLike[str]) -> Performance:
    """Load a performance that `save_keypoints` wrote. No other content is accepted.

    Args:
        path: A .safetensors or .json file.

    Returns:
        The keypoints with their rate, metadata, family, groups and source size.

    Raises:
        PerformanceError: The file is missing, damaged, not a performance, of a newer format, or holds NaN or Inf.

    Example:
        >>> import torch
        >>> from fomm_nodes.fomm_core import Keypoints
        >>> from fomm_nodes.fomm_core.motion import load_keypoints, save_keypoints
        >>> path = save_keypoints("nod.json", Keypoints(torch.zeros(8, 10, 2)))
        >>> len(load_keypoints(path).keypoints)
        8
    """
    path = Path(path)
    if not path.is_file():
        raise PerformanceError(
            f"expected a performance file; found {'a folder' if path.is_dir() else 'none'} at {path}"
        )
    if path.suffix.lower() == JSON_SUFFIX:
        tensors, notes = read_json(path)
        _check_format(path, notes)
    else:
        tensors, notes = _read_safetensors(path)
    keypoints = _keypoints(path, tensors, notes)
    family = notes.get("family", FAMILY)
    if not NAME.fullmatch(family):
        raise PerformanceError(f"expected a family's name such as {FAMILY} in {path}; got {family[:80]!r}")
    try:
        groups = parse_groups(notes.get("groups", ""), keypoints.count)
    except KeypointError as error:
        raise PerformanceError(f"{path} is damaged: {error}") from error
    return Performance(keypoints, _fps(path, notes), _user(path, notes), family, groups, _source_size(path, notes))


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            notes: dict[str, str] = file.metadata() or {}
            _check_format(path, notes)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError) as error:
        raise PerformanceError(f"expected a safetensors file with keypoints; {path} cannot be read: {error}") from error
    if not is_as_written(tensors, notes):
        raise PerformanceError(f"{path} is damaged: what it holds is not what was stored (checksum). Copy it again.")
    return tensors, notes


def _check_format(path: Path, notes: Mapping[str, str]) -> None:
    found = notes.get("format")
    if found != FORMAT:
        what = f"its format is {found!r}" if found else "it names no format; is it a model?"
        raise PerformanceError(f"expected a performance ({FORMAT}) in {path}; {what}")
    version = notes.get("format_version", "")
    if not re.fullmatch(r"[1-9][0-9]{0,8}", version):
        raise PerformanceError(f"expected a format version of 1 to {FORMAT_VERSION} in {path}; got {version[:80]!r}")
    if int(version) > FORMAT_VERSION:
        raise PerformanceError(
            f"expected a format version of at most {FORMAT_VERSION}; {path} has {version}: update fomm-nodes to read it"
        )


def _keypoints(path: Path, tensors: Mapping[str, Tensor], notes: Mapping[str, str]) -> Keypoints:
    if "position" not in tensors or set(tensors) - {"position", "jacobian", "times", "confidence", "covariance"}:
        raise PerformanceError(
            "expected the tensors position and, maybe, jacobian, times, confidence and covariance in "
            f"{path}; got {sorted(tensors)}"
        )
    for name, value in tensors.items():
        expected = torch.float64 if name == "times" else torch.float32
        if value.dtype != expected:
            wanted, found = (str(dtype).removeprefix("torch.") for dtype in (expected, value.dtype))
            raise PerformanceError(f"expected {wanted} in the {name} of {path}; got {found}")
        if (frame := _first_bad_frame(value)) is not None:
            raise PerformanceError(
                f"expected finite keypoints in {path}; got NaN or Inf in the {name} of frame {frame}"
            )
    try:
        keypoints = Keypoints(**tensors)
    except KeypointError as error:
        raise PerformanceError(f"{path} is damaged: {error}") from error
    if 0 in (len(keypoints), keypoints.count):
        raise PerformanceError(f"expected at least one frame and one keypoint in {path}; got none")
    stated = (notes.get("frames"), notes.get("keypoints"))
    if stated != (str(len(keypoints)), str(keypoints.count)):
        raise PerformanceError(
            f"{path} is damaged: expected {stated[0]} frames of {stated[1]} keypoints, as its metadata says; "
            f"got {len(keypoints)} of {keypoints.count}"
        )
    return keypoints


def _first_bad_frame(values: Tensor) -> int | None:
    """Index along the first axis of the first NaN or Inf; None where all is finite."""
    bad = ~values.isfinite()
    return int(bad.nonzero()[0, 0]) if bad.ndim and bad.any() else None


def _fps(path: Path, notes: Mapping[str, str]) -> Fraction | None:
    if "fps" not in notes:
        return None
    if not re.fullmatch(r"[1-9][0-9]{0,15}(/[1-9][0-9]{0,6})?", notes["fps"]):
        raise PerformanceError(
            f"expected frames per second such as 25 or 30000/1001 in {path}; got {notes['fps'][:80]!r}"
        )
    return Fraction(notes["fps"])


def _source_size(path: Path, notes: Mapping[str, str]) -> tuple[int, int] | None:
    if "source_size" not in notes:
        return None
    found = re.fullmatch(r"([1-9][0-9]{0,6})x([1-9][0-9]{0,6})", notes["source_size"])
    if found is None:
        raise PerformanceError(f"expected a source size such as 480x640 in {path}; got {notes['source_size'][:80]!r}")
    return int(found[1]), int(found[2])


def _user(path: Path, notes: Mapping[str, str]) -> dict[str, str]:
    try:
        user = json.loads(notes.get("user", "{}"))
    except (ValueError, RecursionError) as error:
        raise PerformanceError(f"{path} is damaged: its metadata `user` is no JSON: {error}") from error
    if not isinstance(user, dict) or not all(isinstance(value, str) for value in user.values()):
        raise PerformanceError(f"expected `user` metadata of names and strings in {path}; got {notes['user'][:80]!r}")
    return user
