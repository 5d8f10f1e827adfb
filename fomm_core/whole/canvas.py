"""The whole picture, with what was animated laid back into it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..region import Paster, Region
from ..region.resampling import touched
from ..video.pixels import Pixels


class Canvas:
    """A still onto which squares are laid, frame by frame; what lies outside of them keeps its very bytes.

    picture: uint8 [H, W, C]. regions: one square each. feather: see `region.coverage`.
    """

    def __init__(self, picture: Pixels, regions: Sequence[Region], feather: float) -> None:
        self.picture = picture
        self.regions = tuple(regions)
        self._pasters = [Paster(region, feather=feather) for region in regions]

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
        return _laid(self._pasters, self.picture.copy(), squares)

    def mask(self, squares: Sequence[Pixels]) -> Pixels:
        """The same for masks [S, S, C], over black: [H, W, C]."""
        return _laid(self._pasters, np.zeros((*self.size, squares[0].shape[-1]), np.uint8), squares)


def _laid(pasters: Sequence[Paster], frame: Pixels, squares: Sequence[Pixels]) -> Pixels:
    for paster, square in zip(pasters, squares, strict=True):
        paster(frame, square, in_place=True)
    return frame
