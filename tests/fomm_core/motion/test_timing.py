"""Even and uneven frames, the rate that fits them, and movement at another rate."""

from __future__ import annotations

import itertools
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from fomm_nodes.fomm_core.errors import KeypointError, PerformanceError
from fomm_nodes.fomm_core.geometry import Keypoints
from fomm_nodes.fomm_core.motion import (
    blend,
    common_rate,
    duration_of,
    even_rate,
    evened,
    load_keypoints,
    part,
    rate_of,
    resample,
    save_keypoints,
    smooth_gaussian,
    smooth_one_euro,
    timed,
    transfer,
)
from nearness import DOUBLE, near
from safetensors.torch import save_file

TAILS = 2e-3
"""Of a step: a Gaussian that counts time is cut off at another place than one that counts frames."""


def edges(*gaps: float) -> list[float]:
    """Times from the seconds between frames, the last one's own included."""
    return [0.0, *itertools.accumulate(gaps)]


PHONE = edges(*[1 / 30] * 60, *[1 / 24] * 30)
HELD = edges(1.0, *[0.04] * 10)
TREMBLING = edges(*np.random.default_rng(1).uniform(0.026, 0.041, 80).tolist(), *[0.1] * 30)


def line(times: list[float] | None = None, count: int = 11) -> Keypoints:
    """Frame i at x = i."""
    count = count if times is None else len(times) - 1
    x = torch.arange(count, dtype=torch.float32)
    position = torch.stack((x, -x), -1)[:, None].repeat(1, 3, 1)
    return Keypoints(position, None, None if times is None else torch.tensor(times, dtype=torch.float64))


@pytest.mark.parametrize(
    ("times", "stated", "rate"),
    [
        (edges(*[0.04] * 10), 25, 25),
        (edges(*[0.04] * 10), 30, 25),  # the header is wrong
        (edges(*[1001 / 30000] * 400), 30, Fraction(30000, 1001)),
        (edges(*[1 / 12.5] * 10), 25, Fraction(25, 2)),
        ([round(index / 30, 3) for index in range(101)], 30, 30),  # ticks of Matroska
        ([round(index / 15, 2) for index in range(101)], 15, 15),  # ticks of GIF
        (edges(0.5), 25, 2),
        (edges(3600, 3600, 3600), 25, Fraction(1, 3600)),
        (edges(2.5, 2.5), 25, Fraction(2, 5)),
        (edges(*[0.04] * 10, 0.055), 25, 25),
        (PHONE, 27, None),
        (HELD, 25, None),
        (TREMBLING, 30, None),
        (edges(*[0.04] * 10, 1.0), 25, None),  # the last frame is held
        (edges(*[0.04] * 10, 0.08, *[0.04] * 10), 25, None),  # one is missing
    ],
)
def test_even_frames_are_told_from_uneven_ones(times, stated, rate) -> None:
    assert even_rate(times, Fraction(stated)) == rate


def test_a_slow_drift_is_seen() -> None:
    assert even_rate([index / 29.97 for index in range(2000)], Fraction(30)) != 30


@pytest.mark.parametrize(
    ("times", "rate"),
    [
        (PHONE, 30),
        (HELD, 25),
        (TREMBLING, 30),
        (edges(0.5, 0.04, 0.04, 0.04), 25),
        (edges(*[1 / 60] * 50, *[1 / 30] * 20), 60),
        (edges(*[1 / 240] * 50, 0.05, *[1 / 240] * 50), 240),  # one is missing in slow motion
        (edges(*[0.01] * 5, 30.0), 60),  # a burst, then a slide
        (edges(600.0, 900.0), Fraction(1, 10)),
    ],
)
def test_the_common_rate_is_that_of_most_frames(times, rate) -> None:
    near(common_rate(times), rate, 0.01)  # times in milliseconds, or trembling, give no better


def test_only_uneven_clips_carry_times() -> None:
    even, rate = timed(line(), [2 + index / 25 for index in range(12)], Fraction(25))
    assert (even.times, rate) == (None, 25)
    uneven, rate = timed(line(), [2 + time for time in HELD], Fraction(11))
    assert rate == rate_of(uneven) == 25
    assert uneven.times is not None
    near(uneven.times.tolist(), HELD, DOUBLE)
    assert duration_of(uneven, rate) == Fraction(7, 5)


