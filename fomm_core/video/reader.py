"""Clips as iterators of frames."""

from __future__ import annotations

import logging
import os
import weakref
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from types import TracebackType
from typing import BinaryIO

import numpy as np

from ..errors import ImageError
from .containers import ContainerFrames
from .info import FrameSource, VideoInfo
from .pictures import AnimatedWebp, Stills
from .pixels import WHITE, Colour, Pixels, check_colour
from .rate import frame_rate
from .source import MediaSource, PathLike, kind_of, still_paths

logger = logging.getLogger("fomm.video")


class VideoReader:
    """The frames of a clip, one at a time, as a viewer would show them: uint8 RGB [height, width, 3].

    Opens mp4, mov, webm, mkv, avi, gif, apng, animated webp and other files that FFmpeg knows, by path or as a binary
    file object that can seek; one still picture (a clip of one frame); and stills as a folder, as a pattern such as
    `frame-%05d.png`, or as a glob such as `shots/*.png`.

    - Rotation and mirroring are applied, and pixels are square: the shorter side is enlarged where they are not.
    - Colours follow the file's matrix and range; untagged files are taken as BT.709 from 1280 wide or 720 high on,
      and as BT.601 below, both in limited range. HDR is not tone-mapped; `warnings` says so.
    - Transparent pixels are laid over `background`.
    - Frames come as they are stored, none doubled or dropped to even out the time between them; `info.fps` is their
      average rate.
    - Memory does not grow with the length of the clip. Iterating again starts again.
    - A damaged or truncated file gives the whole frames that it has; `warnings` says what is missing, and the logger
      "fomm.video" says it once. A damaged still within a sequence is left out in the same way.

    start, stop: the frames [start, stop) are given.
    fps: the rate to report instead of the file's own; stills have none and report 25.

    Raises ImageError where nothing can be read: a missing or empty file, a folder without pictures, another kind of
    file, a video without a whole frame, or (when iterated) fewer frames than `start`.
    """

    def __init__(
        self,
        source: PathLike | BinaryIO,
        *,
        start: int = 0,
        stop: int | None = None,
        fps: Fraction | float | str | None = None,
        background: Colour = WHITE,
    ) -> None:
        if start < 0 or (stop is not None and stop <= start):
            raise ImageError(f"expected frames 0 <= start < stop; got start={start}, stop={stop}.")
        self.warnings: list[str] = []
        self._start = start
        self._stop = stop
        self._count: int | None = None
        self._running: weakref.WeakSet[Generator[Pixels, None, None]] = weakref.WeakSet()
        self._frames = _open(source, check_colour(background))
        whole = self._frames.info
        count = whole.frame_count
        if count is not None:
            count = max(0, min(count, count if stop is None else stop) - start)
        self.info: VideoInfo = replace(whole, frame_count=count, fps=whole.fps if fps is None else frame_rate(fps))
        self.start_seconds = Fraction(start) / whole.fps
        """Where the first frame given lies in the file's own time, for `VideoWriter(audio_start=...)`."""

    def __iter__(self) -> Iterator[Pixels]:
        frames = self._run()
        self._running.add(frames)
        return frames

    def _run(self) -> Generator[Pixels, None, None]:
        given = False
        for frame in self._frames.frames(self._start, self._stop, self._warn):
            given = True
            yield frame
        if not given:
            raise ImageError(
                f"expected a clip of more than {self._start} whole frames (start={self._start}); it has fewer."
            )

    def count(self) -> int:
        """How many frames there are to give. `info.frame_count` is an estimate; this passes over the file once (its
        packets, where they are compressed; nothing is decoded).
        """
        if self._count is None:
            whole = self._frames.count()
            self._count = max(0, min(whole, whole if self._stop is None else self._stop) - self._start)
        return self._count

    def at(self, positions: Sequence[int]) -> list[Pixels]:
        """Single frames by their numbers from 0, in the order asked for. Each is sought and decoded on its own where
        the file can be sought; GIF and WebP are decoded from their start. Where a file turns out to end before, its
        last frame stands in.

        Raises ImageError for a number outside `count()`, and where nothing can be read.
        """
        if not all(0 <= position < self.count() for position in positions):
            raise ImageError(f"expected frames 0 to {self.count() - 1}; got {list(positions)}.")
        rising = sorted(set(positions))
        read = list(self._frames.at([self._start + position for position in rising], self._warn)) if rising else []
        if len(read) < len(rising):
            raise ImageError(f"expected the frames {rising}; only {len(read)} of them could be read.")
        found = dict(zip(rising, read, strict=True))
        return [found[position] for position in positions]

    def _warn(self, message: str) -> None:
        if message not in self.warnings:
            self.warnings.append(message)
            logger.warning("%s", message)

    def close(self) -> None:
        """Let go of the file, ending any iteration that is under way."""
        for frames in list(self._running):
            frames.close()

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def batches(frames: Iterable[Pixels], size: int) -> Iterator[Pixels]:
    """Group frames [H, W, 3] into uint8 [n, H, W, 3] with n = `size`, the last one smaller where they do not divide."""
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
    return AnimatedWebp(media, background) if kind == "animated-webp" else ContainerFrames(media, background)
