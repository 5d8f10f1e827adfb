from __future__ import annotations

import math

import pytest
import torch
from fomm_nodes.fomm_core.geometry import hull_area
from hypothesis import given, settings
from hypothesis import strategies as st
from nearness import near

SQUARE = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])


@pytest.mark.parametrize(
    ("points", "area"),
    [
        (SQUARE, 1.0),
        (torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 1.0]]), 1.0),
        (torch.cat((SQUARE, torch.tensor([[0.5, 0.5], [0.2, 0.9], [1.0, 1.0]]))), 1.0),  # inner and double points
        (torch.tensor([[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [1.0, 0.5], [0.0, 2.0]]), 4.0),  # a dent
        (torch.tensor([[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0]]), 1.0),  # crossed order
        (torch.tensor([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]), 0.0),
        (torch.tensor([[0.3, 0.4], [1.0, 1.0]]), 0.0),
        (torch.tensor([[0.3, 0.4]]), 0.0),
        (torch.zeros(10, 2), 0.0),
    ],
)
def test_known_polygons(points: torch.Tensor, area: float) -> None:
    near(hull_area(points), area, of=4)  # of the square from -1 to 1


def test_regular_polygon() -> None:
    angle = torch.arange(12) * (2 * math.pi / 12)
    points = torch.stack((angle.cos(), angle.sin()), -1)
    near(hull_area(points), 0.5 * 12 * math.sin(2 * math.pi / 12))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    angle=st.floats(0, 2 * math.pi),
    factor=st.floats(0.1, 3),
    shift=st.tuples(st.floats(-2, 2), st.floats(-2, 2)),
)
def test_turning_and_shifting_keep_it_and_scaling_squares(
    seed: int, angle: float, factor: float, shift: tuple[float, float]
) -> None:
    points = torch.rand(8, 2, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    moved = factor * points @ turn.T + torch.tensor(shift)
    near(hull_area(moved), factor**2 * hull_area(points), of=max(4 * factor**2, 4))  # of the square they lie in


def test_takes_any_precision_and_gradients() -> None:
    for points in (SQUARE.double(), SQUARE.half(), SQUARE.clone().requires_grad_()):
        assert hull_area(points) == 1.0
