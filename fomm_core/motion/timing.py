"""Movement in time: whether frames follow each other evenly, the rate that fits them, and movement at another rate."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import torch
from torch import Tensor

from ..errors import KeypointError
from ..geometry import Keypoints
from ..wording import counted, setting
from .checks import check_frames
from .signs import steady_signs

USUAL_RATES = tuple(Fraction(rate) for rate in (5, 10, 12, 15, 20, 24, 25, 30, 48, 50, 60, 90, 100, 120))
UNTIMED_RATE = Fraction(25)
"""Frames per second where nothing says how many: stills, batches of images, performances saved without."""

HIGHEST_RATE = 1000
ALIKE = 1.08  # distances of one rate, trembling; those of 30 and 24 per second are 1.25 apart
NEAR = 0.1
TREMBLING_OVER = 4  # frames over which distances are averaged: one too long is often followed by one too short
BUSY_RATE = Fraction(60)
SLACK = Fraction(1, 20)  # of a frame, by which a result may be shorter than its clip: what rounding brings
SLOWEST_RATE = Fraction(1, 10)
EVEN_WITHIN = 0.01
"""Seconds by which a frame may miss its place in an even row: ticks of GIF and Matroska, a recorder's trembling."""
MOST_STANDING, MOST_COPIES = 100_000, 20
"""Frames that a clip may become at a constant rate, or so many for each that was filmed: an hour, nearly all of it
standing, is more likely a mistake, or damage, than meant."""
LONGEST_STEP = 1.5
"""Usual distances of frames up to which movement goes on evenly between two of them. Behind a longer one the image
stood still, and the movement to the next frame takes the last `LONGEST_STEP` of it."""


def timed(keypoints: Keypoints, times: Sequence[float], stated: Fraction) -> tuple[Keypoints, Fraction]:
    """Keypoints with the times that their clip was read with, and its rate.

    Evenly spaced frames stay untimed: their rate says all. Uneven ones get `times`, counted from the first; the rate is
    then the common one, see `common_rate`.

    times: [T + 1] seconds, rising: when each frame begins, and when the last ends. stated: the rate in the header.
    """
    if (even := even_rate(times, stated)) is not None:
        return replace(keypoints, times=None), even
    from_start = torch.tensor(times, dtype=torch.float64) - times[0]
    return replace(keypoints, times=from_start), common_rate(times)


def even_rate(times: Sequence[float], stated: Fraction) -> Fraction | None:
    """The constant rate of frames that begin at times[:-1] and end with times[-1]: the stated one where it fits, else
    the one that does; None where they are uneven.

    Each frame may lie a quarter of a frame aside, and 10 ms at most; the last may end half a frame aside.
    """
    count, start = len(times) - 1, times[0]
    fitting = [stated]
    distance = (times[-2] - start) / (count - 1) if count > 1 else times[-1] - start
    if distance >= 1 / HIGHEST_RATE:
        found = Fraction(1 / distance)
        whole = Fraction(max(1, round(found)))
        fitting += [whole, whole * 1000 / 1001]
        fitting.append(found.limit_denominator(1001) if found > 1 else 1 / Fraction(distance).limit_denominator(1001))
    for rate in fitting:
        frame = float(1 / rate)
        allowed = min(EVEN_WITHIN, frame / 4)
        if abs(times[-1] - start - count * frame) <= frame / 2 and all(
            abs(time - start - index * frame) <= allowed for index, time in enumerate(times[:-1])
        ):
            return rate
    return None


def common_rate(times: Sequence[float]) -> Fraction:
    """The rate at which most frames of an uneven clip follow each other.

    Not the average: a phone clip that falls from 30 to 24 frames per second for a while in poor light, or a call that
    freezes now and then, is a clip of 30, and an image held for a second says nothing of the movement that follows.
    Where times tremble, as in browser recordings, the rate is that of the densest place among the distances, taken to
    the nearest usual rate within 10 %. At most 60 per second, or twice the average where that is more: a burst of
    frames before a long hold shall not make thousands of copies.

    times: [T + 1], rising: when each frame begins, and when the last ends.
    """
    over = TREMBLING_OVER if len(times) > 3 * TREMBLING_OVER else 1
    gaps = sorted((after - before) / over for before, after in zip(times, times[over:], strict=False))
    densest = max(gaps, key=lambda gap: (_within(gaps, gap), -gap))
    low, high = bisect_left(gaps, densest / ALIKE), bisect_right(gaps, densest * ALIKE)
    found = Fraction((high - low) / sum(gaps[low:high]))
    nearest = min(USUAL_RATES, key=lambda rate: abs(rate / found - 1))
    rate = nearest if abs(nearest / found - 1) <= NEAR else found.limit_denominator(1001)
    average = Fraction((len(times) - 1) / (times[-1] - times[0])).limit_denominator(1001)
    return max(min(rate, max(BUSY_RATE, 2 * average)), SLOWEST_RATE)


def _within(gaps: Sequence[float], gap: float) -> int:
    return bisect_right(gaps, gap * ALIKE) - bisect_left(gaps, gap / ALIKE)


def rate_of(keypoints: Keypoints) -> Fraction | None:
    """The common rate of timed keypoints; None for others."""
    return None if keypoints.times is None else common_rate(keypoints.times.tolist())


def duration_of(keypoints: Keypoints, rate: Fraction) -> Fraction:
    """Seconds that a performance lasts. rate: of untimed frames."""
    if keypoints.times is None:
        return len(keypoints) / rate
    return Fraction(float(keypoints.times[-1] - keypoints.times[0])).limit_denominator(1_000_000)


