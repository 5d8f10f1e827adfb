"""Key poses: keypoints moved by hand at some frames, eased in between, laid over a still or a performance.

As text it is JSON: {"version": 1, "poses": [{"frame": 0, "ease": "smooth", "points": {"3": {"move": [0.1, 0],
"map": [1, 0, 0, 1]}}}, ...]}. A point's move is added to its position (halves of the picture's side), its map (rows
first) is multiplied onto its jacobian from the left: it turns, scales and stretches what follows the point. What a pose
does not name is at rest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from ..errors import KeypointError
from ..geometry import Keypoints
from .checks import check_frames
from .joining import eased
from .order import MOST_FRAMES

Ease = Literal["smooth", "linear", "hold"]
EASES: tuple[Ease, ...] = get_args(Ease)
VERSION = 1
LONGEST_TEXT = 64 << 20
LARGEST = 1000.0
REST = (0.0, 0.0, 1.0, 0.0, 0.0, 1.0)
"""Move x, y, then the map's rows."""


@dataclass(frozen=True)
class KeyPose:
    """A pose at a frame. points: by the keypoint's number its move (x, y) and its map's rows (a, b, c, d), six numbers.
    ease: the way to the next pose: 'smooth' rests at both ends, 'linear' does not, 'hold' jumps when it comes.
    """

    frame: int
    points: Mapping[int, tuple[float, ...]] = field(default_factory=dict)
    ease: Ease = "smooth"


def parse_poses(text: str, count: int) -> tuple[KeyPose, ...]:
    """The key poses of a text, by frame; none for an empty one. count: how many keypoints there are.

    Raises KeypointError for any other text, two poses at one frame, numbers that are not finite or far too large.
    """
    if not text.strip():
        return ()
    if len(text) > LONGEST_TEXT:
        raise KeypointError(f"expected key poses of at most {LONGEST_TEXT >> 20} MiB; got more")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise KeypointError(f"expected key poses as JSON, as the canvas writes them; got {text[:40]!r}") from error
    if not isinstance(found, dict) or found.get("version") != VERSION or not isinstance(found.get("poses"), list):
        raise KeypointError(f"expected key poses of version {VERSION}; got {text[:80]!r}")
    poses = sorted((_pose(entry, count) for entry in found["poses"]), key=lambda pose: pose.frame)
    for before, after in pairwise(poses):
        if before.frame == after.frame:
            raise KeypointError(f"expected one key pose for each frame; got two at frame {after.frame}")
    return tuple(poses)


def format_poses(poses: Sequence[KeyPose]) -> str:
    """The text of key poses; `parse_poses` gives the very same ones back."""
    entries = [
        {
            "frame": pose.frame,
            "ease": pose.ease,
            "points": {
                str(number): {"move": list(values[:2]), "map": list(values[2:])}
                for number, values in sorted(pose.points.items())
            },
        }
        for pose in poses
    ]
    return json.dumps({"version": VERSION, "poses": entries}, allow_nan=False)


def apply_poses(keypoints: Keypoints, poses: Sequence[KeyPose], frames: int | None = None) -> Keypoints:
    """A performance with key poses laid over it; bit by bit as it was where no pose moves anything.

    Args:
        keypoints: T frames, or those of a still, which then last `frames`.
        poses: by frame, as `parse_poses` gives them. Before the first and after the last these stay.
        frames: of the result where the keypoints are of one frame; None is up to the last pose.

    Raises:
        KeypointError: maps for keypoints without jacobians, or far too many frames.
    """
    check_frames("performance", keypoints)
    if len(keypoints) == 1:
        length = frames if frames is not None else max([1, *(pose.frame + 1 for pose in poses)])
        if not 1 <= length <= MOST_FRAMES:
            raise KeypointError(f"expected 1 to {MOST_FRAMES} frames; got {length}")
        keypoints = keypoints if length == 1 else keypoints.expand(length)
    if not poses:
        return keypoints
    layer = _layer(poses, len(keypoints), keypoints.count)  # [T, K, 6]
    move, maps = layer[..., :2], layer[..., 2:].unflatten(-1, (2, 2))
    position = (keypoints.position.double().cpu() + move).to(keypoints.position)
    jacobian = keypoints.jacobian
    if jacobian is not None:
        jacobian = (maps @ jacobian.double().cpu()).to(jacobian)
    elif bool((maps != torch.eye(2, dtype=torch.float64)).any()):
        raise KeypointError("expected keypoints with jacobians to turn or scale them; got positions only: move them")
    return replace(keypoints, position=position, jacobian=jacobian)


def _layer(poses: Sequence[KeyPose], frames: int, count: int) -> Tensor:
    """Moves and maps of each frame, [frames, count, 6] float64."""
    keyed = torch.tensor(REST, dtype=torch.float64).repeat(len(poses), count, 1)
    for row, pose in enumerate(poses):
        for number, values in pose.points.items():
            keyed[row, number] = torch.tensor(values, dtype=torch.float64)
    when = torch.tensor([pose.frame for pose in poses], dtype=torch.float64)
    frame = torch.arange(frames, dtype=torch.float64)
    before = (torch.searchsorted(when, frame, right=True) - 1).clamp(min=0)
    after = (before + 1).clamp(max=len(poses) - 1)
    share = ((frame - when[before]) / (when[after] - when[before]).clamp(min=1)).clamp(0, 1)
    kinds = torch.tensor([EASES.index(pose.ease) for pose in poses])[before]
    share = torch.where(kinds == EASES.index("smooth"), eased(share), share)
    share = torch.where(kinds == EASES.index("hold"), (share >= 1).double(), share)
    return torch.lerp(keyed[before], keyed[after], share[:, None, None])


def _pose(entry: Any, count: int) -> KeyPose:
    if not isinstance(entry, dict):
        raise KeypointError("expected each key pose as an object with frame, ease and points")
    frame, ease, points = entry.get("frame"), entry.get("ease", "smooth"), entry.get("points", {})
    if type(frame) is not int or not 0 <= frame < MOST_FRAMES:
        raise KeypointError(f"expected a key pose's frame from 0 to {MOST_FRAMES - 1}; got {str(frame)[:40]}")
    if ease not in EASES or not isinstance(points, dict):
        raise KeypointError(f"expected points, and an ease out of {', '.join(EASES)}, at frame {frame}; got others")
    read = {}
    for name, values in points.items():
        if not (name.isascii() and name.isdecimal() and len(name) < 6 and int(name) < count):
            raise KeypointError(
                f"expected keypoints 0 to {count - 1} in the key pose at frame {frame}; got {name[:20]!r}: are the "
                "poses of another model?"
            )
        read[int(name)] = _point(values, frame)
    return KeyPose(frame, read, ease)


def _point(values: Any, frame: int) -> tuple[float, ...]:
    move = values.get("move", [0, 0]) if isinstance(values, dict) else None
    rows = values.get("map", [1, 0, 0, 1]) if isinstance(values, dict) else None
    if not (isinstance(move, list) and isinstance(rows, list) and len(move) == 2 and len(rows) == 4):
        raise KeypointError(f"expected a move of 2 numbers and a map of 4 at frame {frame}; got others")
    numbers = [*move, *rows]
    if not all(type(number) in (int, float) and abs(number) <= LARGEST for number in numbers):
        raise KeypointError(f"expected finite numbers of at most {LARGEST:g} in the key pose at frame {frame}")
    return tuple(map(float, numbers))
