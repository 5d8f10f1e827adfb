"""How a square is sampled, once for tensors and bytes: what a crop needs of the whole, shrunk by area where the crop
is smaller, then an affine step at a scale near 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from ..errors import RegionError
from .matrices import crop_from_whole, index_matrix, scaling, whole_from_crop
from .region import Region

SAME = 1e-9
"""Matrices that differ by less are the same: far below what a float32 coordinate of a large image resolves."""
MOST_SIDE = 16_384
"""Pixels of a crop: 0.8 GB of bytes. A region's own side may be as long as its file says."""


@dataclass(frozen=True, eq=False)
class Sampling:
    """How one square becomes a crop, or a crop becomes a square.

    box:    left, top, right, bottom of the whole pixels of the image that are touched; inside the image.
    shrunk: (height, width) to which the source of the sampling (the box, or the crop) is first shrunk by area.
    matrix: target from shrunk source, [3, 3] between pixel numbers; None where the shrunk source is the target.
    enlarges: whether the affine step enlarges, so that smooth interpolation shows.
    """

    box: tuple[int, int, int, int]
    shrunk: tuple[int, int]
    matrix: Tensor | None
    enlarges: bool

    def only_scales(self, source: tuple[int, ...], target: tuple[int, int]) -> bool:
        """Whether the affine step takes the whole source to the whole target: `resize` does the same."""
        if self.matrix is None:
            return False
        whole = index_matrix(scaling(target[1] / source[1], target[0] / source[0]))
        return bool(((self.matrix - whole).abs() < SAME).all())


def check_crop_size(size: int) -> None:
    """Raises RegionError for a crop without pixels, or with more than memory has room for."""
    if not 1 <= size <= MOST_SIDE:
        got = size if size < 10**9 else "far more"
        raise RegionError(
            f"expected a crop of 1 to {MOST_SIDE:,} pixels a side; got {got}. Ask for a smaller size, or a smaller "
            "square."
        )


def crop_sampling(region: Region, size: int, *, grid: int = 1) -> Sampling:
    """From the whole image to a crop of `size` x `size`; `region` is one square. grid: the box's sides lie on
    multiples of so many pixels where it is shrunk to a half and more.
    """
    scale = float(region.side[0]) / size  # whole pixels for one of the crop
    left, top, right, bottom = box = touched(region, margin=0 if scale >= 1 else 2, grid=grid if scale >= 2 else 1)
    width, height = right - left, bottom - top
    shrunk = (height, width)
    if scale > 1:
        shrunk = (max(1, math.ceil(height / scale - SAME)), max(1, math.ceil(width / scale - SAME)))
    shrunk_from_whole = scaling(shrunk[1] / width, shrunk[0] / height, left, top)
    crop_from_shrunk = crop_from_whole(region, size)[0] @ torch.linalg.inv(shrunk_from_whole)
    return Sampling(box, shrunk, _unless_same(crop_from_shrunk, shrunk, (size, size)), scale < 1 - SAME)


def paste_sampling(region: Region, size: int) -> Sampling:
    """From a crop of `size` x `size` back to the box that it covers; `region` is one square."""
    left, top, right, bottom = box = touched(region, margin=0)
    scale = size / float(region.side[0])  # crop pixels for one of the whole
    side = size if scale <= 1 else max(1, math.ceil(size / scale - SAME))
    box_from_crop = scaling(1, 1, left, top) @ whole_from_crop(region, size)[0]
    box_from_shrunk = box_from_crop @ scaling(size / side, size / side)
    return Sampling(
        box,
        (side, side),
        _unless_same(box_from_shrunk, (side, side), (bottom - top, right - left)),
        scale < 1 - SAME,
    )


def touched(region: Region, *, margin: int, grid: int = 1) -> tuple[int, int, int, int]:
    """The whole pixels under one square and `margin` more around, inside the picture: left, top, right, bottom; of
    multiples of `grid`, where the image goes on so far.
    """
    left, top, right, bottom = region.bounds()[0].tolist()
    x0 = min(max(math.floor(left + SAME) - margin, 0), region.width - 1)
    y0 = min(max(math.floor(top + SAME) - margin, 0), region.height - 1)
    x1 = max(min(math.ceil(right - SAME) + margin, region.width), x0 + 1)
    y1 = max(min(math.ceil(bottom - SAME) + margin, region.height), y0 + 1)
    x1, y1 = min(-(-x1 // grid) * grid, region.width), min(-(-y1 // grid) * grid, region.height)
    return x0 // grid * grid, y0 // grid * grid, x1, y1


def _unless_same(matrix: Tensor, source: tuple[int, int], target: tuple[int, int]) -> Tensor | None:
    index = index_matrix(matrix)
    same = source == target and bool(((index - torch.eye(3, dtype=index.dtype)).abs() < SAME).all())
    return None if same else index


@lru_cache(maxsize=16)
def area_weights(source: int, target: int) -> Tensor:
    """[target, source] float32: the share that each source pixel has in the mean under each larger target pixel."""
    edges = torch.arange(target + 1, dtype=torch.float64) * (source / target)
    pixels = torch.arange(source, dtype=torch.float64)
    overlap = torch.minimum(edges[1:, None], pixels + 1) - torch.maximum(edges[:-1, None], pixels)
    return (overlap.clamp(min=0) * (target / source)).float()
