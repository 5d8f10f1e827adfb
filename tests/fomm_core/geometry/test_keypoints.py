from __future__ import annotations

import numpy as np
import pytest
import torch
from fomm_nodes.fomm_core.errors import FommError, KeypointError
from fomm_nodes.fomm_core.geometry import Keypoints, Motion


def clip(frames: int = 4, count: int = 3) -> Keypoints:
    return Keypoints(torch.rand(frames, count, 2), torch.rand(frames, count, 2, 2))


def motion(frames: int = 4) -> Motion:
    return Motion(torch.rand(frames, 5, 6, 2), torch.rand(frames, 1, 5, 6), torch.rand(frames, 4, 5, 6))


def test_length_and_count() -> None:
    assert len(clip(4, 3)) == 4
    assert clip(4, 3).count == 3


@pytest.mark.parametrize("index", [0, 2, 3, -1, -4, np.int64(1)])
def test_one_frame_keeps_the_time_axis(index: int) -> None:
    keypoints = clip()
    got = keypoints[index]
    assert torch.equal(got.position, keypoints.position[index].unsqueeze(0))
    assert torch.equal(got.jacobian, keypoints.jacobian[index].unsqueeze(0))


@pytest.mark.parametrize("index", [4, -5, 100])
def test_frames_outside_the_clip_are_an_index_error(index: int) -> None:
    with pytest.raises(IndexError):
        clip()[index]


def test_iteration_gives_each_frame_once() -> None:
    keypoints = clip(4)
    frames = list(keypoints)
    assert len(frames) == 4
    assert torch.equal(Keypoints.cat(frames).position, keypoints.position)


def test_slices_of_time() -> None:
    keypoints = clip(6)
    assert torch.equal(keypoints[1:4].position, keypoints.position[1:4])
    assert torch.equal(keypoints[::2].jacobian, keypoints.jacobian[::2])
    assert len(keypoints[9:]) == 0
    assert keypoints.without_jacobian()[1:3].jacobian is None


def test_expand_repeats_one_frame() -> None:
    one = clip(1)
    got = one.expand(5)
    assert len(got) == 5
    assert all(torch.equal(got.position[i], one.position[0]) for i in range(5))
    assert got.jacobian.shape == (5, 3, 2, 2)
    assert one.without_jacobian().expand(2).jacobian is None


def test_without_jacobian() -> None:
    keypoints = clip()
    got = keypoints.without_jacobian()
    assert got.jacobian is None
    assert got.position is keypoints.position
    assert keypoints.jacobian is not None


def test_cat_joins_in_time() -> None:
    first, second = clip(2), clip(3)
    got = Keypoints.cat([first, second])
    assert torch.equal(got.position, torch.cat([first.position, second.position]))
    assert torch.equal(got.jacobian, torch.cat([first.jacobian, second.jacobian]))
    assert Keypoints.cat([first.without_jacobian()] * 2).jacobian is None
    with pytest.raises(KeypointError, match="got a mixture"):
        Keypoints.cat([first, second.without_jacobian()])


@pytest.mark.parametrize("shape", [(3, 2), (1, 3, 3), (1, 1, 3, 2)])
def test_positions_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(KeypointError, match=r"\[T, K, 2\]; got \["):
        Keypoints(torch.zeros(shape))


@pytest.mark.parametrize("shape", [(1, 3, 2), (2, 3, 2, 2), (1, 2, 2, 2), (1, 3, 2, 3)])
def test_jacobians_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(FommError, match=r"expected jacobians of shape \[1, 3, 2, 2\]; got \["):
        Keypoints(torch.zeros(1, 3, 2), torch.zeros(shape))


def test_motion_slices() -> None:
    whole = motion(5)
    part = whole[1:3]
    assert len(part) == 2
    assert torch.equal(part.flow, whole.flow[1:3])
    assert torch.equal(part.occlusion, whole.occlusion[1:3])
    assert torch.equal(part.mask, whole.mask[1:3])
    bare = Motion(whole.flow)[1:3]
    assert bare.occlusion is None
    assert bare.mask is None


def test_motion_cat_keeps_what_all_parts_have() -> None:
    first, second = motion(2), motion(3)
    got = Motion.cat([first, second])
    assert torch.equal(got.flow, torch.cat([first.flow, second.flow]))
    assert torch.equal(got.occlusion, torch.cat([first.occlusion, second.occlusion]))
    assert torch.equal(got.mask, torch.cat([first.mask, second.mask]))
    partly = Motion.cat([first, Motion(second.flow, second.occlusion)])
    assert partly.mask is None
    assert torch.equal(partly.occlusion, got.occlusion)


@pytest.mark.parametrize("shape", [(4, 5, 2), (1, 4, 5, 3), (1, 2, 4, 5)])
def test_flows_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(KeypointError, match=r"\[B, h, w, 2\]; got \["):
        Motion(torch.zeros(shape))


def test_to_keeps_everything() -> None:
    keypoints, moved = clip().to("meta"), motion().to(torch.device("meta"))
    assert keypoints.position.is_meta
    assert keypoints.jacobian.is_meta
    assert moved.flow.is_meta
    assert moved.occlusion.is_meta
    assert moved.mask.is_meta
    assert clip().without_jacobian().to("meta").jacobian is None
    assert Motion(torch.zeros(1, 2, 2, 2)).to("meta").mask is None
