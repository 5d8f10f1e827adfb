"""VIDEO values without a graph program: a file, or frames with their sound. Read and written as ComfyUI does it."""

from __future__ import annotations

import json
import weakref
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import torch
from torch import Tensor

from ....fomm_core.errors import ImageError
from ....fomm_core.motion import evened
from ....fomm_core.video import Seconds, VideoReader
from ....fomm_core.video.decoding import DecodingRun
from ...declarations.streams import FileStream, TensorStream
from ...spec import FrameStream
from ..sound import NewFile, sound_of_video, write_sound
from .encoding import SRGB, Encoding, write
from .frames import Pictures, depth_and_space
from .packets import copy_streams

Metadata = Mapping[str, Any]
Allow = Callable[[int, int, int], None]


@dataclass(frozen=True, eq=False)
class FramesVideo:
    """Frames [T, H, W, 3] in 0..1 with their rate and, maybe, an AUDIO value. bit_depth: of the file to be.

    color_space: of which their numbers are; a key of `encoding.CURVES`.
    """

    images: Tensor
    fps: Fraction
    audio: Any = None
    bit_depth: int = 8
    color_space: str = SRGB

    def frames(self, allow: Allow) -> FramesVideo:
        """Itself."""
        return self

    def about(self) -> tuple[int, str]:
        """The bits of each colour, and the colour space."""
        return self.bit_depth, self.color_space


@dataclass(frozen=True, eq=False)
class FileVideo:
    """A video file; one that a block made goes away with the last that holds it."""

    path: Path
    temporary: bool = False
    _gone: Any = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.temporary:
            object.__setattr__(self, "_gone", weakref.finalize(self, self.path.unlink, missing_ok=True))

    def slice(self, start: float, duration: float) -> SlicedVideo:
        """The part from `start` seconds on; `duration` seconds long, or to the end where that is 0."""
        return SlicedVideo(self, start, duration)

    def frames(self, allow: Allow) -> FramesVideo:
        """All of it in memory, at its rate; uneven frames at the rate of most of them, each for as long as it is shown.
        `allow(frames, height, width)` may raise before it is too much.
        """
        times = array("d")
        pictures: list[Tensor] = []  # [H, W, 3]
        converter = Pictures()
        with av.open(str(self.path)) as container:
            if not container.streams.video:
                raise ImageError(f"expected a video; {self.path.name} has no images in it.")
            average = container.streams.video[0].average_rate
            depth, space = depth_and_space(container)
            frames = DecodingRun(container, container.streams.video[0]).frames()
            while True:
                try:
                    time, frame = next(frames)
                except StopIteration as stopped:
                    times.append(float(stopped.value))
                    break
                allow(len(pictures) + 1, frame.height, frame.width)
                pictures.append(converter.of(frame))
                times.append(float(time))
        if not pictures:
            raise ImageError(f"expected a video with at least one frame; {self.path.name} has none.")
        images, rate = _at_constant_rate(torch.stack(pictures), times, Fraction(average or 1), allow)
        return FramesVideo(images, rate, sound_of_video(self.path), depth, space)

    def about(self) -> tuple[int, str]:
        """The bits of each colour, and the colour space, as the file states them."""
        with av.open(str(self.path)) as container:
            return depth_and_space(container)


