"""Squares drawn upon images."""

from __future__ import annotations

import pytest
import torch
from fomm_nodes.fomm_core.errors import RegionError
from fomm_nodes.fomm_core.region import outlined, region_at


def test_the_line_lies_on_the_square_at_any_size_of_picture() -> None:
    region = region_at(40, 30, 20, height=60, width=80)
    for by in (1, 2):
        grey = torch.full((1, 3, 60 * by, 80 * by), 0.5)
        changed = (outlined(grey, region) - grey).abs().sum(1)[0] > 0.2
        rows, columns = changed.nonzero().unbind(1)
        bounds = [int(part) / by for part in (columns.min(), columns.max(), rows.min(), rows.max())]
        assert all(abs(got - wish) <= 4 for got, wish in zip(bounds, (30, 50, 20, 40), strict=True))
        assert not changed[25 * by : 35 * by, 36 * by : 44 * by].any()


def test_each_picture_has_its_own_square() -> None:
    drawn = outlined(torch.zeros(2, 3, 60, 80), region_at([20, 60], 30, 10, height=60, width=80)).sum(1)
    assert drawn[0, :, :40].any()
    assert not drawn[0, :, 40:].any()
    assert not drawn[1, :, :40].any()


def test_squares_over_the_border_are_drawn_as_far_as_they_show() -> None:
    assert outlined(torch.zeros(1, 3, 60, 80), region_at(0, 0, 500, 0.3, height=60, width=80)).shape == (1, 3, 60, 80)
    assert outlined(torch.zeros(1, 3, 1, 1), region_at(0.5, 0.5, 1, height=1, width=1)).shape == (1, 3, 1, 1)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(RegionError, match="to draw on"):
        outlined(torch.zeros(3, 60, 80), region_at(40, 30, 20, height=60, width=80))
    with pytest.raises(RegionError, match="it has 2"):
        outlined(torch.zeros(3, 3, 60, 80), region_at([20, 60], 30, 10, height=60, width=80))
