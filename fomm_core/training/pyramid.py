"""An image at several sizes, each without aliasing (section 3.3 of the paper)."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from ..geometry import antialias_kernel, downsample_factor


@lru_cache(maxsize=64)
def reduction_matrix(length: int, scale: float) -> Tensor:
    """[ceil(length * scale), length]: filter a line of pixels, zero outside, and keep every 1/scale-th.

    The published kernel is an outer product, so `rows @ image @ columns.T` is that filter and that choice: few products
    forwards and backwards, where a convolution computes pixels that are thrown away.
    """
    profile = antialias_kernel(scale).sum(0)
    factor, reach = downsample_factor(scale), len(profile) // 2
    kept = torch.arange(0, length, factor)
    matrix = torch.zeros(len(kept), length + 2 * reach)
    for row, centre in enumerate(kept.tolist()):
        matrix[row, centre : centre + len(profile)] = profile
    return matrix[:, reach : reach + length].contiguous()


def reduce(image: Tensor, scale: float) -> Tensor:
    """[B, C, H, W] at 1/n of its size, as `geometry.downsample` with the published kernel; float32 or wider."""
    if downsample_factor(scale) == 1:
        return image
    height, width = image.shape[-2:]
    rows, columns = (reduction_matrix(length, scale).to(image) for length in (height, width))
    with torch.autocast(image.device.type, enabled=False):
        return rows @ image @ columns.T


class Pyramid:
    """One image [B, C, H, W] at whatever scales are asked for, each made once."""

    def __init__(self, image: Tensor) -> None:
        self.image = image
        self._made: dict[float, Tensor] = {}

    def at(self, scale: float) -> Tensor:
        """The image at `scale` (1/n) of its size."""
        if scale not in self._made:
            self._made[scale] = reduce(self.image, scale)
        return self._made[scale]

    def detach(self) -> Pyramid:
        """The same images, cut off from what made them."""
        cut = Pyramid(self.image.detach())
        cut._made = {scale: image.detach() for scale, image in self._made.items()}
        return cut
