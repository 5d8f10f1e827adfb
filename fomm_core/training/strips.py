"""What a model does with a pair, as one picture: source | driving | keypoints | warped | occlusion | result."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor

from ..errors import ImageError
from ..geometry import Keypoints
from ..model import Frames
from ..view import LABELLED_HEIGHT, draw_keypoints, occlusion_heat, side_by_side

COLUMNS = ("source", "driving", "keypoints", "warped", "occlusion", "result")


def strip(
    source: Tensor,
    driving: Tensor,
    source_keypoints: Keypoints,
    driving_keypoints: Keypoints,
    frames: Frames,
    rows: int | None = None,
) -> Tensor:
    """The columns of `COLUMNS` side by side, one row below the other, [3, rows * H, 6 * W] float32 in 0..1 on the CPU.

    Keypoints are drawn upon the driving frame, those of the source pale behind them. Columns that a model has not (no
    dense motion, no occlusion map) stay black. rows: how many of the B samples, from the first; None takes all.

    Args:
        source: [1 or B, 3, H, W] in 0..1.
        driving: [B, 3, H, W].
        source_keypoints: of 1 or B frames.
        driving_keypoints: of B frames.
        frames: what the model made of them; on any device and in any precision.

    Raises:
        ImageError: no rows, or other shapes.
    """
    count = len(driving) if rows is None else min(rows, len(driving))
    if count < 1:
        raise ImageError(f"expected at least one row of images; got {count} of {len(driving)}.")
    source, driving, result = (_first(pictures, count) for pictures in (source, driving, frames.images))
    height, width = result.shape[-2:]
    black = torch.zeros_like(result)
    motion, warped = frames.motion, frames.warped
    occlusion = None if motion is None else motion.occlusion
    columns = {
        "source": source,
        "driving": driving,
        "keypoints": _keypoints(driving, source_keypoints, driving_keypoints),
        "warped": black if warped is None else _first(warped, count),
        "occlusion": black if occlusion is None else occlusion_heat(_first(occlusion, count), height, width),
        "result": result,
    }
    joined = side_by_side(list(columns.values()), list(columns) if height >= LABELLED_HEIGHT else None)
    return rearrange(joined, "b c h w -> c (b h) w")


def _keypoints(driving: Tensor, source: Keypoints, own: Keypoints) -> Tensor:
    count = len(driving)
    drawn = draw_keypoints(driving, _detached(source, count))
    pale = torch.where((drawn != driving).any(1, keepdim=True), 0.5 + 0.5 * drawn, driving)
    return draw_keypoints(pale, _detached(own, count))


def _detached(keypoints: Keypoints, count: int) -> Keypoints:
    return Keypoints(keypoints.position[:count].detach().float().cpu())


def _first(pictures: Tensor, count: int) -> Tensor:
    """The first images as float32 on the CPU; one stands for all."""
    pictures = pictures[:count].detach().float().cpu()
    return pictures.expand(count, -1, -1, -1)
