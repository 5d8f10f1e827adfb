"""One encoder per kind of file. Each takes frames in order and keeps none of them."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import av
import numpy as np
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from ..errors import ImageError
from .audio import AudioTrack
from .containers import BT709, LIMITED
from .images import write_image
from .info import Warn
from .pixels import Pixels
from .sound_writing import AudioRules
from .transparency import bled, prores_options, yuva420_frame, yuva444_frame
from .yuv import Box, Yuv420, yuv420_frame

logger = logging.getLogger("fomm.video")

AAC = AudioRules(
    copied=frozenset({"aac", "mp3", "mp3float", "ac3", "eac3"}),
    encoder="aac",
    rates=(96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000),
    layouts=("mono", "stereo", "3.0", "4.0", "5.0", "5.1", "7.1"),
    hides_run_up=True,
)
OPUS = AudioRules(
    copied=frozenset({"opus", "vorbis"}),
    encoder="libopus",
    rates=(48_000,),
    layouts=("mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1"),
    bit_rate_per_channel=64_000,
)
AAC_OR_OPUS = replace(AAC, copied=AAC.copied | OPUS.copied | {"flac"}, hides_run_up=False)


@dataclass(frozen=True)
class ContainerRules:
    """How a kind of file is written. audio: None where it holds no sound."""

    muxer: str
    codec: str
    audio: AudioRules | None
    muxer_options: dict[str, str]
    even_sides: bool
    codec_options: Callable[[int], dict[str, str]]
    pixels: str = "yuv420p"


def h264_options(quality: int) -> dict[str, str]:
    """Quality 0..100 to x264's constant rate factor: 80 is 18, visually lossless; 50 is 28; 100 is 11.

    Preset 'fast': 1 % more bytes than 'medium', x264's own choice, at most 0.6 dB less, in two thirds of its time.
    """
    return {"preset": "fast", "crf": f"{46 - 0.35 * quality:.1f}"}


def vp9_options(quality: int) -> dict[str, str]:
    """Quality 0..100 to libvpx's constant quality: 80 is 20, 50 is 35.

    Realtime mode encodes a small clip 3 times as fast as the best "good" mode, for 5 % more bytes.
    """
    return {"crf": str(round(60 - 0.5 * quality)), "deadline": "realtime", "cpu-used": "5", "row-mt": "1"}


def av1_options(quality: int) -> dict[str, str]:
    """Quality 0..100 to SVT-AV1's constant rate factor: 80 is 28, 50 is 41."""
    os.environ.setdefault("SVT_LOG", "1")  # errors alone: the encoder itself prints a page about each file
    return {"preset": "8", "crf": str(round(63 - 0.44 * quality))}


FINE_TICKS = 90_000  # per second, of frames with times of their own
FASTSTART = {"movflags": "+faststart"}
CONTAINERS: dict[str, ContainerRules] = {
    ".mp4": ContainerRules("mp4", "libx264", AAC, FASTSTART, True, h264_options),
    ".m4v": ContainerRules("mp4", "libx264", AAC, FASTSTART, True, h264_options),
    ".mov": ContainerRules("mov", "libx264", AAC, FASTSTART, True, h264_options),
    ".mkv": ContainerRules("matroska", "libx264", AAC_OR_OPUS, {}, True, h264_options),
    ".webm": ContainerRules("webm", "libvpx-vp9", OPUS, {}, False, vp9_options),
    ".avif": ContainerRules("avif", "libsvtav1", None, {"loop": "0"}, False, av1_options),
}
WITH_ALPHA: dict[str, ContainerRules] = {
    ".mov": ContainerRules("mov", "prores_ks", AAC, FASTSTART, False, prores_options, "yuva444p10le"),
    ".webm": replace(CONTAINERS[".webm"], pixels="yuva420p"),
}
"""For frames with alpha; the other kinds hold none."""


class Encoder(Protocol):
    """What `VideoWriter` feeds."""

    def write(self, frame: Pixels, time: Fraction | None = None, changed: Box | None = None) -> None:
        """Take the next frame, uint8 [H, W, 3] or straight [H, W, 4]; all have the first one's shape. time: seconds;
        None: at the rate. changed: a box outside of which it has the pixels of the frame before.
        """
        ...

    def finish(self, end: Fraction | None = None) -> None:
        """Write what is still held back. end: seconds of the whole, where frames had times."""
        ...

    def close(self) -> None:
        """Let go of the file, finished or not."""
        ...


