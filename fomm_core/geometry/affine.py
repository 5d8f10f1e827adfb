"""2x2 algebra in closed form: quick on every device, and exportable where a general inverse is not."""

import torch
from torch import Tensor

SMALLEST_DETERMINANT = 1e-4
"""Below this a local map has collapsed to a line: its inverse would throw pixels out of the image."""


def determinant(matrix: Tensor) -> Tensor:
    """Determinants [...] of matrices [..., 2, 2]."""
    return matrix[..., 0, 0] * matrix[..., 1, 1] - matrix[..., 0, 1] * matrix[..., 1, 0]


def inverse(matrix: Tensor, *, smallest_determinant: float = SMALLEST_DETERMINANT) -> Tensor:
    """Inverses of matrices [..., 2, 2].

    Where the determinant is smaller in size than `smallest_determinant` it is replaced by that value (keeping its
    sign), so that a singular jacobian gives a large but finite map instead of Inf or an exception.
    """
    det = determinant(matrix)
    limit = torch.full_like(det, smallest_determinant)
    det = torch.where(det.abs() < smallest_determinant, torch.where(det < 0, -limit, limit), det)
    (a, b), (c, d) = matrix[..., 0, :].unbind(-1), matrix[..., 1, :].unbind(-1)
    adjugate = torch.stack((torch.stack((d, -b), -1), torch.stack((-c, a), -1)), -2)
    return adjugate / det[..., None, None]


def identity_like(matrix: Tensor) -> Tensor:
    """Identity matrices of the shape of `matrix` [..., 2, 2]."""
    return torch.eye(2, device=matrix.device, dtype=matrix.dtype).expand_as(matrix)