@pytest.mark.parametrize("times", [PHONE, HELD, TREMBLING, edges(0.5, 0.04, 0.04, 0.7)])
@pytest.mark.parametrize("fps", [24, 25, 30, 60])
def test_a_timed_clip_keeps_its_pace_and_length(times, fps) -> None:
    """At each new frame: between the movement's place a usual frame before and after."""
    moved, shown = resample(line(times), Fraction(1), Fraction(fps))
    assert moved.times is None
    assert times[-1] - 0.05 / fps - 1e-9 <= len(moved) / fps <= times[-1] + 1 / fps
    for index, (x, frame) in enumerate(zip(moved.position[:, 0, 0].tolist(), shown, strict=True)):
        time = index / fps
        now = max(number for number, begin in enumerate(times[:-1]) if begin <= time + 1e-9)
        assert now - 1e-4 <= x <= min(now + 1, len(times) - 2) + 1e-4
        assert times[frame] <= time + 0.5 / fps + 1e-9
        assert time + 0.5 / fps <= times[frame + 1] + 1e-9 or frame == len(times) - 2


def test_what_is_held_stands_still_until_shortly_before_it_moves() -> None:
    moved, shown = resample(line(HELD), Fraction(25), Fraction(25))
    x = moved.position[:, 0, 0]
    assert x[:24].tolist() == [0] * 24  # up to 0.92 s
    near(x[25:].tolist(), range(1, 11))
    assert shown == [0] * 25 + list(range(1, 11))


def test_pictures_of_an_uneven_clip_are_those_shown() -> None:
    rate, shown = evened(HELD, Fraction(11))
    assert rate == 25
    assert shown == [0] * 25 + list(range(1, 11))
    assert evened(edges(*[0.04] * 5), Fraction(25)) == (25, None)


@pytest.mark.parametrize("keypoints", [line(edges(0.04, 16000.0)), line(edges(0.04, 1e9)), line(count=2)])
def test_two_pictures_held_for_hours_are_refused_before_they_take_memory(keypoints) -> None:
    with pytest.raises(KeypointError, match=r"2 images shown for \d+ h \d+ min .* at 25 per second"):
        resample(keypoints, Fraction(1, 3600), Fraction(25))


def test_an_hour_of_pictures_is_no_mistake() -> None:
    assert len(resample(line(count=18_000), Fraction(5), Fraction(60))[0]) == 216_000
    assert len(resample(line(edges(0.04, 3600.0)), Fraction(25), Fraction(25))[0]) == 90_001


def test_slices_and_joints_keep_times() -> None:
    clip = line(HELD)
    near(clip[2:4].times.tolist(), [1.04, 1.08, 1.12], DOUBLE)
    near(clip[-1].times.tolist(), [1.36, 1.4], DOUBLE)
    assert clip[::2].times is None
    near(Keypoints.cat([clip[:2], clip[5:6]]).times.tolist(), [0, 1, 1.04, 1.08], DOUBLE)
    assert Keypoints.cat([clip, line()]).times is None
    assert clip.to("cpu").times is clip.without_jacobian().times is clip.times
    assert line([0, 1]).expand(3).times is None


@pytest.mark.parametrize(
    "times",
    [torch.arange(11.0, dtype=torch.float64), torch.arange(12.0), torch.arange(12.0, 0, -1, dtype=torch.float64)],
)
def test_times_that_do_not_fit_are_refused(times) -> None:
    with pytest.raises(KeypointError, match="expected"):
        replace(line(), times=times)


def test_transfer_and_blending_keep_times() -> None:
    clip = line(HELD)
    assert transfer(line(count=1), clip, clip[0]).times is clip.times
    assert blend(clip, line()).times is clip.times
    assert blend(line(count=1), clip).times is clip.times


@pytest.mark.parametrize(
    ("start", "end", "times"),
    [
        (0, None, HELD),
        (1.0, None, HELD[1:]),
        (0.4, None, [0.4, *HELD[1:]]),  # the rest of what is held
        (0.98, 1.1, [1.0, 1.04, 1.08, 1.12]),
        (0.2, 0.6, [0.2, 0.6]),
    ],
)
def test_a_part_by_time(start, end, times) -> None:
    found = part(line(HELD), Fraction(25), start, end)
    assert found.times is not None
    near(found.times.tolist(), times, DOUBLE)


