from __future__ import annotations

import torch
from fomm_nodes.fomm_core.geometry import determinant, identity_like, inverse
from fomm_nodes.fomm_core.geometry.affine import SMALLEST_DETERMINANT
from nearness import near


def maps(*shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Random maps around the identity, none of them near singular."""
    return torch.eye(2, dtype=dtype) + 0.25 * torch.rand(*shape, 2, 2, dtype=dtype)


def test_determinant_of_known_maps() -> None:
    known = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[2.0, 3.0], [5.0, 7.0]], [[1.0, 2.0], [2.0, 4.0]]])
    assert determinant(known).tolist() == [1.0, -1.0, 0.0]


def test_determinant_agrees_with_torch() -> None:
    random = torch.randn(3, 5, 2, 2, dtype=torch.float64)
    near(determinant(random), torch.linalg.det(random))


def test_inverse_undoes_the_map_from_both_sides() -> None:
    map_ = maps(4, 7)
    near(inverse(map_) @ map_, identity_like(map_))
    near(map_ @ inverse(map_), identity_like(map_))


def test_inverse_agrees_with_torch() -> None:
    for dtype in (torch.float32, torch.float64):
        map_ = maps(50, dtype=dtype)
        assert inverse(map_).dtype == dtype
        near(inverse(map_), torch.linalg.inv(map_))


def test_inverse_keeps_mirroring() -> None:
    mirror = torch.tensor([[-1.0, 0.0], [0.0, 2.0]])
    assert torch.equal(inverse(mirror), torch.tensor([[-1.0, 0.0], [0.0, 0.5]]))


def test_inverse_has_the_right_gradient() -> None:
    assert torch.autograd.gradcheck(inverse, (maps(3).requires_grad_(),))


def test_singular_maps_are_guarded() -> None:
    singular = torch.tensor([[[1.0, 2.0], [2.0, 4.0]], [[0.0, 0.0], [0.0, 0.0]], [[1e-30, 0.0], [0.0, 1.0]]])
    got = inverse(singular)
    assert got.isfinite().all()
    near(got[0], torch.tensor([[4.0, -2.0], [-2.0, 1.0]]) / SMALLEST_DETERMINANT)
    assert torch.equal(got[1], torch.zeros(2, 2))


def test_guard_keeps_the_sign_and_is_continuous() -> None:
    def diagonal(det: float) -> torch.Tensor:
        return torch.tensor([[1.0, 0.0], [0.0, det]], dtype=torch.float64)

    for sign in (1, -1):
        inside, at = inverse(diagonal(sign * 0.5e-4)), inverse(diagonal(sign * SMALLEST_DETERMINANT))
        assert inside[0, 0] == 0.5  # half of what the true determinant gives
        assert at[1, 1] == sign / SMALLEST_DETERMINANT
        near(inside[1, 1], at[1, 1])
    assert inverse(diagonal(0.5e-4), smallest_determinant=1e-6)[1, 1] == 1 / 0.5e-4


def test_guarded_maps_have_finite_gradients() -> None:
    singular = torch.zeros(1, 2, 2, requires_grad=True)
    inverse(singular).sum().backward()
    assert singular.grad.isfinite().all()


def test_identity_like() -> None:
    like = torch.zeros(3, 4, 2, 2, dtype=torch.float64)
    identity = identity_like(like)
    assert identity.shape == like.shape
    assert identity.dtype == like.dtype
    assert torch.equal(identity[2, 3], torch.eye(2, dtype=torch.float64))
