from __future__ import annotations

import logging
import math

import pytest
import torch
from fomm_nodes.fomm_core.errors import KeypointError
from fomm_nodes.fomm_core.geometry import Keypoints, hull_area
from fomm_nodes.fomm_core.motion import anchor_distances, anchor_frame, best_anchor
from nearness import NETWORK, near


def clip(frames: int, count: int = 10) -> Keypoints:
    return Keypoints(torch.rand(frames, count, 2) * 2 - 1)


def test_finds_the_frame_that_is_the_source_moved_and_scaled() -> None:
    source, driving = clip(1), clip(20)
    driving.position[13] = source.position[0] * 0.4 + torch.tensor([0.3, -0.2])
    distances = anchor_distances(source, driving)
    assert best_anchor(source, driving) == 13
    assert distances.shape == (20,)
    near(distances[13], 0, of=distances.median().item())
    assert distances.argmin() == 13


def test_turning_counts() -> None:
    source = clip(1)
    angle = math.radians(30)
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    driving = Keypoints(torch.cat([source.position @ turn.T, source.position + 0.01 * torch.randn(1, 10, 2)]))
    assert best_anchor(source, driving) == 1


def test_distances_follow_the_definition() -> None:
    source, driving = clip(1), clip(6)

    def aligned(position: torch.Tensor) -> torch.Tensor:
        return (position - position.mean(0)) / hull_area(position) ** 0.5

    expected = [(aligned(frame) - aligned(source.position[0])).square().sum() for frame in driving.position]
    near(anchor_distances(source, driving), torch.stack(expected), NETWORK)


def test_first_of_equals() -> None:
    source, driving = clip(1), clip(9)
    for frame in (7, 2, 5):
        driving.position[frame] = source.position[0]
    assert best_anchor(source, driving) == 2


def test_frames_without_shape_are_never_chosen() -> None:
    source, driving = clip(1), clip(4)
    driving.position[0] = 0.3
    driving.position[1, 4] = float("nan")
    distances = anchor_distances(source, driving)
    assert distances[:2].tolist() == [math.inf, math.inf]
    assert distances[2:].isfinite().all()
    assert best_anchor(source, driving) in (2, 3)


def test_clip_without_any_shape_falls_back_to_its_start(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "fomm.motion"):
        assert best_anchor(clip(1), Keypoints(torch.zeros(5, 10, 2))) == 0
    assert "frame 0 is the anchor" in caplog.text


def test_two_keypoints_are_compared_by_place_alone() -> None:
    source = Keypoints(torch.tensor([[[0.0, 0.0], [0.5, 0.0]]]))
    driving = Keypoints(torch.tensor([[[0.1, 0.1], [0.1, 0.6]], [[0.3, 0.3], [0.82, 0.3]], [[0.0, 0.0], [0.9, 0.0]]]))
    assert best_anchor(source, driving) == 1


def test_one_frame() -> None:
    assert best_anchor(clip(1), clip(1)) == 0


@pytest.mark.parametrize("index", [0, 2])
def test_anchor_frame_is_one_frame(index: int) -> None:
    driving = clip(3)
    assert torch.equal(anchor_frame(driving, index).position, driving.position[index : index + 1])


@pytest.mark.parametrize("index", [-1, 3, 99])
def test_anchor_frame_outside_the_clip_is_refused(index: int) -> None:
    with pytest.raises(KeypointError, match=f"anchor frame from 0 to 2; got {index}"):
        anchor_frame(clip(3), index)


def test_bad_clips_are_refused() -> None:
    with pytest.raises(KeypointError, match="at least one frame"):
        best_anchor(clip(1), clip(0))
    with pytest.raises(KeypointError, match="at least one frame"):
        anchor_frame(clip(0), 0)
    with pytest.raises(KeypointError, match=r"expected 10 keypoints.*got 7"):
        best_anchor(clip(1), clip(3, 7))
    with pytest.raises(KeypointError, match="finite source positions"):
        best_anchor(Keypoints(torch.full((1, 10, 2), float("inf"))), clip(3))
