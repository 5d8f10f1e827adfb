"""What clips that tell where mouth and eyes are add to the losses: keypoints tied to them, pixels that count more."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ..errors import TrainingError
from ..geometry import Keypoints, coordinate_grid
from .data.points import CORNERS, EYES, LIDS, LOWER_LIP, MOUTH, UPPER_LIP

IRISES = (54, 59)
TIED: tuple[int, ...] = (*CORNERS, UPPER_LIP, LOWER_LIP, *(lids[i] for lids in LIDS for i in (1, 3)), *IRISES)
"""The points (see `data.points`) that a model's last keypoints are tied to, in this order: corners of the mouth,
middles of upper and lower lip, middles of lower and upper lid of the left and of the right eye, left and right iris.
"""
GAPS = ((2, 3), (4, 5), (6, 7))
"""Of TIED: the two lips, and the two lids of each eye."""
AROUND = 1.6
"""How far what counts more reaches, where the half axes of mouth or eye are 1."""
FLATTEST = 0.4
"""Half height against half width that a closed mouth or eye counts as."""


def check_tied(num_keypoints: int) -> None:
    """Raise TrainingError where a model has too few keypoints to be tied."""
    if num_keypoints < len(TIED):
        raise TrainingError(
            f"expected at least {len(TIED)} keypoints, the last of which losses.landmarks ties to mouth and eyes; got "
            f"{num_keypoints}. Set model.num_keypoints, or losses.landmarks to 0."
        )


def tied_difference(got: Tensor, wanted: Tensor) -> Tensor:
    """Mean |p - point| of tied keypoints [B, ..., 2], or of what is derived from them, and what they are to be.

    Unknown points (NaN) do not count; 0 where all are unknown.
    """
    known = wanted.isfinite()
    return torch.where(known, got - wanted.nan_to_num(), 0).abs().sum() / known.sum().clamp(min=1)


def opening_difference(got: Tensor, wanted: Tensor) -> Tensor:
    """Mean difference between the gaps of mouth and eyes in tied points [B, 10, 2] and those wanted; a scalar.

    A gap is the way from lip to lip or from lid to lid: where both points are off alike, it is not.
    """
    first, second = (list(points) for points in zip(*GAPS, strict=True))
    gaps, truth = (points[:, first] - points[:, second] for points in (got, wanted))
    return tied_difference(gaps, truth)


def tied(keypoints: Keypoints) -> Tensor:
    """The positions [B, 10, 2] of a model's last keypoints."""
    return keypoints.position[:, -len(TIED) :]


def read_again(detector: nn.Module, images: Tensor) -> Tensor:
    """The tied keypoints [B, 10, 2] that `detector` finds in rebuilt images [B, C, H, W].

    A network whose motion overlooks a mouth pays for it in what is measured of these, however few pixels a mouth has.
    The detector learns nothing from it, nor do its running statistics: it takes part as it is.
    """
    state = {name: parameter.detach() for name, parameter in detector.named_parameters()}
    state |= {name: buffer.clone() for name, buffer in detector.named_buffers()}
    return tied(functional_call(detector, state, (images,)))


def acting_map(points: Tensor, height: int, width: int) -> Tensor:
    """1 in mouth and eyes of points [B, N, 64, 2] in any of N frames, falling to 0 around them; [B, 1, H, W].

    0 all over where points are unknown (NaN).
    """
    grid = coordinate_grid(height, width, like=points)
    maps = []
    for part in (MOUTH, *EYES):
        low, high = points[:, :, part].amin(2), points[:, :, part].amax(2)  # [B, N, xy]
        centre, half = (low + high) / 2, (high - low) / 2
        half = torch.maximum(half, FLATTEST * half.amax(-1, keepdim=True)).clamp(min=1e-3)
        away = ((grid - centre[:, :, None, None]) / half[:, :, None, None]).norm(dim=-1)  # [B, N, H, W]
        maps.append(((AROUND - away) / (AROUND - 1)).nan_to_num(0).clamp(0, 1).amax(1))
    return torch.stack(maps, 1).amax(1, keepdim=True)
