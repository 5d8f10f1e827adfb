"""Clips that FFmpeg decodes, one frame at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from functools import cached_property

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from ..errors import ImageError
from .info import VideoInfo, Warn, picked
from .pixels import Colour, Orientation, Pixels, over_background
from .rate import HIGHEST_RATE
from .seeking import CannotSeek, PacketIndex, sought
from .source import MediaSource, animated_png_frames

DEMUXERS = (
    "mov,matroska,avi,gif,apng,mpegts,mpeg,flv,asf,ogg,ivf,yuv4mpegpipe,nut,mxf,"  # video
    "mp3,wav,w64,flac,aac,aiff,caf"  # sound alone, for `audio_from`
)
"""Nothing that follows links to other files or the network (playlists), nothing that takes text for a picture."""

# SWS_BICUBIC | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP | SWS_ACCURATE_RND. The defaults of swscale darken by more
# than one level in each conversion; these are unbiased. Numbers, since PyAV names the flags only from 17 on.
SCALER_FLAGS = 0x4 | 0x2000 | 0x4000 | 0x40000
LIMITED, FULL = 1, 2  # AVCOL_RANGE_MPEG, AVCOL_RANGE_JPEG
UNSPECIFIED = 2  # AVCOL_TRC_UNSPECIFIED, AVCOL_PRI_UNSPECIFIED
BT709, BT601, BT2020 = 1, 5, 9
# AVColorSpace -> what swscale calls it
MATRICES = {1: BT709, 4: 4, 5: BT601, 6: BT601, 7: 7, 9: BT2020, 10: BT2020}
HDR_TRANSFERS = {16: "PQ", 18: "HLG"}
ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}  # FFmpeg's own decoders ignore WebM's transparency


@contextmanager
def opened_container(media: MediaSource) -> Iterator[InputContainer]:
    """The file as PyAV sees it. Raises ImageError where FFmpeg knows no video or sound in it."""
    try:
        # Not as `options`: with those, PyAV before 18 crashes at files whose streams are found late (FLV).
        container = av.open(
            media.for_av(), mode="r", container_options={"format_whitelist": DEMUXERS}, metadata_errors="replace"
        )
    except (FFmpegError, ValueError) as error:
        raise ImageError(
            f"expected a video (mp4, mov, webm, mkv, avi, gif, apng, webp); {media.name} cannot be read as one: it is "
            f"of another kind, or cut off before its index ({_reason(error)}). Try to play it, or export it again."
        ) from error
    with container:
        yield container


def demuxed(
    container: InputContainer, streams: list[Stream], ended_by: Callable[[FFmpegError], None]
) -> Iterator[av.Packet]:
    """Packets up to the end, or to where the file can be read no further; `ended_by` hears why."""
    packets = container.demux(streams)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, IndexError):  # PyAV stumbles at the very end where streams turned up on the way
            return
        except FFmpegError as error:
            ended_by(error)
            return
        yield packet


class ContainerFrames:
    """The frames of one video stream, turned upright, with square pixels, as 8-bit RGB."""

    def __init__(self, media: MediaSource, background: Colour) -> None:
        self._media = media
        self._background = background
        with opened_container(media) as container:
            stream = self._video_stream(container)
            self._announced = self._announced_frames(container, stream)
            self._transfer = stream.codec_context.color_trc
            run = _DecodingRun(container, stream)
            first = next(run.frames(), None)
            if first is None:
                raise ImageError(
                    f"expected a video with at least one whole frame; {media.name} holds none"
                    f"{f' ({_reason(run.error)})' if run.error else ''}. Export it again."
                )
            self._orientation = _orientation(first)
            self._stored_size = _square_pixels(first.width, first.height, stream.sample_aspect_ratio)
            width, height = self._orientation.size(*self._stored_size)
            fps = _average_rate(container, stream)
            self.info = VideoInfo(
                width=width,
                height=height,
                fps=fps,
                frame_count=self._announced or _frame_count(container, stream, fps),
                has_audio=len(container.streams.audio) > 0,
                rotation=self._orientation.rotation,
            )

    def frames(self, start: int, stop: int | None, warn: Warn) -> Iterator[Pixels]:
        """Frames [start, stop), one at a time, uint8 [height, width, 3]."""
        if self._transfer in HDR_TRANSFERS:
            warn(
                f"{self._media.name} is an HDR video ({HDR_TRANSFERS[self._transfer]}); its colours are read as they "
                "are stored and look flat. Convert it to SDR first if that matters."
            )
        reformatter = VideoReformatter()
        with opened_container(self._media) as container:
            run = _DecodingRun(container, self._video_stream(container))
            for index, frame in enumerate(run.frames()):
                if stop is not None and index >= stop:
                    return
                if index >= start:
                    try:
                        pixels = self._shown(frame, reformatter)
                    except FFmpegError as error:
                        run.leave_out(error)
                    else:
                        yield pixels
            if message := self._what_is_missing(run):
                warn(message)

    def count(self) -> int:
        """The number of frames, by the packets of the whole file; none is decoded."""
        return self._index.count

    def at(self, positions: Sequence[int], warn: Warn) -> Iterator[Pixels]:
        """The frames at rising positions: sought where the file can be, else read from its start."""
        reformatter = VideoReformatter()
        given = 0
        with opened_container(self._media) as container:
            stream = self._video_stream(container)
            with suppress(CannotSeek, FFmpegError):
                for frame in sought(container, stream, _decoder(stream), self._index, positions):
                    yield self._shown(frame, reformatter)
                    given += 1
                return
        yield from picked(self.frames(0, positions[-1] + 1, warn), positions[given:])

    @cached_property
    def _index(self) -> PacketIndex:
        with opened_container(self._media) as container:
            stream = self._video_stream(container)
            packets = demuxed(container, [stream], lambda error: None)
            return PacketIndex.of(packets, reordered=stream.codec_context.has_b_frames)

    def _shown(self, frame: VideoFrame, reformatter: VideoReformatter) -> Pixels:
        width, height = self._stored_size
        if hasattr(frame, "color_trc"):  # PyAV 17.0 stumbles over reserved values, which have no say here
            frame.color_trc = frame.color_primaries = UNSPECIFIED
        shape = frame.format
        transparent = shape.has_palette or any(component.is_alpha for component in shape.components)
        rgb = reformatter.reformat(
            frame,
            width=width,
            height=height,
            format="rgba" if transparent else "rgb24",
            interpolation=SCALER_FLAGS,
            **({} if shape.is_rgb or shape.has_palette else _colour_arguments(frame)),
        )
        pixels = rgb.to_ndarray().astype(np.uint8, copy=False)
        return self._orientation.apply(over_background(pixels, self._background) if transparent else pixels)

    def _video_stream(self, container: InputContainer) -> VideoStream:
        stream = container.streams.best("video")
        cover = stream is not None and bool(stream.disposition & type(stream.disposition).attached_pic)
        if not isinstance(stream, VideoStream) or cover:
            found = "sound" if container.streams.audio else "neither pictures nor sound"
            raise ImageError(
                f"expected a video; {self._media.name} holds {found}{' and a cover picture' if cover else ''} only, "
                "or is cut off before its index is complete. Try to play it."
            )
        if stream.codec_context is None:
            raise ImageError(
                f"expected a video in a codec that FFmpeg knows; that of {self._media.name} is unknown, or the file is "
                "cut off before its index. Try to play it, or export it again as H.264."
            )
        stream.thread_type = "SLICE"  # frame threads lose whole frames near a damaged one
        return stream

    def _announced_frames(self, container: InputContainer, stream: VideoStream) -> int | None:
        """The exact number of packets where the header gives it. MP4's counts those that its edit list hides, too."""
        if container.format.name == "apng":
            return animated_png_frames(self._media)
        return stream.frames if container.format.name == "avi" and stream.frames > 0 else None

    def _what_is_missing(self, run: _DecodingRun) -> str | None:
        expected = self.info.frame_count
        if run.ends_early or self._lacks_announced(run) or self._lacks_trailer(run.container):
            of_about = f" of about {expected}" if expected and expected > run.given else ""
            return (
                f"{self._media.name} ends early: {run.given}{of_about} frames could be read. The file is cut short or "
                "damaged; what it has is used."
            )
        if run.damaged:
            return f"{self._media.name} is damaged: {run.damaged} of its frames were left out; the others are used."
        return None

    def _lacks_announced(self, run: _DecodingRun) -> bool:
        return self._announced is not None and run.packets < self._announced - 1

    def _lacks_trailer(self, container: InputContainer) -> bool:
        return container.format.name == "gif" and not self._media.tail(64).rstrip(b"\0").endswith(b";")


