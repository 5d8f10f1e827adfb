"""When frames are shown: places in a clip, parts of it, and the clock that gives each frame its time."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

from ..errors import ImageError

LONGEST_HOLD = Fraction(3600)
"""Seconds between two frames beyond which a time is taken for a fault of the file."""

Frame = TypeVar("Frame")
Shown = TypeVar("Shown")


@dataclass(frozen=True)
class Seconds:
    """A place in a clip, or a length of it, in seconds; where a plain number would count frames."""

    value: Fraction

    @classmethod
    def parse(cls, text: str) -> Seconds | int:
        """`2.5s`, `0:02.5` and `1:02:03` are seconds; `60` is a number of frames. Raises ValueError for the rest."""
        if re.fullmatch(r"[0-9]{1,9}", text):
            return int(text)
        number = r"[0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9}"
        if match := re.fullmatch(rf"({number}) ?s", text):
            return cls(Fraction(match[1].removesuffix(".")))
        if match := re.fullmatch(r"(?:([0-9]{1,4}):)?([0-9]{1,4}):([0-9]{1,2}(?:\.[0-9]{0,9})?)", text):
            hours, minutes, seconds = int(match[1] or 0), int(match[2]), Fraction(match[3].removesuffix("."))
            return cls(hours * 3600 + minutes * 60 + seconds)
        raise ValueError(text)


@dataclass(frozen=True)
class Part:
    """The part of a clip that is given: from `start` to before `stop`, and no longer than `length`.

    Numbers are those of frames from 0, `Seconds` count from the clip's first frame. A start in seconds means the
    first frame that begins there or later; where that is more than a frame's usual length away, the frame shown there
    comes first, for the time that is left of it.
    """

    start: int | Seconds = 0
    stop: int | Seconds | None = None
    length: int | Seconds | None = None

    def __post_init__(self) -> None:
        start, stop = (place.value if isinstance(place, Seconds) else place for place in (self.start, self.stop))
        alike = isinstance(self.start, Seconds) == isinstance(self.stop, Seconds)
        if start is None or start < 0 or (stop is not None and (stop <= 0 or (alike and stop <= start))):
            raise ImageError(
                f"expected a part with 0 <= start < stop; got start={_said(self.start)}, stop={_said(self.stop)}."
            )
        if self.length is not None and not (self.length if isinstance(self.length, int) else self.length.value) > 0:
            raise ImageError(f"expected at least one frame to use; got {_said(self.length)}.")

    def frames_of(self, total: int, fps: Fraction) -> int:
        """About how many frames it has of a clip of `total` frames at `fps`; exact where it is cut by numbers."""

        def frames(place: int | Seconds) -> int:
            return place if isinstance(place, int) else round(place.value * fps)

        last = total if self.stop is None else min(total, frames(self.stop))
        found = max(0, last - frames(self.start))
        return found if self.length is None else min(found, frames(self.length))

    def seconds_of(self, duration: Fraction, fps: Fraction) -> Fraction:
        """About how long it is of a clip of `duration` seconds."""

        def seconds(place: int | Seconds) -> Fraction:
            return place / fps if isinstance(place, int) else place.value

        last = duration if self.stop is None else min(duration, seconds(self.stop))
        found = max(Fraction(0), last - seconds(self.start))
        return found if self.length is None else min(found, seconds(self.length))


def _said(place: int | Seconds | None) -> str:
    return f"{float(place.value):g} s" if isinstance(place, Seconds) else str(place)


Timed = Generator[tuple[Fraction, Frame], None, Fraction]
"""Frames with the seconds at which they begin; when all are given, it returns the second at which the last one ends."""


def cut(frames: Timed[Frame], part: Part, step: Fraction) -> Timed[Frame]:
    """The frames of a part. step: seconds that a frame usually stands."""
    begin = part.start.value if isinstance(part.start, Seconds) else None
    end = part.stop.value if isinstance(part.stop, Seconds) else None
    length = part.length.value if isinstance(part.length, Seconds) else None
    if begin is not None and length is not None:
        end = begin + length if end is None else min(end, begin + length)
    held: Frame | None = None
    last: Fraction | None = None
    index, given = -1, 0
    begins_within = False
    try:
        while True:
            try:
                time, frame = next(frames)
            except StopIteration as stopped:
                over: Fraction = stopped.value
                if begin is not None and held is not None and over > begin:
                    begins_within = True
                    yield begin, held
                    last = begin
                break
            index += 1
            if isinstance(part.start, int):
                if index < part.start:
                    continue
            elif begin is not None and time < begin - step / 1000:
                held = frame
                continue
            elif held is not None and begin is not None:
                if time - begin > step:
                    begins_within = True
                    yield begin, held
                    last, given = begin, 1
                held = None
            over = time
            if length is not None and last is None and begin is None:
                end = time + length if end is None else min(end, time + length)
            is_behind = isinstance(part.stop, int) and index >= part.stop
            if given == part.length or is_behind or (end is not None and time >= end - step / 1000):
                break
            yield time, frame
            last, given = time, given + 1
    finally:
        frames.close()
    if end is None or last is None:
        return over
    # Whole frames, as long as they are even; a part that begins within one ends within one, too.
    return min(over, end if begins_within else max(end, last + step))


def shown(frames: Timed[Frame], turn: Callable[[Frame], Shown | None]) -> Timed[Shown]:
    """Each frame in another form; where there is none, the frame is left out, and the one before stands longer."""
    try:
        while True:
            try:
                time, frame = next(frames)
            except StopIteration as stopped:
                end: Fraction = stopped.value
                return end
            if (turned := turn(frame)) is not None:
                yield time, turned
    finally:
        frames.close()


class FrameClock:
    """Seconds since the start of a stream for each of its frames, from the times that the file states.

    They always rise. A frame without a time stands for one step after the one before, and so does one whose time is
    not behind the last; where times leap back, as in joined recordings, they go on from there.

    zero: the stated time at which the stream begins; None takes the first frame's.
    step: seconds that a frame stands where the file says nothing.
    """

    def __init__(self, zero: Fraction | None, step: Fraction) -> None:
        self._zero = zero
        self._step = step
        self._time: Fraction | None = None
        self._stated: Fraction | None = None

    def time(self, stated: Fraction | None, length: Fraction = Fraction(0)) -> Fraction:
        """When the next frame is shown. stated: by the file, None for nothing; length: of the frame before, 0 for
        unknown.
        """
        if self._time is None:
            if stated is not None and (self._zero is None or not 0 <= stated - self._zero <= LONGEST_HOLD):
                self._zero = stated
            self._stated = stated
            self._time = stated - self._zero if stated is not None and self._zero is not None else Fraction(0)
            return self._time
        step = length if 0 < length <= LONGEST_HOLD else self._step
        if stated is None or self._zero is None:
            if stated is not None:
                self._zero = stated - self._time - step
            self._time += step
            self._stated = stated
            return self._time
        leap = stated - self._stated if self._stated is not None else Fraction(0)
        if leap < -1 or stated - self._zero - self._time > LONGEST_HOLD:
            self._zero = stated - self._time - step
        time = stated - self._zero
        if time <= self._time:
            time = self._time + (step if leap <= 0 else step / 8)
        self._time, self._stated = time, stated
        return time

    @property
    def step(self) -> Fraction:
        """Seconds that a frame stands where the file says nothing."""
        return self._step

    def until(self, stated: Fraction | None, length: Fraction) -> Fraction:
        """When the last frame ends: after its own length (0 for unknown), and not before a stated time."""
        assert self._time is not None
        end = self._time + (length if 0 < length <= LONGEST_HOLD else self._step)
        if stated is not None and self._zero is not None and stated - self._zero - end <= LONGEST_HOLD:
            end = max(end, stated - self._zero)
        return end
