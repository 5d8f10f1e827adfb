"""Covariances of regions, 2x2: their principal axes as a local map, and gaussians of their shape, in closed form."""

import torch
from einops import einsum, rearrange
from torch import Tensor

from .gaussian import FAR
from .grid import coordinate_grid

LEAST_VARIANCE = 1e-7
"""Below this (a standard deviation of a twenty-fifth of a pixel at 256) a region has collapsed to a point or a line."""


def principal_axes(covariance: Tensor) -> tuple[Tensor, Tensor]:
    """(axes [..., 2, 2], variances [..., 2], the larger first) of covariances [..., 2, 2]: axes @ diag @ axes^T.

    Columns are axes; their signs are those that LAPACK's gesdd gives on a CPU, by which the published weights were
    trained: a reflection. Where both variances are the same, no axis is any better: the gradient is zero there.
    """
    a, b, c = covariance[..., 0, 0], covariance[..., 0, 1], covariance[..., 1, 1]
    half, mean = (a - c) / 2, (a + c) / 2
    round_ = half.square() + b.square() <= (1e-7 * mean).square()
    safe_half, safe_b = torch.where(round_, torch.ones_like(half), half), torch.where(round_, torch.zeros_like(b), b)
    radius = torch.where(round_, torch.zeros_like(half), torch.hypot(safe_half, safe_b))
    angle = torch.atan2(safe_b, safe_half) / 2  # of the larger axis: tan(2 angle) = 2b / (a - c)
    cos, sin = torch.cos(angle), torch.sin(angle)
    same = (b < 0) | (a.square() + b.square() >= a * c - b.square())
    sign = torch.where(same, torch.ones_like(a), -torch.ones_like(a))[..., None, None]
    reflection = sign * torch.stack((torch.stack((-cos, -sin), -1), torch.stack((-sin, cos), -1)), -2)
    straight = torch.eye(2, device=covariance.device, dtype=covariance.dtype)
    upright = torch.where((a >= c)[..., None, None], straight, straight.flip(0))
    axes = torch.where(((b == 0) | round_)[..., None, None], upright, reflection)
    return axes, torch.stack((mean + radius, mean - radius), -1)


def axes_map(covariance: Tensor) -> Tensor:
    """The local map of regions [..., 2, 2]: from the unit circle to one standard deviation along the axes.

    Of a region that has collapsed (see `LEAST_VARIANCE`) a small but invertible one.
    """
    axes, variances = principal_axes(covariance)
    return axes * variances.clamp(min=LEAST_VARIANCE).sqrt().unsqueeze(-2)


def upright(matrix: Tensor) -> Tensor:
    """Maps [..., 2, 2], turned by half a turn where their first number is negative: the axes of a region have no sign.

    A zero counts as positive.
    """
    first = matrix[..., :1, :1]
    return torch.where(first < 0, -matrix, matrix)


def inverse_covariance(covariance: Tensor) -> Tensor:
    """Inverses [..., 2, 2]; a region that has collapsed is taken for one of `LEAST_VARIANCE` across."""
    a, b, c = covariance[..., 0, 0], covariance[..., 0, 1], covariance[..., 1, 1]
    smaller = (a + c) / 2 - torch.hypot((a - c) / 2, b)
    widened = torch.relu(LEAST_VARIANCE - smaller).detach()
    a, c = a + widened, c + widened
    determinant = (a * c - b.square()).clamp(min=LEAST_VARIANCE**2)
    adjugate = torch.stack((torch.stack((c, -b), -1), torch.stack((-b, a), -1)), -2)
    return adjugate / determinant[..., None, None]


def region_gaussians(position: Tensor, covariance: Tensor, height: int, width: int) -> Tensor:
    """exp(-(z - p)^T C^-1 (z - p) / 2) with peak 1 around each position [B, K, 2], C [B, K, 2, 2]; [B, K, h, w]."""
    offset = coordinate_grid(height, width, like=position) - rearrange(position, "b k xy -> b k 1 1 xy")
    inverse = inverse_covariance(covariance)
    squared = einsum(offset, inverse, offset, "b k h w i, b k i j, b k h w j -> b k h w")
    return torch.exp((-0.5 * squared).clamp(min=FAR))
