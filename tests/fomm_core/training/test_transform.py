from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from fomm_nodes.fomm_core.geometry import thin_plate_gradient, thin_plate_offset
from fomm_nodes.fomm_core.training.config import TransformConfig
from fomm_nodes.fomm_core.training.seeds import generator_at, seed_at
from fomm_nodes.fomm_core.training.transform import RandomTransform
from nearness import NETWORK, near

STRONG = TransformConfig(sigma_affine=0.3, sigma_tps=0.05, points_tps=5)
AFFINE = TransformConfig(sigma_affine=0.3, sigma_tps=None, points_tps=None)


def sample(config: TransformConfig, batch: int = 3, step: int = 0) -> RandomTransform:
    return RandomTransform.sample(config, [generator_at(1, step, index) for index in range(batch)])


@pytest.mark.parametrize("config", [STRONG, AFFINE], ids=["thin plate", "affine"])
def test_jacobian_is_the_derivative_of_points(config: TransformConfig) -> None:
    transform = sample(config)
    points = (torch.rand(3, 7, 2) * 2.4 - 1.2).requires_grad_()
    moved = transform.points(points)
    rows = [torch.autograd.grad(moved[..., i].sum(), points, retain_graph=True)[0] for i in range(2)]
    near(transform.jacobian(points), torch.stack(rows, -2))


def test_gradient_of_the_plate_by_finite_differences() -> None:
    generator = torch.Generator().manual_seed(3)
    control = torch.rand(6, 2, generator=generator, dtype=torch.float64) * 2 - 1
    weights = torch.randn(2, 6, generator=generator, dtype=torch.float64)
    points = torch.rand(2, 4, 2, generator=generator, dtype=torch.float64) * 2 - 1
    step = 1e-6
    for axis in range(2):
        ahead, behind = points.clone(), points.clone()
        ahead[..., axis] += step
        behind[..., axis] -= step
        slope = (thin_plate_offset(ahead, control, weights) - thin_plate_offset(behind, control, weights)) / (2 * step)
        near(thin_plate_gradient(points, control, weights)[..., axis], slope)


def test_nothing_moves_without_deviation() -> None:
    transform = sample(TransformConfig(sigma_affine=0, sigma_tps=0, points_tps=5))
    images = torch.rand(3, 3, 17, 24)
    near(transform.frame(images, align_corners=True), images)
    points = torch.rand(3, 5, 2)
    near(transform.points(points), points)


def test_a_frame_is_sampled_where_points_says() -> None:
    """An image whose colours are its coordinates shows, deformed, where each pixel came from."""
    transform = sample(TransformConfig(sigma_affine=0.02, sigma_tps=0.002, points_tps=5))
    line = torch.linspace(-1, 1, 65)
    y, x = torch.meshgrid(line, line, indexing="ij")
    seen = transform.frame(torch.stack((x, y)).expand(3, -1, -1, -1), align_corners=True)
    inside = torch.tensor([[20, 30], [32, 32], [40, 13]])  # (row, column)
    points = torch.stack((line[inside[:, 1]], line[inside[:, 0]]), -1).unsqueeze(0)
    near(seen[:, :, inside[:, 0], inside[:, 1]].mT, transform.points(points), NETWORK)


def test_a_deformation_depends_on_its_place_alone() -> None:
    """Cutting the batch up, as other processes or accumulation do, changes nothing."""
    whole = sample(STRONG, batch=4)
    last = RandomTransform.sample(STRONG, [generator_at(1, 0, index) for index in (2, 3)])
    assert whole.weights is not None
    assert last.weights is not None
    assert torch.equal(whole.theta[2:], last.theta)
    assert torch.equal(whole.weights[2:], last.weights)
    assert not torch.equal(whole.theta[0], whole.theta[1])
    assert not torch.equal(whole.theta, sample(STRONG, batch=4, step=1).theta)


def test_deviations_are_those_asked_for() -> None:
    transform = sample(TransformConfig(sigma_affine=0.05, sigma_tps=0.005, points_tps=5), batch=400)
    assert transform.weights is not None
    near((transform.theta - torch.eye(2, 3)).std().item(), 0.05, 0.05)  # 2400 draws: 1.4 % is one deviation
    near(transform.weights.std().item(), 0.005, 0.05)  # 20000 draws


def test_seeds_of_different_places_differ() -> None:
    seeds = {seed_at(seed, step, index) for seed in range(4) for step in range(20) for index in range(8)}
    assert len(seeds) == 4 * 20 * 8
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert seed_at(1, 23) != seed_at(12, 3)


def test_the_published_transform(shared: Path) -> None:
    with np.load(shared / "parity" / "vox-256-small-64.npz") as stored:
        arrays = {
            key: torch.from_numpy(stored[f"train/{key}"])
            for key in (
                "theta",
                "control_points",
                "control_params",
                "driving",
                "transformed_frame",
            )
        }
    transform = RandomTransform(
        arrays["theta"], arrays["control_points"].reshape(-1, 2), arrays["control_params"].squeeze(1)
    )
    frame = transform.frame(arrays["driving"], align_corners=True)
    near(frame, arrays["transformed_frame"], NETWORK)
