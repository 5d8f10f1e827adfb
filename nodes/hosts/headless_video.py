"""VIDEO values without a graph program: a file, or frames with their sound. Written as ComfyUI writes them."""

from __future__ import annotations

import json
import math
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from torch import Tensor

from ...fomm_core.errors import ImageError
from ..declarations.streams import FileStream, TensorStream
from ..spec import FrameStream
from .sound import NewFile, read_sound, write_sound

FORMATS = ("auto", "mp4")
CODECS = ("auto", "h264")
Metadata = Mapping[str, Any]
Allow = Callable[[int, int, int], None]


@dataclass(frozen=True, eq=False)
class FramesVideo:
    """Frames [T, H, W, 3] in 0..1 with their rate and, maybe, an AUDIO value."""

    images: Tensor
    fps: Fraction
    audio: Any = None

    def frames(self, allow: Allow) -> FramesVideo:
        """Itself."""
        return self


@dataclass(frozen=True, eq=False)
class FileVideo:
    """A video file; one that a block made goes away with the last that holds it."""

    path: Path
    temporary: bool = False
    _gone: Any = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.temporary:
            object.__setattr__(self, "_gone", weakref.finalize(self, self.path.unlink, missing_ok=True))

    def frames(self, allow: Allow) -> FramesVideo:
        """All of it in memory, at its average rate. `allow(frames, height, width)` may raise before it is too much."""
        with av.open(str(self.path)) as container:
            if not container.streams.video:
                raise ImageError(f"expected a video; {self.path.name} has no pictures in it.")
            average = container.streams.video[0].average_rate
            pictures: list[Tensor] = []  # [H, W, 3] bytes
            for frame in container.decode(video=0):
                allow(len(pictures) + 1, frame.height, frame.width)
                pictures.append(torch.from_numpy(frame.to_ndarray(format="rgb24")))
        if not pictures:
            raise ImageError(f"expected a video with at least one frame; {self.path.name} has none.")
        return FramesVideo(torch.stack(pictures) / 255.0, Fraction(average or 1), read_sound(self.path))


class LimitedStream:
    """A file's stream that counts its frames as they are read."""

    def __init__(self, stream: FileStream, allow: Allow) -> None:
        self._stream, self._allow = stream, allow
        self.fps, self.timed, self.length, self.sound = stream.fps, stream.timed, stream.length, stream.sound

    def batches(self, size: int) -> Iterator[Tensor]:
        """Frames [n, 3, H, W] with n <= size."""
        count = 0
        for part in self._stream.batches(size):
            count += len(part)
            self._allow(count, 1, 1)
            self._allow(1, *part.shape[-2:])
            yield part


@contextmanager
def open_video(video: FileVideo | FramesVideo, new_file: NewFile, allow: Allow) -> Iterator[FrameStream]:
    """Frames of a VIDEO value, read as a stream."""
    if isinstance(video, FramesVideo):
        yield TensorStream(video.images, video.fps, lambda: write_sound(video.audio, new_file))
        return
    with FileStream(video.path) as stream:
        yield LimitedStream(stream, allow)


def save_video(
    video: FileVideo | FramesVideo, path: Path, format: str, codec: str, metadata: Metadata, allow: Allow
) -> int:
    """Write a VIDEO value: a file whose format and codec fit is copied packet by packet, everything else is encoded
    as H.264 in MP4. Returns the number of pictures.
    """
    if isinstance(video, FileVideo):
        with av.open(str(video.path)) as source:
            kinds, coded = source.format.name.split(","), source.streams.video[0].codec.name
            if format in ("auto", *kinds) and codec in ("auto", coded):
                return _copy(source, path, metadata)
    return _encode(video.frames(allow), path, metadata)


def _copy(source: Any, path: Path, metadata: Metadata) -> int:
    pictures = 0
    with av.open(str(path), "w", options={"movflags": "use_metadata_tags"}) as target:
        target.metadata.update({**source.metadata, **_as_text(metadata)})
        streams = {
            stream.index: target.add_stream_from_template(stream, opaque=True)
            for stream in (*source.streams.video, *source.streams.audio, *source.streams.subtitles)
        }
        for packet in source.demux():
            if packet.dts is not None and (stream := streams.get(packet.stream.index)) is not None:
                pictures += packet.stream.type == "video"
                packet.stream = stream
                target.mux(packet)
    return pictures


def _encode(video: FramesVideo, path: Path, metadata: Metadata) -> int:
    """H.264 at the encoder's own settings, 4:2:0; AAC for the sound, cut to the pictures' length."""
    rate = Fraction(round(video.fps * 1000), 1000)
    count, height, width, _ = video.images.shape
    with av.open(str(path), "w", options={"movflags": "use_metadata_tags"}) as target:
        target.metadata.update(_as_text(metadata))
        pictures = target.add_stream("h264", rate=rate)
        pictures.width, pictures.height, pictures.pix_fmt = width, height, "yuv420p"
        sound = None
        if video.audio is not None:
            sound = target.add_stream("aac", rate=int(video.audio["sample_rate"]))
        for image in video.images:
            frame = av.VideoFrame.from_ndarray(bytes_of(image), format="rgb24").reformat(format="yuv420p")
            target.mux(pictures.encode(frame))
        target.mux(pictures.encode(None))
        if sound is not None:
            samples = video.audio["waveform"][:1, :, : math.ceil(int(video.audio["sample_rate"]) / rate * count)]
            packed = np.ascontiguousarray(samples.movedim(2, 1).reshape(1, -1).float().numpy())
            heard = av.AudioFrame.from_ndarray(packed, "flt", "mono" if samples.shape[1] == 1 else "stereo")
            heard.sample_rate, heard.pts = int(video.audio["sample_rate"]), 0
            target.mux(sound.encode(heard))
            target.mux(sound.encode(None))
    return count


def bytes_of(image: Tensor) -> np.ndarray:
    """[..., C] in 0..1 as bytes, rounded down, as ComfyUI does it."""
    return (image.cpu() * 255).clamp(0, 255).byte().numpy()


def _as_text(metadata: Metadata) -> dict[str, str]:
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in metadata.items()}
