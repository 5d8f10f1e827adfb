"""The one definition of where a square's pixels lie: affine maps between a crop and the whole image.

Names say what maps what: `whole_from_crop` takes a crop's (x, y) to the whole's. All are [T, 3, 3] float64, in
edge-aligned pixels (a pixel's centre is at + 0.5), unless a name says `index`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .region import Region


def whole_from_crop(region: Region, size: int) -> Tensor:
    """From a crop of `size` x `size` pixels to the whole image, [T, 3, 3]."""
    scale = region.side / size
    cos, sin = region.angle.cos() * scale, region.angle.sin() * scale
    x, y = region.centre.unbind(1)
    half = size / 2
    return _affine(cos, -sin, x - (cos - sin) * half, sin, cos, y - (sin + cos) * half)


def crop_from_whole(region: Region, size: int) -> Tensor:
    """From the whole image to a crop of `size` x `size` pixels, [T, 3, 3]: the inverse, in closed form."""
    scale = size / region.side
    cos, sin = region.angle.cos() * scale, region.angle.sin() * scale
    x, y = region.centre.unbind(1)
    half = size / 2
    return _affine(cos, sin, half - cos * x - sin * y, -sin, cos, half + sin * x - cos * y)


def scaling(x: float, y: float, left: float = 0.0, top: float = 0.0) -> Tensor:
    """[3, 3]: first moved by (-left, -top), then scaled by x and y."""
    return torch.tensor([[x, 0, -left * x], [0, y, -top * y], [0, 0, 1]], dtype=torch.float64)


def index_matrix(edges: Tensor) -> Tensor:
    """The same map between pixel numbers, as OpenCV, kornia and `grid_sample(align_corners=True)` count them: a pixel's
    centre at 0 instead of at 0.5.
    """
    moved = edges.clone()
    moved[..., :2, 2] += edges[..., :2, :2].sum(-1) * 0.5 - 0.5
    return moved


def moved_points(matrix: Tensor, points: Tensor) -> Tensor:
    """Points [..., N, 2] by matrices [..., 3, 3]."""
    return points @ matrix[..., :2, :2].mT + matrix[..., None, :2, 2]


def _affine(a: Tensor, b: Tensor, c: Tensor, d: Tensor, e: Tensor, f: Tensor) -> Tensor:
    zero, one = torch.zeros_like(a), torch.ones_like(a)
    return torch.stack((a, b, c, d, e, f, zero, zero, one), -1).unflatten(-1, (3, 3))
