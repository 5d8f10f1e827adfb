"""A clip as the source: each of its frames is moved in its turn, at the driver's rate and as long as the driver."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

from torch import Tensor

from ...fomm_core.animation import shown_at
from ...fomm_core.errors import ImageError
from ...fomm_core.frames import at_positions
from ...fomm_core.geometry import Keypoints
from ...fomm_core.motion import play_order, resample
from ...fomm_core.region import Region
from ...fomm_core.session import AnimationSession, PreparedSource
from ..spec import FrameStream
from .clips import Fitting, squares

STOP, LOOPED, HELD, PING_PONG = "stop", "looped", "held", "ping-pong"
MISMATCHES = (STOP, LOOPED, HELD, PING_PONG)
BACKWARDS_AT_ONCE = 64
"""Frames that are held to be given in reverse; a clip is read again from its start for each so many."""


def played(count: int, length: int, mismatch: str) -> list[int]:
    """Which of `count` frames are shown in a clip of `length`: all of them in order, and after the end as `mismatch`
    says; a longer one is cut. Raises ImageError where that is `STOP` and the numbers differ.
    """
    if count != length and mismatch == STOP:
        raise ImageError(
            f"“source”: expected one image, or as many as the driver has frames, {length}; got {count}. Choose what "
            "to do in mismatch: looped, held or ping-pong. If this is the driving clip, connect it to the driving "
            "input; to take one image of it, ImageFromBatch."
        )
    return play_order(count, length, HELD if mismatch == STOP else mismatch)  # type: ignore[arg-type]


def in_order(read: Callable[[], Iterator[Tensor]], order: Sequence[int]) -> Iterator[Tensor]:
    """The frames of those numbers. `read` gives all frames singly, from the start; as few as possible are held."""
    start = 0
    while start < len(order):
        end = start + 1
        if end < len(order) and order[end] < order[start]:
            while end < len(order) and order[end] <= order[end - 1] and end - start < BACKWARDS_AT_ONCE:
                end += 1
            yield from reversed(list(_rising(read, order[start:end][::-1])))
        else:
            while end < len(order) and order[end] >= order[end - 1]:
                end += 1
            yield from _rising(read, order[start:end])
        start = end


def _rising(read: Callable[[], Iterator[Tensor]], order: Sequence[int]) -> Iterator[Tensor]:
    with closing(read()) as frames:  # type: ignore[type-var]
        yield from at_positions(frames, order)


@dataclass(frozen=True, eq=False)
class SourceClip:
    """A clip, one square of it or all, and its keypoints at its own constant rate.

    timed: whether it has a rate; frames without one are shown one for each of the driver's.
    """

    clip: FrameStream
    region: Region | None
    fitting: Fitting
    keypoints: Keypoints
    rate: Fraction
    timed: bool

    def order(self, length: int, fps: Fraction, mismatch: str) -> list[int]:
        """Which frames are shown in a result of `length` frames at `fps`; a video keeps its pace."""
        shown = resample(self.keypoints, self.rate, fps)[1] if self.timed else list(range(len(self.keypoints)))
        return [shown[frame] for frame in played(len(shown), length, mismatch)]

    def prepared(self, session: AnimationSession, order: Sequence[int]) -> Iterator[Callable[[], PreparedSource]]:
        """What makes the source of each frame."""
        for frame, picture in zip(order, in_order(self._frames, order), strict=True):
            yield partial(_prepare, session, picture, self.keypoints[frame], self.fitting.shown)

    def _frames(self) -> Iterator[Tensor]:
        for part in self.fitting.of(squares(self.clip, self.region, max(self.fitting.working), even=True)):
            yield from part.split(1)


def _prepare(
    session: AnimationSession, picture: Tensor, keypoints: Keypoints, shown: tuple[int, int]
) -> PreparedSource:
    return shown_at(session.prepare(picture, keypoints=keypoints), shown)
