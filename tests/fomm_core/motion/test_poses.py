"""Key poses: exact where they stand, eased in between, and the same text after a round trip."""

from __future__ import annotations

import json

import pytest
import torch
from fomm_nodes.fomm_core.errors import KeypointError
from fomm_nodes.fomm_core.motion import KeyPose, apply_poses, eased, format_poses, parse_poses
from nearness import ROUNDING, near
from performances import performance, same


def random_poses(seed: int, frames: int = 40, count: int = 5) -> tuple[KeyPose, ...]:
    generator = torch.Generator().manual_seed(seed)
    places = sorted(torch.randperm(frames, generator=generator)[:5].tolist())
    poses = []
    for place in places:
        numbers = torch.randperm(count, generator=generator)[:3].tolist()
        values = torch.randn(3, 6, generator=generator, dtype=torch.float64) / 7
        points = {number: tuple(row) for number, row in zip(numbers, values.tolist(), strict=True)}
        poses.append(KeyPose(place, points, ("smooth", "linear", "hold")[place % 3]))
    return tuple(poses)


@pytest.mark.parametrize("seed", range(10))
def test_text_and_back_is_exact(seed: int) -> None:
    poses = random_poses(seed)
    assert parse_poses(format_poses(poses), 5) == poses


@pytest.mark.parametrize("text", ["", "  ", '{"version": 1, "poses": []}', '{"version": 1, "poses": [{"frame": 7}]}'])
def test_without_a_movement_a_performance_stays_to_the_bit(text: str) -> None:
    given = performance(40)
    assert same(apply_poses(given, parse_poses(text, 5)), given)


def test_a_still_lasts_as_long_as_is_asked() -> None:
    still = performance(1)
    poses = (KeyPose(0), KeyPose(12, {2: (0.1, 0, 1, 0, 0, 1)}))
    assert len(apply_poses(still, poses)) == 13
    assert len(apply_poses(still, poses, 30)) == 30
    assert len(apply_poses(still, ())) == 1
    assert same(apply_poses(still, (), 9), still.expand(9))


@pytest.mark.parametrize("seed", range(5))
def test_each_pose_stands_where_it_is_set(seed: int) -> None:
    given = performance(40)
    poses = random_poses(seed)
    got = apply_poses(given, poses)
    for pose in poses:
        for number, values in pose.points.items():
            move, turn = torch.tensor(values[:2]), torch.tensor(values[2:]).reshape(2, 2)
            near(got.position[pose.frame, number], given.position[pose.frame, number] + move)
            near(got.jacobian[pose.frame, number], turn @ given.jacobian[pose.frame, number])
    assert same(got[: poses[0].frame + 1], apply_poses(given, poses[:1])[: poses[0].frame + 1])


def test_the_three_ways_between_poses() -> None:
    still = performance(1)
    for ease, half in (("smooth", 0.5), ("linear", 0.5), ("hold", 0.0)):
        got = apply_poses(still, (KeyPose(0, {}, ease), KeyPose(10, {1: (0.4, 0, 1, 0, 0, 1)})))
        moved = (got.position[:, 1, 0] - still.position[0, 1, 0]) / 0.4
        near(moved[[5, 10]], torch.tensor([half, 1.0]), ROUNDING, of=1)
        if ease == "smooth":
            near(moved[:11], eased(torch.arange(11) / 10), ROUNDING, of=1)
    near(got.position[:, 0], still.position[:, 0].expand(11, -1))


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "[]",
        "{}",
        '{"version": 2, "poses": []}',
        '{"version": 1, "poses": {}}',
        '{"version": 1, "poses": [1]}',
        '{"version": 1, "poses": [{"frame": -1}]}',
        '{"version": 1, "poses": [{"frame": 1.5}]}',
        '{"version": 1, "poses": [{"frame": true}]}',
        '{"version": 1, "poses": [{"frame": 1}, {"frame": 1}]}',
        '{"version": 1, "poses": [{"frame": 1, "ease": "quick"}]}',
        '{"version": 1, "poses": [{"frame": 1, "points": {"5": {}}}]}',
        '{"version": 1, "poses": [{"frame": 1, "points": {"-1": {}}}]}',
        '{"version": 1, "poses": [{"frame": 1, "points": {"0": 3}}]}',
        '{"version": 1, "poses": [{"frame": 1, "points": {"0": {"move": [1]}}}]}',
        '{"version": 1, "poses": [{"frame": 1, "points": {"0": {"move": [1, NaN]}}}]}',
        '{"version": 1, "poses": [{"frame": 1, "points": {"0": {"move": [1, 1e9]}}}]}',
        '{"version": 1, "poses": [{"frame": 1, "points": {"0": {"map": [1, "0", 0, 1]}}}]}',
        json.dumps({"version": 1, "poses": [{"frame": 1, "points": {"0": {"move": [10**400, 0]}}}]}),
        "[" * 100_000,
    ],
)
def test_text_that_is_no_poses_is_refused(text: str) -> None:
    with pytest.raises(KeypointError, match="expected"):
        parse_poses(text, 5)


def test_points_without_jacobians_can_be_moved_but_not_turned() -> None:
    still = performance(1, jacobian=False)
    assert len(apply_poses(still, (KeyPose(3, {0: (0.1, 0, 1, 0, 0, 1)}),))) == 4
    with pytest.raises(KeypointError, match="with jacobians"):
        apply_poses(still, (KeyPose(3, {0: (0.1, 0, 2, 0, 0, 1)}),))