@dataclass(frozen=True, eq=False)
class SlicedVideo:
    """A part of a video file, cut when it is read: whole frames, those that begin within `duration` seconds from
    `start` on (to the end where it is 0), and first the one that is shown at `start` if it is held for longer than
    usual; a start below 0 counts from the end.
    """

    video: FileVideo
    start: float
    duration: float

    def slice(self, start: float, duration: float) -> SlicedVideo:
        """A part of the part."""
        if self.start < 0 or start < 0:
            raise ImageError("expected a start of 0 or more for the part of a part; count from the beginning.")
        left = max(0.0, self.duration - start) if self.duration else 0.0
        both = min(filter(None, (left, duration)), default=0.0)
        return SlicedVideo(self.video, self.start + start, both)

    def stream(self, new_file: NewFile) -> FileStream:
        """Its frames, and its sound as a file of its own."""
        start = self.start
        if start < 0:
            with FileStream(self.video.path) as whole:
                length = whole.reader.info.duration
            if length is None:
                raise ImageError("expected a start of 0 or more: how long this video is can't be told beforehand.")
            start = max(0.0, start + float(length))
        return FileStream(
            self.video.path,
            _seconds(start) if start else 0,
            _seconds(self.duration) if self.duration else None,
            sound=lambda reader: write_sound(self._sound_of(reader), new_file),
        )

    def sound(self) -> Any:
        """The AUDIO value of the part; None where there is none."""
        with self.stream(_no_file) as stream:
            return self._sound_of(stream.reader)

    def _sound_of(self, reader: VideoReader) -> Any:
        """The sound from its first image on, to the end of the last where that is known, else of the time wished."""
        begin = reader.start_seconds
        end = begin + _seconds(self.duration).value if self.duration else None
        if reader.times is not None and end is not None:
            end = Fraction(reader.times[-1]).limit_denominator(1_000_000)
        return sound_of_video(self.video.path, begin, end)

    def frames(self, allow: Allow) -> FramesVideo:
        """See `FileVideo.frames`."""
        with self.stream(_no_file) as stream:
            pictures: list[Tensor] = []
            for part in LimitedStream(stream, allow).batches(1):
                allow(len(pictures) + 1, *part.shape[-2:])
                pictures.append(part[0].movedim(0, -1))
            assert stream.times is not None
            images, rate = _at_constant_rate(torch.stack(pictures), stream.times, Fraction(stream.fps), allow)
            return FramesVideo(images, rate, self._sound_of(stream.reader), *self.about())

    def about(self) -> tuple[int, str]:
        """Those of the whole file."""
        return self.video.about()


def _seconds(value: float) -> Seconds:
    return Seconds(Fraction(value).limit_denominator(1_000_000))


def _at_constant_rate(
    pictures: Tensor, times: Sequence[float], average: Fraction, allow: Allow
) -> tuple[Tensor, Fraction]:
    """Pictures [T, H, W, 3], uneven ones repeated or left out as they are shown at a constant rate; and the rate."""
    rate, shown = evened(times, average)
    if shown is None:
        return pictures, rate
    allow(len(shown), *pictures.shape[1:3])
    return pictures[shown], rate


def _no_file(suffix: str) -> Path:
    raise AssertionError("frames alone write no file")


class LimitedStream:
    """A file's stream that counts its frames as they are read."""

    def __init__(self, stream: FileStream, allow: Allow) -> None:
        self._stream, self._allow = stream, allow
        self.fps, self.timed, self.length, self.sound = stream.fps, stream.timed, stream.length, stream.sound

    @property
    def times(self) -> Sequence[float] | None:
        """Those of the file."""
        return self._stream.times

    def batches(self, size: int) -> Iterator[Tensor]:
        """Frames [n, 3, H, W] with n <= size."""
        count = 0
        for part in self._stream.batches(size):
            count += len(part)
            self._allow(count, 1, 1)
            self._allow(1, *part.shape[-2:])
            yield part


Video = FileVideo | SlicedVideo | FramesVideo


@contextmanager
def open_video(video: Video, new_file: NewFile, allow: Allow) -> Iterator[FrameStream]:
    """Frames of a VIDEO value, read as a stream."""
    if isinstance(video, FramesVideo):
        yield TensorStream(video.images, video.fps, lambda: write_sound(video.audio, new_file))
        return
    with FileStream(video.path) if isinstance(video, FileVideo) else video.stream(new_file) as stream:
        yield LimitedStream(stream, allow)


def save_video(video: Video, path: Path, encoding: Encoding, metadata: Metadata, allow: Allow) -> int:
    """Write a VIDEO value: a file whose container and codec fit is copied packet by packet, everything else is encoded.
    Returns the number of images.
    """
    depth, space = video.about()
    wanted = encoding.color_space or space
    if space != SRGB and wanted != space:
        raise ImageError(
            f"expected the colour space auto or {space}, as the video has it; got {wanted}. Colours are not converted."
        )
    text = _as_text(metadata)
    if isinstance(video, FileVideo) and encoding.can_copy(video.path):
        pictures = copy_streams(video.path, path, text)
        if pictures is not None:
            return pictures
    parts = video.frames(allow)
    write(parts.images, parts.fps, parts.audio, path, encoding, bit_depth=depth, color_space=wanted, metadata=text)
    return len(parts.images)


def _as_text(metadata: Metadata) -> dict[str, str]:
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in metadata.items()}