def part(keypoints: Keypoints, rate: Fraction, start: float, end: float | None) -> Keypoints:
    """The frames shown between two seconds, counted from the first frame: those that begin within, and before them the
    one that is shown at `start` for the rest of its time, if that is more than a usual frame. rate: of untimed frames.

    Raises KeypointError where there are none.
    """
    gap = float(1 / (rate_of(keypoints) or rate))
    if keypoints.times is None:
        edges = torch.arange(len(keypoints) + 1, dtype=torch.float64) / float(rate)
    else:
        edges = keypoints.times - keypoints.times[0]
    first = int(torch.searchsorted(edges[:-1], start - gap / 1000))
    if first > 0 and min(float(edges[first]) - start, float(edges[-1]) - start) > gap:
        first -= 1
    stop = len(keypoints) if end is None else int(torch.searchsorted(edges[:-1], end - gap / 1000))
    if stop <= first:
        raise KeypointError(
            f"expected a performance with frames from {start:g} s on{'' if end is None else f' to {end:g} s'}; it is "
            f"{float(edges[-1]):.3g} s long."
        )
    chosen = keypoints[first:stop]
    if chosen.times is None:
        return chosen
    times = chosen.times - keypoints.times[0] if keypoints.times is not None else chosen.times
    times = times.clamp(min=min(start, float(times[1]) - 1e-6))
    if end is not None:
        last = end if float(times[0]) == start else max(end, float(times[-2]) + gap)
        times = torch.cat((times[:-1], times[-1:].clamp(max=last)))
    return replace(chosen, times=times)


def resample(keypoints: Keypoints, rate: Fraction, new_rate: Fraction) -> tuple[Keypoints, list[int]]:
    """The same movement at a constant rate, interpolated; and the old frame that is shown with each new one.

    keypoints: T >= 1 frames, timed ones by their times, others at `rate`. The result is untimed, and lasts at least as
    long as the clip: the last frame is held. Where a frame stands much longer than is usual, it stands in the result,
    too, and movement begins shortly before the next.
    """
    check_frames("driving", keypoints)
    if keypoints.times is not None:
        return _resampled_by_time(keypoints, new_rate)
    old = len(keypoints)
    if rate == new_rate:
        return keypoints, list(range(old))
    count = max(1, math.ceil(old * new_rate / rate - SLACK))
    _check_standing(old, count, new_rate)
    exact = [min(index * rate / new_rate, Fraction(old - 1)) for index in range(count)]
    before = torch.tensor([int(position) for position in exact])
    share = torch.tensor([float(position % 1) for position in exact])
    return between_frames(keypoints, before, share), [int(position + Fraction(1, 2)) for position in exact]


def evened(times: Sequence[float], stated: Fraction) -> tuple[Fraction, list[int] | None]:
    """The rate of a clip that was read with `times` [T + 1], and the frame that is shown with each of its images at
    that constant rate; None where frames are evenly spaced as they are. stated: the rate in the header.
    """
    if (even := even_rate(times, stated)) is not None:
        return even, None
    edges = torch.tensor(times, dtype=torch.float64) - times[0]
    rate = common_rate(times)
    return rate, _shown_at(edges, _row(edges, rate) + 0.5 / float(rate)).tolist()


def _row(edges: Tensor, rate: Fraction) -> Tensor:
    """When the frames of a constant rate begin that last as long as a clip, or up to one frame longer."""
    step = float(1 / rate)
    count = max(1, int(torch.ceil(edges[-1] / step - float(SLACK))))
    _check_standing(len(edges) - 1, count, rate)
    return torch.arange(count, dtype=torch.float64) * step


def _check_standing(filmed: int, count: int, rate: Fraction) -> None:
    if count > max(MOST_STANDING, MOST_COPIES * filmed):
        hours, minutes = divmod(round(count / rate / 60), 60)
        raise KeypointError(
            f"expected images that follow each other; {counted(filmed, 'image')} shown for {hours} h {minutes} min "
            f"would make {count} frames at {float(rate):.4g} per second. Choose a part of the clip or a lower rate, or "
            f"keep the clip's own times ({setting('fps', 'keep')})."
        )


def _resampled_by_time(keypoints: Keypoints, new_rate: Fraction) -> tuple[Keypoints, list[int]]:
    assert keypoints.times is not None
    edges = keypoints.times - keypoints.times[0]
    new = _row(edges, new_rate)
    before = _shown_at(edges, new)
    after = (before + 1).clamp(max=len(keypoints) - 1)
    longest = LONGEST_STEP / float(common_rate(keypoints.times.tolist()))
    length = (edges[after] - edges[before]).clamp(min=1e-9, max=longest)
    share = (1 - (edges[after] - new) / length).clamp(0, 1)
    return between_frames(keypoints, before, share), _shown_at(edges, new + 0.5 / float(new_rate)).tolist()


def _shown_at(edges: Tensor, times: Tensor) -> Tensor:
    """The number of the frame that is shown at each time."""
    return (torch.searchsorted(edges[:-1].contiguous(), times, right=True) - 1).clamp(min=0)


def between_frames(keypoints: Keypoints, before: Tensor, share: Tensor) -> Keypoints:
    """Untimed keypoints: those of the frames `before` [N], moved by `share` [N] towards those of the next frames."""
    after = (before + 1).clamp(max=len(keypoints) - 1)

    def between(values: Tensor) -> Tensor:
        weight = share.reshape(-1, *[1] * (values.ndim - 1)).to(values)
        return torch.lerp(values[before], values[after], weight)

    if keypoints.covariance is None or keypoints.jacobian is None:
        return keypoints.each(between)
    signs = steady_signs(keypoints.jacobian)
    moved = replace(keypoints, jacobian=keypoints.jacobian * signs).each(between)
    assert moved.jacobian is not None
    return replace(moved, jacobian=moved.jacobian * signs[before])
