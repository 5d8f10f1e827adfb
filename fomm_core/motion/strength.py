"""How strong a movement is, over time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from ..errors import KeypointError
from ..geometry import Keypoints, identity_like, inverse
from .checks import check_counts, check_frames, check_single

MOST_POINTS = 10_000
LARGEST_STRENGTH = 10.0


def strengthen(keypoints: Keypoints, strength: float | Sequence[float] | Tensor, anchor: Keypoints) -> Keypoints:
    """The movement since the anchor, stronger or weaker: 0 is the anchor's pose, 1 the performance as it is.

    Positions p become a + s (p - a); of jacobians, the change since the anchor D = J A^-1 becomes I + s (D - I). So
    strengths s, then t, are the strength s t.

    Args:
        keypoints: T frames.
        strength: a number, or one for each frame.
        anchor: the pose from which movement is measured, one frame.

    Raises:
        KeypointError: strengths that are not finite or another number of them, other than one anchor frame, counts or
            jacobians that differ.
    """
    check_frames("performance", keypoints)
    check_single("anchor", anchor)
    check_counts("performance", keypoints, "anchor", anchor)
    share = torch.as_tensor(strength, dtype=keypoints.position.dtype)
    if share.ndim > 1 or (share.ndim and len(share) != len(keypoints)):
        raise KeypointError(f"expected one strength, or one for each of {len(keypoints)} frames; got {share.shape}")
    if not (share.abs() <= LARGEST_STRENGTH).all():
        raise KeypointError(f"expected finite strengths of at most {LARGEST_STRENGTH:g}; got others")
    if (keypoints.jacobian is None) != (anchor.jacobian is None):
        raise KeypointError("expected jacobians in performance and anchor, or in neither: detect with one model")
    share = share.expand(len(keypoints)).reshape(-1, 1, 1)
    position = torch.where(share == 1, keypoints.position, torch.lerp(anchor.position, keypoints.position, share))
    jacobian = None
    if keypoints.jacobian is not None and anchor.jacobian is not None:
        change = keypoints.jacobian @ inverse(anchor.jacobian)
        moved = torch.lerp(identity_like(change), change, share[..., None]) @ anchor.jacobian
        jacobian = torch.where(share[..., None] == 1, keypoints.jacobian, moved)
    return replace(keypoints, position=position, jacobian=jacobian)


def parse_curve(text: str, fps: float | Fraction) -> list[tuple[float, float]]:
    """A curve such as "0: 0, 25: 1, 4s: 1, 5s: 0" as (frame, strength), rising; a single number is the same always.

    A place is a frame's number, or seconds with an s. Raises KeypointError for anything else.
    """
    points: list[tuple[float, float]] = []
    for part in (part.strip() for part in text.replace(";", ",").split(",") if part.strip()):
        found = re.fullmatch(r"(?:(\d{1,9}(?:\.\d{1,9})?)\s*(s?)\s*[:=]\s*)?(\d{1,3}(?:\.\d{1,9})?)", part)
        if found is None or (found[1] is None and "," in text.replace(";", ",").strip(" ,")):
            raise KeypointError(f"expected a strength such as 0.5, or a curve such as 0: 0, 25: 1, 4s: 0; got {part!r}")
        place = float(found[1] or 0) * (float(fps) if found[2] else 1)
        points.append((place, float(found[3])))
        if len(points) > MOST_POINTS:
            raise KeypointError(f"expected at most {MOST_POINTS} points of a curve; got more")
    if any(after[0] <= before[0] for before, after in pairwise(points)):
        raise KeypointError(f"expected the places of a curve to rise; got {text[:80]!r}")
    return points


def curve_values(points: Sequence[tuple[float, float]], frames: int) -> Tensor:
    """The strength of each frame, [frames] float64: straight between the points, level before and after them; 1
    without any.
    """
    if not points:
        return torch.ones(frames, dtype=torch.float64)
    places, strengths = zip(*points, strict=True)
    return torch.from_numpy(np.interp(np.arange(frames, dtype=np.float64), places, strengths))