class _DecodingRun:
    """One pass through a stream: yields whole frames, and notes what was damaged and where the file ended."""

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self.container = container
        self.stream = stream
        self.error: FFmpegError | None = None
        self.given = self.packets = self.damaged = 0
        self._until = self._video_until = Fraction(0)  # seconds, of all streams and of this one

    def leave_out(self, error: FFmpegError) -> None:
        """Count a frame that was given as damaged after all."""
        self.error = error
        self.given -= 1
        self.damaged += 1

    def frames(self) -> Iterator[VideoFrame]:
        decoder = _decoder(self.stream)
        for packet in self._video_packets():
            try:
                decoded = decoder.decode(packet)
            except FFmpegError as error:
                self.error, decoded = error, []
                self.damaged += packet is not None
            for frame in decoded:
                if frame.is_corrupt:
                    self.damaged += 1
                else:
                    self.given += 1
                    yield frame

    def _video_packets(self) -> Iterator[av.Packet | None]:
        """Whole packets, then None once, which empties the decoder."""
        for packet in demuxed(self.container, [self.stream, *self.container.streams.audio], self._ended_by):
            if packet.size == 0:  # a frame that the muxer dropped; or the end
                continue
            end = _seconds(packet.pts, packet.time_base) + _seconds(packet.duration, packet.time_base)
            self._until = max(self._until, end)
            if packet.stream.index != self.stream.index:
                continue
            self._video_until = max(self._video_until, end)
            self.packets += 1
            if packet.is_corrupt:
                self.damaged += 1
            else:
                yield packet
        yield None

    def _ended_by(self, error: FFmpegError) -> None:
        self.error = error
        self.damaged += 1

    @property
    def ends_early(self) -> bool:
        """Whether the packets stop well before the end that the file's header announces."""
        duration = _video_duration(self.stream)
        if duration is not None:
            lacking = duration - (self._video_until - _seconds(self.stream.start_time, self.stream.time_base))
        elif self.container.duration and not self.container.streams.subtitles:
            duration = Fraction(self.container.duration, av.time_base)
            lacking = duration - (self._until - Fraction(self.container.start_time or 0, av.time_base))
        else:
            return False
        return lacking > max(duration / 50, 3 / _average_rate(self.container, self.stream))


