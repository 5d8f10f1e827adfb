"""Clips made of images that Pillow decodes: stills, animated WebP, which FFmpeg cannot read, and animated AVIF, of
which FFmpeg gives colours and transparency apart.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

from PIL import Image, features

from ..errors import ImageError
from .images import EXIF_ORIENTATION, opened_picture, read_media, to_rgb
from .info import VideoInfo, Warn, picked
from .opening import demuxed, opened_container
from .pixels import Colour, Orientation, Pixels
from .rate import HIGHEST_RATE
from .source import MediaSource
from .times import Part, Seconds, Timed, cut, shown

STILLS_RATE = Fraction(25)
DEFAULT_DELAY = Fraction(1, 10)  # as browsers take a frame of 0 ms


class Stills:
    """Pictures of one size, one per frame. An image that cannot be read is left out with a warning."""

    def __init__(self, pictures: Sequence[MediaSource | Path], background: Colour) -> None:
        self._pictures = pictures
        self._background = background
        first = self._first_readable()
        height, width = first.shape[:2]
        self.info = VideoInfo(
            width=width,
            height=height,
            fps=STILLS_RATE,
            frame_count=len(pictures),
            has_audio=False,
            rotation=0,
            duration=len(pictures) / STILLS_RATE,
        )

    def timed(self, part: Part, warn: Warn, *, stored: bool = False) -> Timed[Pixels]:
        """Pictures and their seconds; raises ImageError at an image of another size than the first."""
        return shown(cut(self._places(), part, 1 / STILLS_RATE), lambda picture: self._shown(picture, warn))

    def _places(self) -> Timed[MediaSource | Path]:
        for index, picture in enumerate(self._pictures):
            yield index / STILLS_RATE, picture
        return len(self._pictures) / STILLS_RATE

    def _shown(self, picture: MediaSource | Path, warn: Warn) -> Pixels | None:
        try:
            pixels = self._read(picture)
        except ImageError as error:
            warn(f"{picture.name} was left out: {error}")
            return None
        height, width = pixels.shape[:2]
        if (width, height) != (self.info.width, self.info.height):
            raise ImageError(
                f"expected images of one size, {self.info.width}x{self.info.height} as the first; "
                f"{picture.name} is {width}x{height}. Resize it or take it out."
            )
        return pixels

    def count(self) -> int:
        """The number of images, damaged ones included."""
        return len(self._pictures)

    def at(self, positions: Sequence[int], warn: Warn) -> Iterator[Pixels]:
        """The images at these positions; a damaged one raises ImageError."""
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


class AnimatedPicture:
    """An animated WebP or AVIF. While it is read its compressed bytes are held in memory; its frames are not.

    Where a WebP is cut off, the whole frames before the cut are read.
    """

    def __init__(self, media: MediaSource, background: Colour, *, is_avif: bool = False) -> None:
        self._media = media
        self._background = background
        if is_avif:
            self._delays, self._whole, self._readable = _avif_delays(media), True, media
        else:
            self._delays, end, self._whole = _whole_frames(media)
            self._readable = media if self._whole else _cut_after(media, end)
        if not self._delays:
            raise ImageError(f"expected an animated image; {media.name} holds no whole frame. Export it again.")
        with opened_picture(self._readable) as picture:
            self._orientation = Orientation.from_exif(picture.getexif().get(EXIF_ORIENTATION, 1) if is_avif else 1)
            width, height = self._orientation.size(*picture.size)
        seconds = sum(self._delays, Fraction(0))
        self.info = VideoInfo(
            width=width,
            height=height,
            fps=min(len(self._delays) / seconds, Fraction(HIGHEST_RATE)),
            frame_count=len(self._delays),
            has_audio=False,
            rotation=self._orientation.rotation,
            duration=seconds,
        )

    def timed(self, part: Part, warn: Warn, *, stored: bool = False) -> Timed[Pixels]:
        """Frames with their seconds, one at a time."""

        def pixels(picture: Image.Image) -> Pixels:
            return self._orientation.apply(to_rgb(picture, self._background))

        frames = self._composed(warn, kept=isinstance(part.start, Seconds))
        return shown(cut(frames, part, 1 / self.info.fps), pixels)

    def _composed(self, warn: Warn, *, kept: bool) -> Timed[Image.Image]:
        """kept: whether a frame lasts when the next one is composed."""
        time, given = Fraction(0), 0
        try:
            with opened_picture(self._readable) as picture:
                for index, delay in enumerate(self._delays):
                    picture.seek(index)  # the decoder composes each frame upon the last: none can be skipped
                    picture.load()
                    given += 1
                    yield time, picture.copy() if kept else picture
                    time += delay
        except ImageError as error:
            if not given:
                raise
            whole = len(self._delays)
            warn(f"{self._media.name} is damaged after {given} of {whole} frames; these are used ({error}).")
            return time
        if not self._whole:
            warn(f"{self._media.name} ends early: {given} frames could be read. The file is cut short.")
        return time

    def count(self) -> int:
        """The number of whole frames."""
        return len(self._delays)

    def at(self, positions: Sequence[int], warn: Warn) -> Iterator[Pixels]:
        """The frames at rising positions; each is composed upon the last, so all before are decoded."""
        frames = self.timed(Part(stop=positions[-1] + 1), warn)
        yield from picked((frame for _, frame in frames), positions)


def reads_avif() -> bool:
    """Whether this Pillow decodes AVIF (from 11.3 on)."""
    return bool(features.check("avif"))


def _avif_delays(media: MediaSource) -> list[Fraction]:
    """The seconds of each frame; empty where the file tells nothing."""
    with opened_container(media) as container:
        video = max(container.streams.video, key=lambda stream: stream.frames, default=None)
        if video is None or not video.time_base or not video.frames:
            return []
        lengths = [packet.duration for packet in demuxed(container, [video], lambda error: None) if packet.size]
        return [max(length or 0, 1) * video.time_base for length in lengths]


def _whole_frames(media: MediaSource) -> tuple[list[Fraction], int, bool]:
    """The seconds of each whole frame, where the last whole chunk ends, and whether nothing was cut off."""
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
                stated = int.from_bytes(head[20:23], "little")
                durations.append(Fraction(stated, 1000) if stated else DEFAULT_DELAY)
            position = end
    return durations, position, announced <= size


def _cut_after(media: MediaSource, end: int) -> MediaSource:
    """The first `end` bytes as a WebP of its own, which Pillow opens where it refuses a cut one."""
    data = bytearray(media.head(end))
    data[4:8] = (end - 8).to_bytes(4, "little")
    return MediaSource(io.BytesIO(data), name=media.name)
