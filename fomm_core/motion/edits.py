"""All edits of a performance in one: what the block Edit Performance and the command `fomm performance` do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, get_args

from ..errors import KeypointError
from ..geometry import Keypoints
from .anchor import anchor_frame
from .checks import check_number
from .joining import join, loop
from .mirror import mirror
from .order import MOST_FRAMES, hold_frame, offset, ping_pong, repeat, reverse, to_length, trim
from .strength import curve_values, parse_curve, strengthen
from .timing import common_rate, resample

Ending = Literal["as it is", "ping-pong", "loop"]
ENDINGS: tuple[Ending, ...] = get_args(Ending)
SLOWEST, FASTEST = 1 / 100, 100.0


@dataclass(frozen=True, kw_only=True)
class Edits:
    """What is done to a performance, in this order; as it stands, nothing.

    start, frames: the part to use; a negative start counts from the end, None is all that follows.
    mirror, partners: left and right exchanged (`mirror`); partners None are found in the first frame.
    reverse: last frame first.
    speed: 2 is twice as fast, in half as many frames.
    fps: another number of frames per second at the same pace; None keeps it.
    length: so many frames, whatever pace that takes; None keeps it.
    strength: a number, or a curve over the frames as they are by now, such as "0: 0, 25: 1" (`parse_curve`).
    anchor: the frame from which strength is measured, as they are by now; from the end where negative.
    offset, wrap: later by so many frames, see `offset`.
    hold_first, hold_last: further frames in the first pose, and in the last.
    join: performances that follow, over `crossfade` frames; at the rate of this one.
    ending: 'ping-pong' goes back to the first frame; 'loop' fades the last `crossfade` frames into the first ones.
    repeat: how often in a row.
    """

    start: int = 0
    frames: int | None = None
    mirror: bool = False
    partners: tuple[int, ...] | None = None
    reverse: bool = False
    speed: float = 1.0
    fps: Fraction | None = None
    length: int | None = None
    strength: str = "1"
    anchor: int = 0
    offset: float = 0.0
    wrap: bool = False
    hold_first: int = 0
    hold_last: int = 0
    crossfade: int = 0
    ending: Ending = "as it is"
    repeat: int = 1

    def __post_init__(self) -> None:
        check_number("a speed", self.speed, SLOWEST, FASTEST)
        if self.fps is not None:
            check_number("frames per second", self.fps, 0, 1000, above=True)
        if self.ending not in ENDINGS:
            raise KeypointError(f"expected an ending out of {', '.join(ENDINGS)}; got {self.ending!r}")


def edited(
    keypoints: Keypoints, fps: Fraction, edits: Edits, following: Sequence[Keypoints] = ()
) -> tuple[Keypoints, Fraction]:
    """A performance after all edits, and its rate.

    keypoints: T frames at `fps`; timed ones are brought to their common rate as soon as an edit counts in frames.
    following: performances to join, at the same rate, behind this one. As they are where nothing is edited.

    Raises KeypointError for edits that the performance is too short for, and whatever each of them refuses.
    """
    if edits == Edits() and not following:
        return keypoints, fps
    keypoints = trim(keypoints, edits.start, edits.frames)
    if keypoints.times is not None:
        fps = common_rate(keypoints.times.tolist())
        keypoints, _ = resample(keypoints, fps, fps)
    if edits.mirror:
        keypoints = mirror(keypoints, edits.partners)
    if edits.reverse:
        keypoints = reverse(keypoints)
    if edits.speed != 1:
        keypoints = faster(keypoints, edits.speed)
    if edits.fps is not None and edits.fps != fps:
        _check_length(len(keypoints) * float(edits.fps / fps))
        keypoints, _ = resample(keypoints, fps, edits.fps)
        fps = edits.fps
    if edits.length is not None:
        keypoints = to_length(keypoints, edits.length)
    points = parse_curve(edits.strength, fps)
    if any(strength != 1 for _, strength in points):
        anchor = edits.anchor + len(keypoints) if edits.anchor < 0 else edits.anchor
        keypoints = strengthen(keypoints, curve_values(points, len(keypoints)), anchor_frame(keypoints, anchor))
    keypoints = offset(keypoints, edits.offset, wrap=edits.wrap)
    keypoints = hold_frame(keypoints, 0, edits.hold_first)
    keypoints = hold_frame(keypoints, -1, edits.hold_last)
    if following:
        keypoints = join([keypoints, *following], edits.crossfade)
    if edits.ending == "ping-pong":
        keypoints = ping_pong(keypoints)
    elif edits.ending == "loop":
        keypoints = loop(keypoints, edits.crossfade)
    return repeat(keypoints, edits.repeat), fps


def faster(keypoints: Keypoints, factor: float) -> Keypoints:
    """The movement so many times as fast, in as many frames fewer, interpolated; below 1 it is slower.

    A slowing by a whole number keeps every frame, so that speeding it up again gives the same performance. Times are
    not kept. Raises KeypointError for a factor outside 1/100..100, or far too many frames.
    """
    check_number("a speed", factor, SLOWEST, FASTEST)
    _check_length(len(keypoints) / factor)
    exact = Fraction(factor).limit_denominator(10_000)
    if keypoints.times is not None:
        rate = common_rate(keypoints.times.tolist())
        keypoints, _ = resample(keypoints, rate, rate)
    return resample(keypoints, exact, Fraction(1))[0]


def _check_length(frames: float) -> None:
    if math.ceil(frames) > MOST_FRAMES:
        raise KeypointError(f"expected an edit that makes at most {MOST_FRAMES} frames; this one makes {frames:.0f}")
