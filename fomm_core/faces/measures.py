"""What a mesh says about a face: where it is, how it is turned, how far mouth and eyes are open.

Points are [..., N, 2 or 3] in pixels, of MediaPipe's numbering; each measure is [...].
"""

from __future__ import annotations

import torch
from torch import Tensor

EYES = ((33, 133), (362, 263))
"""The corners of both eyes from left to right in the image of an upright face: the person's right eye first."""
LIPS, MOUTH_CORNERS = (13, 14), (61, 291)
NOSE_TIP, CHEEKS = 1, (234, 454)
LID_CORNERS = (0, 8)
LOWER_LID, UPPER_LID = (3, 4, 5), (11, 12, 13)
"""Of the eye network's points: the middle of either lid, in pairs."""


def roll(points: Tensor) -> Tensor:
    """The angle of the line through the outer corners of the eyes, in radians, positive clockwise on a screen."""
    line = points[..., EYES[1][1], :2] - points[..., EYES[0][0], :2]
    return torch.atan2(line[..., 1], line[..., 0])


def turn(points: Tensor) -> Tensor:
    """How far a head is turned aside, -1..1: the nose's place between the cheeks. 0 is frontal, below 0 the nose points
    to the picture's left.
    """
    left, right = points[..., CHEEKS[0], :2], points[..., CHEEKS[1], :2]
    across = right - left
    share = ((points[..., NOSE_TIP, :2] - left) * across).sum(-1) / across.square().sum(-1).clamp(min=1e-12)
    return (2 * share - 1).clamp(-1, 1)


def mouth_opening(points: Tensor) -> Tensor:
    """The gap between the lips as a share of the mouth's width: 0 shut, about 0.5 wide open."""
    return _distance(points, *LIPS) / _distance(points, *MOUTH_CORNERS).clamp(min=1e-6)


def eye_opening(lids: Tensor) -> Tensor:
    """The gap between the lids (of the eye network, [..., 71, 3]) as a share of the eye's width; the mesh's own lids
    hardly move in a blink.
    """
    gap = torch.stack([_distance(lids, low, high) for low, high in zip(LOWER_LID, UPPER_LID, strict=True)], -1)
    return gap.mean(-1) / _distance(lids, *LID_CORNERS).clamp(min=1e-6)


def _distance(points: Tensor, a: int, b: int) -> Tensor:
    return (points[..., a, :2] - points[..., b, :2]).norm(dim=-1)
