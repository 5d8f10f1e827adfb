"""What is known of a clip before its frames are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol, TypeAlias

from .pixels import Pixels
from .stored import StoredFrame
from .times import Part, Timed

Warn: TypeAlias = Callable[[str], None]


@dataclass(frozen=True)
class VideoInfo:
    """A clip as it is shown.

    width, height: after rotation, and with square pixels.
    fps: average frames per second. The times of single frames come with them, see `VideoReader.timed`.
    frame_count: an estimate from the file's header; None where it says nothing. Damaged files hold fewer.
    has_audio: whether there is a sound track.
    rotation: clockwise degrees (0, 90, 180, 270) by which the stored frames are turned to be shown; already applied.
    duration: seconds from the first frame to the end of the last, by the header; None where it says nothing.
    """

    width: int
    height: int
    fps: Fraction
    frame_count: int | None
    has_audio: bool
    rotation: int
    duration: Fraction | None = None


class FrameSource(Protocol):
    """Something that frames can be read from, as often as wanted."""

    info: VideoInfo

    def timed(self, part: Part, warn: Warn, *, stored: bool = False) -> Timed[Pixels | StoredFrame]:
        """Frames uint8 [height, width, 3] one at a time, each with the second from which it is shown, counted from the
        clip's beginning; returns when the last one ends. `warn` hears of everything left out. stored: they may come
        as `StoredFrame`s.
        """
        ...

    def count(self) -> int:
        """The number of frames; whatever takes a whole pass over the file does it here."""
        ...

    def at(self, positions: Sequence[int], warn: Warn) -> Iterator[Pixels]:
        """The frames at rising positions; the last there is where the file ends before."""
        ...


def picked(frames: Iterable[Pixels], positions: Sequence[int]) -> Iterator[Pixels]:
    """Of frames in their order, those at rising positions; the last there is where they end before."""
    left = iter(frames)
    frame, index = next(left, None), 0
    for position in positions:
        while index < position and (following := next(left, None)) is not None:
            frame, index = following, index + 1
        if frame is not None:
            yield frame
