"""L1, PSNR and SSIM."""

from __future__ import annotations

from typing import ClassVar

import torch
from kornia.metrics import ssim
from torch import Tensor

from .base import Column, Metric

HIGHEST_PSNR = 100.0
"""Decibels of images that are equal."""
WINDOW = 11


class PixelDistance(Metric):
    """Pixel by pixel, over all channels.

    l1: mean absolute difference, 0..1. psnr: in decibels, at most 100. ssim: structural similarity (Wang et al. 2004:
    11x11 gaussian window of sigma 1.5, without the border), mean over channels; NaN for images smaller than that.
    """

    columns: ClassVar[tuple[Column, ...]] = (
        Column("l1", "L1", higher_is_better=False, digits=4),
        Column("psnr", "PSNR", higher_is_better=True, digits=2),
        Column("ssim", "SSIM", higher_is_better=True, digits=4),
    )

    def look(self, pictures: Tensor) -> Tensor:
        """The images."""
        return pictures.float()

    def compare(self, result: Tensor, truth: Tensor) -> dict[str, Tensor]:
        """See Metric."""
        difference = result - truth
        psnr = -10 * difference.square().mean((1, 2, 3)).log10()
        similarity = torch.full((len(truth),), torch.nan)
        if min(truth.shape[-2:]) >= WINDOW:
            similarity = ssim(result.expand_as(truth), truth, WINDOW, padding="valid").mean((1, 2, 3))
        values = {"l1": difference.abs().mean((1, 2, 3)), "psnr": psnr.clamp(max=HIGHEST_PSNR), "ssim": similarity}
        return {name: value.float().cpu() for name, value in values.items()}