def _decoder(stream: VideoStream) -> VideoCodecContext:
    if stream.metadata.get("alpha_mode") == "1" and (name := ALPHA_DECODERS.get(stream.codec_context.name)):
        try:
            decoder = av.CodecContext.create(name, "r")
            assert isinstance(decoder, VideoCodecContext)
            return decoder
        except (FFmpegError, ValueError):
            pass  # a PyAV without libvpx: the picture without its transparency
    return stream.codec_context


def _colour_arguments(frame: VideoFrame) -> dict[str, int]:
    untagged = BT709 if frame.width >= 1280 or frame.height >= 720 else BT601  # as players guess
    matrix = MATRICES.get(frame.colorspace, untagged)
    full = frame.color_range == FULL or frame.format.name.startswith("yuvj")
    return {
        "src_colorspace": matrix,
        # Means nothing for RGB, but PyAV before 17 overlooks the source's where both are equal.
        "dst_colorspace": BT601 if matrix == BT709 else BT709,
        "src_color_range": FULL if full else LIMITED,
        "dst_color_range": FULL,
    }


def _orientation(frame: VideoFrame) -> Orientation:
    matrix = frame.side_data.get("DISPLAYMATRIX")  # nine int32, in the machine's own byte order
    return Orientation.from_display_matrix(memoryview(matrix).cast("i").tolist()) if matrix else Orientation()  # type: ignore[arg-type]


def _square_pixels(width: int, height: int, sample_aspect: Fraction | None) -> tuple[int, int]:
    """(width, height) with the side enlarged that the sample aspect ratio makes too short."""
    if not sample_aspect or not Fraction(1, 16) <= sample_aspect <= 16:
        return width, height
    if sample_aspect > 1:
        return round(width * sample_aspect), height
    return width, round(height / sample_aspect)


def _average_rate(container: InputContainer, stream: VideoStream) -> Fraction:
    if container.format.name == "gif" and stream.frames > 1 and stream.duration and stream.time_base:
        return stream.frames / (stream.duration * stream.time_base)  # FFmpeg looks at the first delays only
    for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate):
        if rate and 0 < rate <= HIGHEST_RATE:
            return Fraction(rate)
    return Fraction(25)


def _video_duration(stream: VideoStream) -> Fraction | None:
    """Seconds that the header announces for the video itself."""
    if stream.duration and stream.time_base:
        return stream.duration * stream.time_base
    if match := re.fullmatch(r"(\d+):(\d\d):(\d\d\.\d+)", stream.metadata.get("DURATION", "")):  # Matroska
        return int(match[1]) * 3600 + int(match[2]) * 60 + Fraction(match[3])
    return None


def _seconds(time: int | None, time_base: Fraction | None) -> Fraction:
    return Fraction(0) if time is None or time_base is None else time * time_base


def _frame_count(container: InputContainer, stream: VideoStream, fps: Fraction) -> int | None:
    if stream.frames > 0:
        return stream.frames
    whole = Fraction(container.duration, av.time_base) if container.duration else None
    seconds = _video_duration(stream) or whole
    return max(1, round(seconds * fps)) if seconds else None


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
