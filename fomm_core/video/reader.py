"""Clips as iterators of frames."""

from __future__ import annotations

import logging
import os
import weakref
from array import array
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from types import TracebackType
from typing import BinaryIO, TypeAlias

import numpy as np

from ..errors import ImageError
from .containers import ContainerFrames
from .info import FrameSource, VideoInfo
from .pictures import AnimatedPicture, Stills, reads_avif
from .pixels import WHITE, Colour, Pixels, check_colour
from .rate import frame_rate
from .source import MediaSource, PathLike, kind_of, still_paths
from .stored import StoredFrame
from .times import Part, Seconds

logger = logging.getLogger("fomm.video")

Run: TypeAlias = Generator[tuple[Fraction, Pixels | StoredFrame], None, None]


class VideoReader:
    """The frames of a clip, one at a time, as a viewer would show them: uint8 RGB [height, width, 3].

    Opens mp4, mov, webm, mkv, avi, gif, apng, animated webp and other files that FFmpeg knows, by path or as a binary
    file object that can seek; one still image (a clip of one frame); and stills as a folder, as a pattern such as
    `frame-%05d.png`, or as a glob such as `shots/*.png`.

    - Rotation and mirroring are applied, and pixels are square: the shorter side is enlarged if they are not.
    - Colours follow the file's matrix and range; untagged files are taken as BT.709 from 1280 wide or 720 high on, and
      as BT.601 below, both in limited range. HDR is not tone-mapped; `warnings` says so.
    - Frames come as they are stored; none are repeated or dropped to even out their times. `timed` gives each with the
      second from which it is shown, and `times` has them all after a run; `info.fps` is the average rate.
    - Memory does not grow with the length of the clip. Iterating again starts again.
    - A damaged or truncated file gives its intact frames, each at its time; `warnings` says what is missing, and the
      logger "fomm.video" says it once. A damaged still within a sequence is left out in the same way.

    Args:
        source: A path, a pattern, a folder or a file object.
        start: The first frame to give, by number, or by time as `Seconds`.
        stop: The frame or time before which to stop.
        length: How many frames or seconds to give at most.
        fps: The rate to report instead of the file's own; stills have none and report 25.
        background: The RGB colour in 0..255 that transparent pixels are laid over.

    Raises:
        ImageError: Nothing can be read: a missing or empty file, a folder without images, another kind of file, a video
            without an intact frame, or (when iterated) fewer frames than `start`.

    Example:
        >>> from fomm_nodes.fomm_core.shipped import ASSETS
        >>> from fomm_nodes.fomm_core.video import VideoReader
        >>> with VideoReader(ASSETS / "driving.mp4", length=3) as clip:
        ...     print(sum(1 for frame in clip))
        3
    """

    def __init__(
        self,
        source: PathLike | BinaryIO,
        *,
        start: int | Seconds = 0,
        stop: int | Seconds | None = None,
        length: int | Seconds | None = None,
        fps: Fraction | float | str | None = None,
        background: Colour = WHITE,
    ) -> None:
        self._part = Part(start, stop, length)
        self.warnings: list[str] = []
        self._count: int | None = None
        self._first: Fraction | None = Fraction(0) if start == 0 else None
        self._running: weakref.WeakSet[Run] = weakref.WeakSet()
        self._frames = _open(source, check_colour(background))
        whole = self._frames.info
        total, duration = whole.frame_count, whole.duration
        self.info: VideoInfo = replace(
            whole,
            frame_count=None if total is None else self._part.frames_of(total, whole.fps),
            duration=None if duration is None else self._part.seconds_of(duration, whole.fps),
            fps=whole.fps if fps is None else frame_rate(fps),
        )
        self.times: array[float] | None = None
        """Seconds of the clip, [T + 1]: when each frame that the last whole run gave begins, and when the last ends."""

    def __iter__(self) -> Iterator[Pixels]:
        return (pixels for _, pixels in self.timed())

    def stored(self) -> Iterator[Pixels | StoredFrame]:
        """The same frames as they are stored, for callers that want only parts of them.

        Returns:
            An iterator of `StoredFrame`s, or of arrays if the file does not allow it.
        """
        return (frame for _, frame in self._started(self._run(stored=True)))

    def timed(self) -> Generator[tuple[Fraction, Pixels], None, None]:
        """The frames with their times. Times always increase; missing or wrong ones are mended.

        Returns:
            An iterator of (second, frame), counted from the first frame of the clip, not of the part. At its end,
            `times` has all of them.

        Raises:
            ImageError: The clip has no frame from `start` on.
        """
        return self._started(self._run())  # type: ignore[return-value]

    def _started(self, frames: Run) -> Run:
        self._running.add(frames)
        return frames

    def _run(self, *, stored: bool = False) -> Run:
        times = array("d")
        frames = self._frames.timed(self._part, self._warn, stored=stored)
        try:
            while True:
                try:
                    time, pixels = next(frames)
                except StopIteration as stopped:
                    end = float(stopped.value)
                    break
                if not times:
                    self._first = time
                times.append(float(time))
                yield time, pixels
        finally:
            frames.close()
        if not times:
            start = self._part.start
            wished = f"{float(start.value):g} s" if isinstance(start, Seconds) else f"{start} whole frames"
            raise ImageError(f"expected a clip of more than {wished} (start={wished.split()[0]}); it has fewer.")
        times.append(end)
        self.times = times

    @property
    def start_seconds(self) -> Fraction:
        """The second of the file at which the first given frame lies, for `VideoWriter(audio_start=...)`. Before the
        first run it is looked up, which decodes up to there.
        """
        if self._first is None:
            frames = self._run()
            self._first, _ = next(frames)
            frames.close()
        return self._first

    def count(self) -> int:
        """Count the frames exactly; `info.frame_count` is an estimate. The file is passed over once, without decoding
        it unless the part is given in seconds.

        Returns:
            The number of frames that this reader gives.
        """
        if self._count is None:
            part, fps = self._part, self._frames.info.fps
            by_time = any(isinstance(place, Seconds) for place in (part.start, part.stop, part.length))
            self._count = sum(1 for _ in self) if by_time else part.frames_of(self._frames.count(), fps)
        return self._count

    def at(self, positions: Sequence[int]) -> list[Pixels]:
        """Read single frames. Each is sought and decoded on its own if the file allows seeking; GIF and WebP are
        decoded from their start. If the file ends early, its last frame stands in.

        Args:
            positions: Frame numbers from 0, in any order.

        Returns:
            uint8 [H, W, 3] each, in that order.

        Raises:
            ImageError: A number is outside `count()`, or nothing can be read.
        """
        if not all(0 <= position < self.count() for position in positions):
            raise ImageError(f"expected frames 0 to {self.count() - 1}; got {list(positions)}.")
        if isinstance(self._part.start, Seconds):
            raise ImageError("expected a part that starts at a frame's number, to read single frames of it.")
        rising = sorted(set(positions))
        read = list(self._frames.at([self._part.start + position for position in rising], self._warn)) if rising else []
        if len(read) < len(rising):
            raise ImageError(f"expected the frames {rising}; only {len(read)} of them could be read.")
        found = dict(zip(rising, read, strict=True))
        return [found[position] for position in positions]

    def _warn(self, message: str) -> None:
        if message not in self.warnings:
            self.warnings.append(message)
            logger.warning("%s", message)

    def close(self) -> None:
        """Close the file, and end any iteration that is under way."""
        for frames in list(self._running):
            frames.close()

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def batches(frames: Iterable[Pixels], size: int) -> Iterator[Pixels]:
    """Group frames into batches.

    Args:
        frames: uint8 [H, W, 3] each, all of one size.
        size: Frames in a batch.

    Returns:
        An iterator of uint8 [n, H, W, 3] with n = `size`; the last batch may be smaller.

    Raises:
        ValueError: The size is below 1.

    Example:
        >>> import numpy as np
        >>> from fomm_nodes.fomm_core.video import batches
        >>> [len(batch) for batch in batches([np.zeros((4, 4, 3), np.uint8)] * 5, 2)]
        [2, 2, 1]
    """
    if size < 1:
        raise ValueError(f"expected a batch size of 1 or more; got {size}")
    held: list[Pixels] = []
    for frame in frames:
        held.append(frame)
        if len(held) == size:
            yield np.stack(held)
            held = []
    if held:
        yield np.stack(held)


def _open(source: PathLike | BinaryIO, background: Colour) -> FrameSource:
    if isinstance(source, (str, os.PathLike)) and (paths := still_paths(source)) is not None:
        return Stills(paths, background)
    media = MediaSource(source)
    kind = kind_of(media)
    if kind == "still":
        return Stills([media], background)
    if kind == "animated-webp" or (kind == "animated-avif" and reads_avif()):
        return AnimatedPicture(media, background, is_avif=kind == "animated-avif")
    return ContainerFrames(media, background)
