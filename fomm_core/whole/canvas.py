"""The whole image, with what was animated laid back into it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from ..region import Paster, Region
from ..region.matrices import moved_points, whole_from_crop
from ..region.resampling import touched
from ..video.pixels import Pixels

PASSAGE = 0.15
"""Where squares overlap: how wide the passage from one to the other is, as a share of their sides."""


class Canvas:
    """A still onto which squares are laid, frame by frame; what lies outside of them keeps its very bytes.

    Where squares overlap, each pixel is that of the square whose middle is nearer, in sides of the square, with a soft
    passage: so that no face is covered by what another one's square shows of it.

    picture: uint8 [H, W, C]. regions: one square each. feather: see `region.coverage`.
    """

    def __init__(self, picture: Pixels, regions: Sequence[Region], feather: float) -> None:
        self.picture = picture
        self.regions = tuple(regions)
        self._pasters = [Paster(region, feather=feather) for region in regions]
        self._shares: dict[tuple[int, int], NDArray[np.float32] | None] = {}

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)"""
        height, width = self.picture.shape[:2]
        return height, width

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of the pixels that may differ from one frame to the next."""
        boxes = [touched(region, margin=0) for region in self.regions]
        left, top, right, bottom = zip(*boxes, strict=True)
        return min(left), min(top), max(right), max(bottom)

    def frame(self, squares: Sequence[Pixels]) -> Pixels:
        """A new frame [H, W, C], with one square [S, S, C] laid over each region, in their order."""
        return self._laid(self.picture.copy(), squares)

    def mask(self, squares: Sequence[Pixels]) -> Pixels:
        """The same for masks [S, S, C], over black: [H, W, C]."""
        return self._laid(np.zeros((*self.size, squares[0].shape[-1]), np.uint8), squares)

    def _laid(self, frame: Pixels, squares: Sequence[Pixels]) -> Pixels:
        for index, (paster, square) in enumerate(zip(self._pasters, squares, strict=True)):
            key = (index, square.shape[0])
            if key not in self._shares:
                self._shares[key] = _share(self.regions, *key)
            paster(frame, square, mask=self._shares[key], in_place=True)
        return frame


def _share(regions: Sequence[Region], index: int, size: int) -> NDArray[np.float32] | None:
    """[size, size] in 0..1: what of a square is its own, among those that overlap it; None for all of it."""
    region = regions[index]
    others = [other for number, other in enumerate(regions) if number != index and _touch(region, other)]
    if not others:
        return None
    along = torch.arange(size, dtype=torch.float64) + 0.5
    grid = torch.stack(torch.meshgrid(along, along, indexing="xy"), -1).reshape(1, -1, 2)
    points = moved_points(whole_from_crop(region, size), grid)[0]

    def away(square: Region) -> torch.Tensor:
        return (points - square.centre[0]).norm(dim=1) / square.side[0]

    nearest = torch.stack([away(other) for other in others]).amin(0)
    share = (0.5 + (nearest - away(region)) / PASSAGE).clamp(0, 1)
    return share.reshape(size, size).float().numpy()


def _touch(one: Region, other: Region) -> bool:
    a, b = one.bounds()[0], other.bounds()[0]
    return bool((a[:2] < b[2:]).all() and (b[:2] < a[2:]).all())
