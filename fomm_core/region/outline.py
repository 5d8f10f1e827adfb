"""Squares drawn upon images, to see what a region takes."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from ..errors import RegionError
from .region import Region

OUTLINE = (255, 196, 32)
UNDER = (16, 18, 24)
SUBPIXEL_BITS = 4


def outlined(images: Tensor, region: Region) -> Tensor:
    """The squares of `region` (one, or one for each image) drawn upon `images` [B, 3, H, W] in 0..1, with the upper
    side thicker; returns new images on the CPU. The images may be smaller or larger than the region's whole.

    Raises RegionError for other shapes, or a region of another number of frames.
    """
    if images.ndim != 4 or images.shape[1] != 3 or 0 in images.shape:
        raise RegionError(f"expected images [B, 3, H, W] to draw on; got {list(images.shape)}")
    region = region.frames(len(images))
    height, width = images.shape[-2:]
    by = torch.tensor([width / region.width, height / region.height], dtype=torch.float64)
    corners = ((region.corners() * by - 0.5) * 2**SUBPIXEL_BITS).round().int().numpy()
    line = max(1, round(min(height, width) / 200))
    drawn = []
    for image, square in zip(images, corners, strict=True):
        canvas = _to_bytes(image)
        for colour, more in ((UNDER, 2), (OUTLINE, 0)):
            for part, closed, thickness in ((square, True, line), (square[:2], False, 2 * line)):
                cv2.polylines(canvas, [part], closed, colour, thickness + more, cv2.LINE_AA, SUBPIXEL_BITS)
        drawn.append(canvas)
    return torch.from_numpy(np.stack(drawn)).movedim(-1, 1).float() / 255


def _to_bytes(image: Tensor) -> np.ndarray:
    """[3, H, W] as bytes [H, W, 3] in memory of its own."""
    scaled = (image.detach().float().cpu().clamp(0, 1) * 255).round().byte()
    return scaled.permute(1, 2, 0).numpy().copy(order="C")
