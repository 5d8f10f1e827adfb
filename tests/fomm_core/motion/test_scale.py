from __future__ import annotations

import logging

import pytest
import torch
from fomm_nodes.fomm_core.errors import KeypointError
from fomm_nodes.fomm_core.geometry import Keypoints
from fomm_nodes.fomm_core.motion import movement_scale
from nearness import near

SQUARE = Keypoints(torch.tensor([[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.5, 0.5]]]) - 0.5)


def scaled(factor: float, shift: float = 0.0) -> Keypoints:
    return Keypoints(SQUARE.position * factor + shift)


@pytest.mark.parametrize("factor", [0.25, 1.0, 1.9])
def test_is_the_ratio_of_sizes(factor: float) -> None:
    near(movement_scale(scaled(factor, 0.1), SQUARE), factor)
    near(movement_scale(SQUARE, scaled(factor, 0.1)), 1 / factor)


@pytest.mark.parametrize(
    ("source", "anchor", "named"),
    [
        (SQUARE, scaled(0), "The anchor keypoints"),
        (scaled(0), SQUARE, "The source keypoints"),
        (scaled(1e-4), scaled(1e-4), "The source and anchor keypoints"),
        (Keypoints(torch.rand(1, 2, 2)), Keypoints(torch.rand(1, 2, 2)), "The source and anchor keypoints"),
        (SQUARE, Keypoints(torch.linspace(0, 1, 5)[None, :, None].expand(1, 5, 2)), "The anchor keypoints"),
    ],
)
def test_no_area_means_no_scaling_and_a_warning(
    source: Keypoints, anchor: Keypoints, named: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "fomm.motion"):
        assert movement_scale(source, anchor) == 1.0
    assert named in caplog.text


def test_warns_of_nothing_where_both_have_an_area(caplog: pytest.LogCaptureFixture) -> None:
    movement_scale(SQUARE, scaled(0.5))
    assert not caplog.records


def test_bad_keypoints_are_refused() -> None:
    with pytest.raises(KeypointError, match="finite anchor positions"):
        movement_scale(SQUARE, scaled(float("nan")))
    with pytest.raises(KeypointError, match="source keypoints of one frame; got 2"):
        movement_scale(SQUARE.expand(2), SQUARE)
    with pytest.raises(KeypointError, match=r"expected 5 keypoints in each anchor frame.*got 4"):
        movement_scale(SQUARE, Keypoints(SQUARE.position[:, :4]))
