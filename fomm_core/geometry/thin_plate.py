"""Thin-plate splines: the deformation that keypoints have to follow, and the motions of TPS."""

import torch
import torch.nn.functional as F
from torch import Tensor

_ABOVE_ZERO, _ABOVE_ZERO_SQUARED = 1e-6, 1e-9
SOFTENED = 0.01
"""Added to the whole diagonal of the spline's equations, so that points that coincide have a solution."""


def control_points(side: int, *, like: Tensor) -> Tensor:
    """A regular grid of side x side points over the image, [side * side, 2] as (x, y), rows from the top."""
    line = torch.linspace(-1, 1, side, device=like.device, dtype=like.dtype)
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack((x, y), -1).flatten(0, 1)


def thin_plate_offset(points: Tensor, control: Tensor, weights: Tensor, *, euclidean: bool = False) -> Tensor:
    """sum_k w_k d_k^2 log(d_k) with d_k = |p - c_k|_1, [B, N]; the same is added to x and to y.

    points: [B or 1, N, 2]. control: [K, 2]. weights: [B, K]. euclidean: d_k^2 log(d_k^2) with the Euclidean distance,
    as in TPS; FOMM, MRAA and part swap have the other.
    """
    if euclidean:
        return (radial((points.unsqueeze(-2) - control).square().sum(-1)) * weights.unsqueeze(1)).sum(-1)
    distance = (points.unsqueeze(-2) - control).abs().sum(-1)  # [B, N, K]
    return (distance.square() * torch.log(distance + _ABOVE_ZERO) * weights.unsqueeze(1)).sum(-1)


def thin_plate_gradient(points: Tensor, control: Tensor, weights: Tensor) -> Tensor:
    """Derivative of `thin_plate_offset` by x and y, [B, N, 2]; 0 across the kinks, where an axis of p and c_k agree."""
    offset = points.unsqueeze(-2) - control  # [B, N, K, 2]
    distance = offset.abs().sum(-1)
    above = distance + _ABOVE_ZERO
    slope = 2 * distance * torch.log(above) + distance.square() / above
    return ((slope * weights.unsqueeze(1)).unsqueeze(-1) * offset.sign()).sum(-2)


def radial(squared: Tensor) -> Tensor:
    """U(r^2) = r^2 log r^2 of squared Euclidean distances [...]."""
    return squared * torch.log(squared + _ABOVE_ZERO_SQUARED)


def spline_through(control: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """The thin-plate splines that take `control` to (about) `target`, both [..., N, 2].

    Returns (theta [..., 2, 3], weights [..., N, 2]): T(z) = theta (z, 1) + sum_i U(|z - c_i|^2) w_i, see `spline_at`.
    All systems are solved together; they are solved in float64 where the device has it, being small and stiff.
    """
    count, kind = control.shape[-2], control.dtype
    if control.device.type != "mps":
        control, target = control.double(), target.double()
    distances = (control.unsqueeze(-2) - control.unsqueeze(-3)).square().sum(-1)
    affine = F.pad(control, (0, 1), value=1)
    upper = torch.cat((radial(distances), affine), -1)
    lower = F.pad(affine.mT, (0, 3))
    equations = torch.cat((upper, lower), -2) + SOFTENED * torch.eye(count + 3).to(control)
    solved = torch.linalg.solve(equations, F.pad(target, (0, 0, 0, 3))).to(kind)
    return solved[..., count:, :].mT, solved[..., :count, :]


def spline_at(points: Tensor, control: Tensor, theta: Tensor, weights: Tensor) -> Tensor:
    """Where splines take points [M, 2]: control and weights [..., N, 2], theta [..., 2, 3]; [..., M, 2]."""
    squared = (points.unsqueeze(-2) - control.unsqueeze(-3)).square().sum(-1)  # [..., M, N]
    return points @ theta[..., :2].mT + theta[..., None, :, 2] + radial(squared) @ weights