def test_a_part_of_an_untimed_performance() -> None:
    assert part(line(), Fraction(25), 0.08, 0.2).position[:, 0, 0].tolist() == [2, 3, 4]
    with pytest.raises(KeypointError, match=r"from 5 s on; it is 0\.44 s long"):
        part(line(), Fraction(25), 5, None)


def noisy(times: list[float] | None) -> Keypoints:
    generator = torch.Generator().manual_seed(0)
    return Keypoints(torch.rand(40, 3, 2, generator=generator), None, None if times is None else torch.tensor(times))


def test_smoothing_by_time_is_smoothing_by_frames_where_they_are_even() -> None:
    even = torch.arange(41, dtype=torch.float64) / 25
    plain, timed_ones = noisy(None), replace(noisy(None), times=even)
    near(smooth_one_euro(timed_ones).position, smooth_one_euro(plain, fps=25).position)
    for sigma in (0.5, 1.0, 3.0):
        by_time, by_frame = (smooth_gaussian(clip, sigma=sigma).position for clip in (timed_ones, plain))
        near(by_time, by_frame, TAILS / 2, of=1)  # of noise from 0 to 1


def test_what_is_held_weighs_for_all_its_time() -> None:
    """A step behind a long hold: smoothed as if the image had been there as often as it was shown."""
    x = torch.tensor([0.0, *[1.0] * 10])
    held = Keypoints(x[:, None, None].repeat(1, 3, 2), None, torch.tensor(HELD, dtype=torch.float64))
    copies = Keypoints(torch.tensor([0.0] * 25 + [1.0] * 10)[:, None, None].repeat(1, 3, 2))
    ours, theirs = smooth_gaussian(held, sigma=2).position, smooth_gaussian(copies, sigma=2).position
    near(ours[1:], theirs[25:], TAILS, of=1)
    assert smooth_gaussian(held, sigma=2).times is held.times
    long = replace(held, times=torch.tensor(edges(3000.0, *[0.04] * 10), dtype=torch.float64))
    near(smooth_gaussian(long, sigma=2).position[1:], ours[1:], TAILS, of=1)


def test_one_euro_follows_after_a_hold() -> None:
    """The same step: after a second at rest it is followed farther than after one frame."""
    x = torch.tensor([0.0, *[0.05] * 10])[:, None, None].repeat(1, 3, 2)
    late = Keypoints(x, None, torch.tensor(HELD, dtype=torch.float64))
    assert smooth_one_euro(late).position[1, 0, 0] > 1.5 * smooth_one_euro(Keypoints(x), fps=25).position[1, 0, 0]


def test_a_performance_keeps_times_only_where_they_are_uneven(tmp_path: Path) -> None:
    save_keypoints(tmp_path / "uneven", line(HELD)[1:], fps=25)
    found = load_keypoints(tmp_path / "uneven")
    assert found.keypoints.times is not None
    near(found.keypoints.times.tolist(), [time - 1 for time in HELD[1:]], DOUBLE)
    save_keypoints(tmp_path / "even", line(), fps=25)
    assert load_keypoints(tmp_path / "even").keypoints.times is None
    assert b'"format_version":"1"' in (tmp_path / "even").read_bytes()
    assert b'"format_version":"2"' in (tmp_path / "uneven").read_bytes()


def test_times_of_a_file_are_checked(tmp_path: Path) -> None:
    notes = {"format": "fomm-keypoints", "format_version": "2", "frames": "2", "keypoints": "3"}
    position = torch.zeros(2, 3, 2)
    for times, message in (
        (torch.tensor([0.0, 1.0, 2.0]), "float64 in the times"),
        (torch.tensor([0.0, 1.0], dtype=torch.float64), "damaged"),
        (torch.tensor([0.0, 2.0, 1.0], dtype=torch.float64), "damaged"),
        (torch.tensor([0.0, 1.0, torch.inf], dtype=torch.float64), "NaN or Inf"),
    ):
        save_file({"position": position, "times": times}, tmp_path / "a", metadata=notes)
        with pytest.raises(PerformanceError, match=message):
            load_keypoints(tmp_path / "a")
