"""From the detector's candidates to boxes of faces."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from .networks import DETECTOR_SIZE

SCORE = 0.5
OVERLAP = 0.3
LARGEST_LOGIT = 80.0
GRIDS = ((16, 2), (32, 6))
"""Pixels between candidates and how many stand in each place, in the order of the detector's output."""


@lru_cache(maxsize=1)
def anchors() -> Tensor:
    """[896, 2]: where each candidate stands, in 0..1 of the image."""
    places = []
    for stride, count in GRIDS:
        along = (torch.arange(DETECTOR_SIZE // stride) + 0.5) * stride / DETECTOR_SIZE
        places.append(torch.cartesian_prod(along, along).flip(1).repeat_interleave(count, 0))
    return torch.cat(places)


def decode(boxes: Tensor, scores: Tensor, threshold: float = SCORE) -> list[Tensor]:
    """The detector's output [B, 896, 16] and [B, 896] as faces of each image, [n, 17], the surest first: left, top,
    right, bottom in 0..1 of the image, score in 0..1, then six points (x, y): the eyes (the one at the picture's left
    first), nose, mouth and ears.
    """
    scores = scores.float().clamp(-LARGEST_LOGIT, LARGEST_LOGIT).sigmoid().cpu()
    boxes = boxes.float().cpu() / DETECTOR_SIZE
    found = []
    for picture, score in zip(boxes, scores, strict=True):
        sure = score > threshold
        values, place = picture[sure], anchors()[sure]
        centre, half = values[:, :2] + place, values[:, 2:4] / 2
        points = (values[:, 4:].unflatten(1, (6, 2)) + place[:, None]).flatten(1)
        rows = torch.cat((centre - half, centre + half, score[sure, None], points), 1)
        found.append(merged(rows[rows[:, 4].argsort(descending=True, stable=True)]))
    return found


def merged(rows: Tensor, overlap: float = OVERLAP) -> Tensor:
    """Weighted non-maximum suppression: each face is the mean, by score, of all rows that overlap its surest one."""
    kept = []
    while len(rows):
        near = overlaps(rows[:1, :4], rows[:, :4])[0] > overlap
        near[0] = True  # even a box without area
        weight = rows[near, 4:5]
        face = (rows[near] * weight).sum(0) / weight.sum()
        face[4] = rows[0, 4]
        kept.append(face)
        rows = rows[~near]
    return torch.stack(kept) if kept else rows


def overlaps(a: Tensor, b: Tensor) -> Tensor:
    """[N, M]: the shared area over the joint area of boxes [N, 4] and [M, 4] (left, top, right, bottom)."""
    shared = (torch.minimum(a[:, None, 2:], b[:, 2:]) - torch.maximum(a[:, None, :2], b[:, :2])).clamp(min=0).prod(-1)
    areas = [(boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(-1) for boxes in (a, b)]
    joint = areas[0][:, None] + areas[1] - shared
    return shared / joint.clamp(min=torch.finfo(joint.dtype).tiny)
