"""The thin-plate deformation of the published code: distances are |x| + |y|, and x and y move alike."""

import torch
from torch import Tensor

_ABOVE_ZERO = 1e-6


def control_points(side: int, *, like: Tensor) -> Tensor:
    """A regular grid of side x side points over the picture, [side * side, 2] as (x, y), rows from the top."""
    line = torch.linspace(-1, 1, side, device=like.device, dtype=like.dtype)
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack((x, y), -1).flatten(0, 1)


def thin_plate_offset(points: Tensor, control: Tensor, weights: Tensor) -> Tensor:
    """sum_k w_k d_k^2 log(d_k) with d_k = |p - c_k|_1, [B, N]; the same is added to x and to y.

    points: [B or 1, N, 2]. control: [K, 2]. weights: [B, K].
    """
    distance = (points.unsqueeze(-2) - control).abs().sum(-1)  # [B, N, K]
    return (distance.square() * torch.log(distance + _ABOVE_ZERO) * weights.unsqueeze(1)).sum(-1)


def thin_plate_gradient(points: Tensor, control: Tensor, weights: Tensor) -> Tensor:
    """Derivative of `thin_plate_offset` by x and y, [B, N, 2]; 0 across the kinks, where an axis of p and c_k agree."""
    offset = points.unsqueeze(-2) - control  # [B, N, K, 2]
    distance = offset.abs().sum(-1)
    above = distance + _ABOVE_ZERO
    slope = 2 * distance * torch.log(above) + distance.square() / above
    return ((slope * weights.unsqueeze(1)).unsqueeze(-1) * offset.sign()).sum(-2)
