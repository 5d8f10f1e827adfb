"""Clips made of pictures that Pillow decodes: stills, and animated WebP, which FFmpeg cannot read."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

from ..errors import ImageError
from .images import opened_picture, read_media, to_rgb
from .info import VideoInfo, Warn, picked
from .pixels import Colour, Pixels
from .source import MediaSource

STILLS_RATE = Fraction(25)


class Stills:
    """Pictures of one size, one per frame. A picture that cannot be read is left out with a warning."""

    def __init__(self, pictures: Sequence[MediaSource | Path], background: Colour) -> None:
        self._pictures = pictures
        self._background = background
        first = self._first_readable()
        height, width = first.shape[:2]
        self.info = VideoInfo(
            width=width, height=height, fps=STILLS_RATE, frame_count=len(pictures), has_audio=False, rotation=0
        )

    def frames(self, start: int, stop: int | None, warn: Warn) -> Iterator[Pixels]:
        """Frames [start, stop); raises ImageError at a picture of another size than the first."""
        for picture in self._pictures[start:stop]:
            try:
                pixels = self._read(picture)
            except ImageError as error:
                warn(f"{picture.name} was left out: {error}")
                continue
            height, width = pixels.shape[:2]
            if (width, height) != (self.info.width, self.info.height):
                raise ImageError(
                    f"expected pictures of one size, {self.info.width}x{self.info.height} as the first; "
                    f"{picture.name} is {width}x{height}. Resize it or take it out."
                )
            yield pixels

    def count(self) -> int:
        """The number of pictures, damaged ones included."""
        return len(self._pictures)

    def at(self, positions: Sequence[int], warn: Warn) -> Iterator[Pixels]:
        """The pictures at these positions; a damaged one raises ImageError."""
        for position in positions:
            yield self._read(self._pictures[position])

    def _first_readable(self) -> Pixels:
        problem: ImageError | None = None
        for picture in self._pictures:
            try:
                return self._read(picture)
            except ImageError as error:
                problem = problem or error
        assert problem is not None
        raise problem

    def _read(self, picture: MediaSource | Path) -> Pixels:
        return read_media(picture if isinstance(picture, MediaSource) else MediaSource(picture), self._background)


class AnimatedWebp:
    """An animated WebP. While it is read its compressed bytes are held in memory; its frames are not.

    Where the file is cut off, the whole frames before the cut are read.
    """

    def __init__(self, media: MediaSource, background: Colour) -> None:
        self._media = media
        self._background = background
        durations, end, self._whole = _whole_frames(media)
        self._readable = media if self._whole else _cut_after(media, end)
        if not durations:
            raise ImageError(f"expected an animated WebP; {media.name} holds no whole frame. Export it again.")
        seconds = Fraction(sum(durations), 1000)
        with opened_picture(self._readable) as picture:
            width, height = picture.size
        self.info = VideoInfo(
            width=width,
            height=height,
            fps=len(durations) / seconds if seconds else STILLS_RATE,
            frame_count=len(durations),
            has_audio=False,
            rotation=0,
        )

    def frames(self, start: int, stop: int | None, warn: Warn) -> Iterator[Pixels]:
        """Frames [start, stop), one at a time."""
        count = self.info.frame_count or 0
        given = 0
        try:
            with opened_picture(self._readable) as picture:
                for index in range(count if stop is None else min(stop, count)):
                    picture.seek(index)  # the decoder composes each frame upon the last: none can be skipped
                    pixels = to_rgb(picture, self._background)
                    given += 1
                    if index >= start:
                        yield pixels
        except ImageError as error:
            if not given:
                raise
            warn(f"{self._media.name} is damaged after {given} of {count} frames; these are used ({error}).")
            return
        if not self._whole and (stop is None or stop > count):
            warn(f"{self._media.name} ends early: {count} frames could be read. The file is cut short.")

    def count(self) -> int:
        """The number of whole frames."""
        return self.info.frame_count or 0

    def at(self, positions: Sequence[int], warn: Warn) -> Iterator[Pixels]:
        """The frames at rising positions; each is composed upon the last, so all before are decoded."""
        yield from picked(self.frames(0, positions[-1] + 1, warn), positions)


def _whole_frames(media: MediaSource) -> tuple[list[int], int, bool]:
    """The milliseconds of each whole frame, where the last whole chunk ends, and whether nothing was cut off."""
    durations = []
    size = media.size
    with media.open() as file:
        announced = int.from_bytes(file.read(8)[4:], "little") + 8
        position = 12
        while position + 8 <= size:
            file.seek(position)
            head = file.read(24)
            length = int.from_bytes(head[4:8], "little")
            end = position + 8 + length + length % 2
            if end > size:
                break
            if head.startswith(b"ANMF"):
                durations.append(int.from_bytes(head[20:23], "little"))
            position = end
    return durations, position, announced <= size


def _cut_after(media: MediaSource, end: int) -> MediaSource:
    """The first `end` bytes as a WebP of its own, which Pillow opens where it refuses a cut one."""
    data = bytearray(media.head(end))
    data[4:8] = (end - 8).to_bytes(4, "little")
    return MediaSource(io.BytesIO(data), name=media.name)
