from __future__ import annotations

import pytest
import torch
from fomm_nodes.fomm_core.errors import KeypointError
from fomm_nodes.fomm_core.geometry import Keypoints
from fomm_nodes.fomm_core.motion import blend
from nearness import near


def clip(frames: int, count: int = 4, *, jacobian: bool = True) -> Keypoints:
    return Keypoints(torch.randn(frames, count, 2), torch.randn(frames, count, 2, 2) if jacobian else None)


def test_ends_are_exact() -> None:
    first, second = clip(6), clip(6)
    for weight, expected in ((0, first), (1, second), (0.0, first), (1.0, second)):
        got = blend(first, second, weight)
        assert torch.equal(got.position, expected.position)
        assert torch.equal(got.jacobian, expected.jacobian)


@pytest.mark.parametrize("weight", [0.25, 0.5, 0.9])
def test_is_a_weighted_mean(weight: float) -> None:
    first, second = clip(6), clip(6)
    got = blend(first, second, weight)
    near(got.position, (1 - weight) * first.position + weight * second.position)
    near(got.jacobian, (1 - weight) * first.jacobian + weight * second.jacobian)


@pytest.mark.parametrize("kind", [list, torch.tensor])
def test_a_weight_for_each_keypoint(kind: type) -> None:
    first, second = clip(5), clip(5)
    got = blend(first, second, kind([0.0, 0.25, 0.5, 1.0]))
    for index, weight in enumerate((0.0, 0.25, 0.5, 1.0)):
        alone = blend(first, second, weight)
        near(got.position[:, index], alone.position[:, index])
        near(got.jacobian[:, index], alone.jacobian[:, index])


def test_select_leaves_the_others_as_in_the_first() -> None:
    first, second = clip(5), clip(5)
    got = blend(first, second, 0.75, select=[True, False, False, True])
    mixed = blend(first, second, 0.75)
    assert torch.equal(got.position[:, 1:3], first.position[:, 1:3])
    assert torch.equal(got.jacobian[:, 1:3], first.jacobian[:, 1:3])
    assert torch.equal(got.position[:, [0, 3]], mixed.position[:, [0, 3]])
    assert torch.equal(got.jacobian[:, [0, 3]], mixed.jacobian[:, [0, 3]])


def test_one_frame_is_held() -> None:
    one, many = clip(1), clip(5)
    for first, second in ((one, many), (many, one)):
        got = blend(first, second, 0.5)
        near(got.position, (one.position + many.position) / 2)
        near(got.jacobian, (one.jacobian + many.jacobian) / 2)


def test_positions_alone() -> None:
    first, second = clip(3, jacobian=False), clip(3, jacobian=False)
    assert blend(first, second).jacobian is None


def test_other_lengths_are_refused_with_advice() -> None:
    with pytest.raises(KeypointError, match=r"got 7 and 5 frames: cut both to the shorter with keypoints\[:5\]"):
        blend(clip(7), clip(5))


def test_bad_pairs_are_refused() -> None:
    with pytest.raises(KeypointError, match=r"expected 4 keypoints.*got 3"):
        blend(clip(5), clip(5, 3))
    with pytest.raises(KeypointError, match="only in the second"):
        blend(clip(5, jacobian=False), clip(5))
    with pytest.raises(KeypointError, match="only in the first"):
        blend(clip(5), clip(5, jacobian=False))
    with pytest.raises(KeypointError, match="at least one frame of second"):
        blend(clip(5), clip(0))


@pytest.mark.parametrize("weight", [-0.1, 1.1, float("nan"), [0.0, 1.0, 2.0, 0.0]])
def test_weights_outside_their_range_are_refused(weight: float | list[float]) -> None:
    with pytest.raises(KeypointError, match="weights of 0 to 1"):
        blend(clip(2), clip(2), weight)


def test_weights_and_masks_of_another_size_are_refused() -> None:
    with pytest.raises(KeypointError, match=r"one for each of 4 keypoints, or .*; got \[3\]"):
        blend(clip(2), clip(2), [0.1, 0.2, 0.3])
    with pytest.raises(KeypointError, match=r"one bool for each of 4 keypoints; got \[2\]"):
        blend(clip(2), clip(2), select=[True, False])
    with pytest.raises(KeypointError, match="of int64"):
        blend(clip(2), clip(2), select=[1, 0, 2, 3])


@pytest.mark.parametrize("shape", [(5, 1), (5, 4)])
def test_a_weight_for_each_frame(shape: tuple[int, int]) -> None:
    first, second, weights = clip(5), clip(5), torch.rand(shape)
    got = blend(first, second, weights)
    for frame in range(5):
        alone = blend(first[frame : frame + 1], second[frame : frame + 1], weights[frame].expand(4))
        near(got.position[frame], alone.position[0])
        near(got.jacobian[frame], alone.jacobian[0])


@pytest.mark.parametrize("weights", [torch.zeros(4, 1), torch.zeros(5, 3), torch.zeros(1, 5, 4)])
def test_weights_for_other_frames_are_refused(weights: torch.Tensor) -> None:
    with pytest.raises(KeypointError, match=r"5 frames as \[5, 1\]"):
        blend(clip(5), clip(5), weights)
