"""What a live image is made of: the mailbox, the filter, the governor, the take."""

from __future__ import annotations

import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from fomm_nodes.fomm_core.config import preset
from fomm_nodes.fomm_core.errors import ImageError, KeypointError, SizeError
from fomm_nodes.fomm_core.geometry import Keypoints
from fomm_nodes.fomm_core.live import Governor, Latest, Level, OneEuro, Take, levels_for
from fomm_nodes.fomm_core.live.governor import FRAMES, PATIENCE
from fomm_nodes.fomm_core.motion import load_keypoints, smooth_one_euro
from fomm_nodes.fomm_core.video import VideoReader
from nearness import near, within_seconds

TICK = 0.002
"""Seconds: a video's times are rounded to its container's steps."""


def clip(frames: int = 40, *, jacobians: bool = True) -> tuple[Keypoints, torch.Tensor]:
    gaps = torch.rand(frames, dtype=torch.float64) * 0.08 + 0.01
    times = torch.cat((torch.zeros(1, dtype=torch.float64), gaps.cumsum(0)))
    jacobian = torch.eye(2) + 0.1 * torch.randn(frames, 5, 2, 2)
    return Keypoints(torch.randn(frames, 5, 2) * 0.3, jacobian if jacobians else None, times), times


@pytest.mark.parametrize("jacobians", [True, False])
def test_frame_by_frame_is_the_whole_clip(jacobians: bool) -> None:
    keypoints, times = clip(jacobians=jacobians)
    expected = smooth_one_euro(keypoints)
    steady = OneEuro()
    got = Keypoints.cat([steady(keypoints[number], float(times[number])) for number in range(len(keypoints))])
    near(got.position, expected.position)
    if jacobians:
        near(got.jacobian, expected.jacobian)
    assert float((got.position - keypoints.position).abs().mean()) > 0.01


def test_the_filter_begins_anew_after_a_pause_and_at_another_count() -> None:
    steady = OneEuro()
    one, other = (Keypoints(torch.randn(1, 5, 2)) for _ in range(2))
    steady(one, 0.0)
    assert not torch.equal(steady(other, 0.04).position, other.position)
    assert torch.equal(steady(one, 9.0).position, one.position)
    fewer = Keypoints(torch.randn(1, 3, 2))
    assert torch.equal(steady(fewer, 9.04).position, fewer.position)
    steady.restart()
    assert torch.equal(steady(other, 9.05).position, other.position)
    with pytest.raises(KeypointError, match="beta"):
        OneEuro(beta=-1)


def test_the_newest_is_taken_and_none_piles_up() -> None:
    box: Latest[int] = Latest()
    for number in range(5):
        box.put(number)
    assert (box.take(0), box.take(0), box.dropped) == (4, None, 4)
    assert box.wait_taken(0)
    box.put(5)
    assert not box.wait_taken(0)
    threading.Timer(0.05, lambda: box.take(0)).start()
    assert box.wait_taken(30)
    threading.Timer(0.05, box.close).start()
    assert box.take(30) is None
    assert box.closed


def test_levels_lead_from_the_size_that_was_asked_for_down() -> None:
    levels = levels_for(preset("demo-128"), (256, 256), torch.float32, torch.device("cpu"))
    assert levels[0] == Level((256, 256), torch.float32)
    sides = [level.size[0] for level in levels]
    assert sides == sorted(sides, reverse=True)
    assert min(sides) == 128
    assert [level.size for level in levels_for(preset("vox-256"), (256, 256), torch.float32, torch.device("cpu"))][
        -1
    ] == (
        128,
        128,
    )


def test_the_governor_goes_down_when_late_and_up_again_when_at_ease() -> None:
    governor = Governor([Level((size, size)) for size in (256, 192, 128)], rate=10)
    for _ in range(FRAMES - 1):
        assert not governor.add(0.2)
    assert governor.add(0.2)
    assert governor.level.size == (192, 192)
    for _ in range(10 * FRAMES):
        assert not governor.add(0.09)  # in time, but not at ease
    changes = [governor.add(0.02) for _ in range(PATIENCE)]
    assert (sum(changes), governor.index) == (1, 0)


def test_a_level_that_does_not_last_is_tried_more_rarely() -> None:
    governor = Governor([Level((size, size)) for size in (256, 128)], rate=10)
    rises = []
    for number in range(20 * PATIENCE):
        before = governor.index
        governor.add(0.2 if governor.index == 0 else 0.01)
        if governor.index < before:
            rises.append(number)
    gaps = np.diff(rises)
    assert len(gaps) > 1
    assert all(later > earlier for earlier, later in pairwise(gaps))


def test_a_held_governor_stays_and_none_goes_below_the_last() -> None:
    governor = Governor([Level((size, size)) for size in (256, 128)], rate=10)
    governor.held = True
    assert not any(governor.add(9) for _ in range(5 * FRAMES))
    governor.held = False
    for _ in range(9 * FRAMES):
        governor.add(9)
    assert governor.index == 1
    with pytest.raises(SizeError, match="levels"):
        Governor([], rate=10)
    with pytest.raises(SizeError, match="rate"):
        Governor(governor.levels, rate=0)


def test_a_take_is_a_video_and_a_performance_of_its_frames(tmp_path: Path) -> None:
    keypoints, _ = clip(300)
    times = [100 + number * 0.04 + (number % 3) * 0.01 for number in range(300)]
    with Take(tmp_path / "take-001", rate=25, notes={"source": "a.png"}) as take:
        for number, at in enumerate(times):
            take.add(np.full((32, 32, 3), number % 250, np.uint8), keypoints[number], at)
        assert not take.video.exists()
    assert take.written is not None
    saved = load_keypoints(take.performance)
    assert torch.equal(saved.keypoints.position, keypoints.position)
    assert saved.metadata["source"] == "a.png"
    with VideoReader(take.video) as reader:
        frames = list(reader)
    assert len(frames) == len(saved.keypoints) == 300
    assert saved.keypoints.times is not None
    assert reader.times is not None
    within_seconds(torch.tensor(reader.times[:-1], dtype=torch.float64), saved.keypoints.times[:-1], TICK)
    within_seconds(saved.keypoints.times[:-1], torch.tensor(times, dtype=torch.float64) - times[0], TICK)
    assert abs(float(frames[7].mean()) - 7) < 3


def test_a_take_that_fails_leaves_nothing(tmp_path: Path) -> None:
    keypoints, _ = clip(3)
    sides = (32, 16, 32, 32, 32)

    def record() -> None:
        with Take(tmp_path / "take-001", rate=25) as take:
            for number, side in enumerate(sides):
                take.add(np.zeros((side, side, 3), np.uint8), keypoints[number % 3], 1 + number / 10)

    with pytest.raises(ImageError, match="frames of 32x32"):
        record()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "take-001.mp4").write_bytes(b"older")
    with pytest.raises(ImageError, match="exists already"):
        Take(tmp_path / "take-001", rate=25)
