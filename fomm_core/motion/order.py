"""Frames in another order: which frame is shown when, and performances made of that."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

import torch
from torch import Tensor

from ..errors import KeypointError
from ..geometry import Keypoints
from .checks import check_frames, check_number
from .timing import between_frames

Mismatch = Literal["stop", "shorter", "looped", "held", "ping-pong", "stretched"]
"""What becomes of two performances of different length, see `matched`."""
MISMATCHES: tuple[Mismatch, ...] = get_args(Mismatch)
MOST_FRAMES = 1_000_000
"""That an edit may make: eleven hours at 25 a second."""


def play_order(count: int, length: int, how: Literal["looped", "held", "ping-pong"]) -> list[int]:
    """Which of `count` frames are shown in a clip of `length`: all in order, and after the end from the first again
    (looped), the last one for ever (held), or back and forth (ping-pong). A longer one is cut.
    """
    if how == "looped":
        return [frame % count for frame in range(length)]
    if how == "ping-pong":
        there_and_back = [*range(count), *range(count - 2, 0, -1)]
        return [there_and_back[frame % len(there_and_back)] for frame in range(length)]
    return [min(frame, count - 1) for frame in range(length)]


def matched(first: Keypoints, second: Keypoints, mismatch: Mismatch = "shorter") -> tuple[Keypoints, Keypoints]:
    """Two performances, equally long. A single frame is left alone: it is held wherever it is used.

    mismatch: 'stop' refuses different lengths; 'shorter' cuts the longer one; the others give the second one the
    length of the first: 'looped' starts it again, 'held' holds its last frame, 'ping-pong' plays it back and forth,
    'stretched' makes it slower or faster. Those cut a second one that is longer, 'stretched' aside.

    Raises KeypointError for other words, and where 'stop' finds different lengths.
    """
    check_frames("first", first)
    check_frames("second", second)
    if mismatch not in MISMATCHES:
        raise KeypointError(f"expected a mismatch out of {', '.join(MISMATCHES)}; got {mismatch!r}")
    if len(first) == len(second) or 1 in (len(first), len(second)):
        return first, second
    if mismatch == "stop":
        raise KeypointError(
            f"expected two performances of the same length, or one of a single frame; got {len(first)} and "
            f"{len(second)} frames: cut the longer one, or choose another mismatch ({', '.join(MISMATCHES[1:])})"
        )
    if mismatch == "shorter":
        frames = min(len(first), len(second))
        return first[:frames], second[:frames]
    if mismatch == "stretched":
        return first, to_length(second, len(first))
    return first, second.at(play_order(len(second), len(first), mismatch))


def trim(keypoints: Keypoints, start: int = 0, frames: int | None = None) -> Keypoints:
    """`frames` frames from number `start` on, or all that follow; a negative start counts from the end.

    Raises KeypointError where none is left, or there are fewer.
    """
    length = len(keypoints)
    first = start + length if start < 0 else start
    wanted = length - first if frames is None else frames
    if not (0 <= first < length and 1 <= wanted <= length - first):
        asked = f"{'all' if frames is None else frames} from frame {start} on"
        raise KeypointError(f"expected a part of the performance's {length} frames; got {asked}")
    return keypoints[first : first + wanted]


def reverse(keypoints: Keypoints) -> Keypoints:
    """Last frame first; times are mirrored too."""
    backwards = keypoints.at(range(len(keypoints) - 1, -1, -1))
    if keypoints.times is None:
        return backwards
    return replace(backwards, times=keypoints.times[-1] - keypoints.times.flip(0) + keypoints.times[0])


def ping_pong(keypoints: Keypoints) -> Keypoints:
    """There and back: T frames and T - 2 more, so that neither end stands twice where it is looped; untimed."""
    count = len(keypoints)
    return keypoints.at(play_order(count, max(1, 2 * count - 2), "ping-pong"))


def repeat(keypoints: Keypoints, times: int) -> Keypoints:
    """The performance so often in a row. Raises KeypointError for fewer than 1, or far too many frames."""
    if not 1 <= times <= max(1, MOST_FRAMES // max(1, len(keypoints))):
        raise KeypointError(f"expected 1 repetition or more, and at most {MOST_FRAMES} frames; got {times}")
    return keypoints if times == 1 else Keypoints.cat([keypoints] * times)


def hold_frame(keypoints: Keypoints, frame: int, more: int) -> Keypoints:
    """Frame `frame` stands for `more` further frames; untimed unless 0. A negative number counts from the end.

    Raises KeypointError for a frame that is not there, or a negative or far too large number.
    """
    length = len(keypoints)
    if not -length <= frame < length:
        raise KeypointError(f"expected the number of one of {length} frames to hold; got {frame}")
    if not 0 <= more <= MOST_FRAMES:
        raise KeypointError(f"expected 0 to {MOST_FRAMES} further frames; got {more}")
    if more == 0:
        return keypoints
    stop = frame % length
    return keypoints.at([*range(stop), *[stop] * (more + 1), *range(stop + 1, length)])


def offset(keypoints: Keypoints, frames: float, *, wrap: bool = False) -> Keypoints:
    """The movement `frames` later (negative: earlier), as long as before; a part of a frame is interpolated.

    wrap: what leaves at one end comes in at the other, as a loop wants it; otherwise the first or the last frame is
    held. Timed performances keep their times: a frame is moved by a number of frames.
    """
    check_number("an offset (frames)", frames, -MOST_FRAMES, MOST_FRAMES)
    if frames == 0:
        return keypoints
    length = len(keypoints)
    places = torch.arange(length, dtype=torch.float64) - frames
    if wrap:
        places = places % length
        closed = Keypoints.cat([untimed(keypoints), untimed(keypoints)[:1]])
        return replace(sampled(closed, places), times=keypoints.times)
    return replace(sampled(keypoints, places), times=keypoints.times)


def to_length(keypoints: Keypoints, frames: int) -> Keypoints:
    """The same movement in `frames` frames: the first stays the first, the last the last; untimed unless as before."""
    check_frames("performance", keypoints)
    if not 1 <= frames <= MOST_FRAMES:
        raise KeypointError(f"expected a length of 1 to {MOST_FRAMES} frames; got {frames}")
    if frames == len(keypoints):
        return keypoints
    last = len(keypoints) - 1
    steps = max(1, frames - 1)
    return sampled(keypoints, torch.arange(frames, dtype=torch.float64) * last / steps)


def sampled(keypoints: Keypoints, places: Tensor) -> Keypoints:
    """The keypoints at fractional frame numbers [N] float64, interpolated; before the first and after the last those.

    Whole numbers give the very values of that frame.
    """
    check_frames("performance", keypoints)
    places = places.double().clamp(0, len(keypoints) - 1)
    before = places.floor().long()
    return between_frames(keypoints, before, places - before)


def untimed(keypoints: Keypoints) -> Keypoints:
    """The same frames, at a rate that is stated elsewhere."""
    return replace(keypoints, times=None)