class ContainerEncoder:
    """H.264, VP9 or AV1 with sound, or AV1 as an animated AVIF. 8-bit 4:2:0, BT.709, limited range, left-sited chroma,
    and tagged so.

    H.264 takes even sides only: an odd image gets its last column or row once more, and `warn` hears of it.
    Frames with alpha become VP9 with alpha, or ProRes 4444.
    """

    def __init__(
        self,
        path: Path,
        rules: ContainerRules,
        size: tuple[int, int],
        fps: Fraction,
        quality: int,
        audio: AudioTrack | None,
        warn: Warn,
        *,
        uneven: bool = False,
    ) -> None:
        height, width = size
        self._uneven = uneven
        self._time_base = Fraction(1, FINE_TICKS) if uneven else 1 / fps
        self._padding = ((0, height % 2), (0, width % 2), (0, 0)) if rules.even_sides else ((0, 0), (0, 0), (0, 0))
        self._fps = fps
        self._count = 0
        self._warn = warn
        self._size = height + self._padding[0][1], width + self._padding[1][1]
        self._pixels = rules.pixels
        self._opaque = Yuv420()
        self._reformatter = VideoReformatter()
        if self._size != size:
            warn(
                f"{path.suffix} holds even sides only: the image of {width}x{height} is written as "
                f"{self._size[1]}x{self._size[0]}, its last {_doubled(self._size, size)} twice. A .webm, a .gif or PNG "
                "files keep it as it is."
            )
        self._audio: AudioTrack | None = None
        try:
            self._open(path, rules, quality, audio)
        except (FFmpegError, ValueError) as error:
            if audio is None or isinstance(error, ImageError):
                raise
            warn(f"the audio was left out: it does not fit into {path.suffix} ({error}).")
            self._open(path, rules, quality, None)

    def _open(self, path: Path, rules: ContainerRules, quality: int, audio: AudioTrack | None) -> None:
        """Make the file with its streams, and write its header, which is where a muxer looks at them all."""
        self._container = av.open(str(path), "w", format=rules.muxer, container_options=rules.muxer_options)
        try:
            self._stream = self._video_stream(rules, quality)
            if audio is not None and rules.audio is not None:
                audio.add_to(self._container, rules.audio)
            self._container.start_encoding()
        except BaseException:
            self.close()
            raise
        self._audio = audio

    def write(self, frame: Pixels, time: Fraction | None = None, changed: Box | None = None) -> None:
        """Encode one frame, and the sound up to the last frame that came out of the encoder."""
        picture = self._converted(frame, changed)
        picture.pts = self._count if time is None else round(time / self._time_base)
        picture.time_base = self._time_base
        self._count += 1
        self._mux(self._stream.encode(picture))

    def _converted(self, frame: Pixels, changed: Box | None) -> VideoFrame:
        if self._pixels in ("yuv420p", "nv12"):
            if self._size == frame.shape[:2]:
                picture = self._opaque.frame(frame, changed)
            else:
                picture = self._opaque.frame(np.pad(frame, self._padding, mode="edge"))
            return picture if self._pixels == "yuv420p" else self._reformatter.reformat(picture, format="nv12")
        frame = bled(frame)
        if self._pixels == "yuva420p":
            return yuva420_frame(yuv420_frame(np.ascontiguousarray(frame[..., :3])), frame[..., 3])
        return yuva444_frame(frame, self._reformatter)

    def finish(self, end: Fraction | None = None) -> None:
        """Empty the encoder, add the rest of the sound, write the file's index."""
        self._mux(self._stream.encode(None))
        self._feed_audio(self._count / self._fps if end is None else end)
        self._container.close()

    def close(self) -> None:
        """Let go of the file, finished or not."""
        try:
            self._container.close()
        except (FFmpegError, ValueError) as error:
            logger.debug("an unfinished file was given up: %s", error)

    def _video_stream(self, rules: ContainerRules, quality: int) -> VideoStream:
        height, width = self._size
        try:
            options = {**rules.codec_options(quality), "chroma_sample_location": "left"}
            if self._uneven and rules.codec == "libx264":
                options["bf"] = "0"  # MP4 states the distances of frames in the order in which they are stored
            stream = self._container.add_stream(rules.codec, rate=self._fps, options=options)
        except (FFmpegError, ValueError) as error:
            raise ImageError(
                f"expected a PyAV that can encode {rules.codec}; this one cannot ({error}). Install av from PyPI, or "
                "write another kind of file."
            ) from error
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, rules.pixels
        stream.bit_rate = 0  # constant quality, not a rate
        context = stream.codec_context
        context.time_base = self._time_base
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = LIMITED
        try:
            context.open()
        except (FFmpegError, ValueError) as error:
            raise ImageError(
                f"expected frames that {rules.codec} can encode; got {width}x{height} ({error})."
            ) from error
        return stream

    def _mux(self, packets: list[av.Packet[VideoStream]]) -> None:
        for packet in packets:
            reached = packet.dts * packet.time_base if packet.dts is not None and packet.time_base else None
            if self._uneven and packet.time_base:
                packet.duration = round(1 / self._fps / packet.time_base)  # counts for the last one
            self._container.mux_one(packet)
            if reached is not None:
                self._feed_audio(reached)

    def _feed_audio(self, until: Fraction) -> None:
        if self._audio is not None:
            try:
                self._audio.feed(until)
            except (FFmpegError, ValueError) as error:
                self._warn(f"the audio ends early, at {float(until):.1f} s: {error}.")
                self._audio = None


def _doubled(size: tuple[int, int], before: tuple[int, int]) -> str:
    """In words: which of rows and columns."""
    return " and ".join(name for name, new, old in zip(("row", "column"), size, before, strict=True) if new != old)


class StillsEncoder:
    """Each frame as an image of its own, named by its number from 0 on."""

    def __init__(self, name: Callable[[int], Path]) -> None:
        self._name = name
        self._count = 0

    def write(self, frame: Pixels, time: Fraction | None = None, changed: Box | None = None) -> None:
        """Write one image; stills have no time."""
        write_image(self._name(self._count), frame)
        self._count += 1

    def finish(self, end: Fraction | None = None) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is open."""
