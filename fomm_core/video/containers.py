"""Clips that FFmpeg decodes, one frame at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from functools import cached_property

import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from ..errors import ImageError
from .decoding import DecodingRun, decoder_of
from .header import average_rate, delays, duration, frame_count, is_cut_avi, seconds
from .info import VideoInfo, Warn, picked
from .opening import demuxed, opened_container, reason
from .pixels import Colour, Orientation, Pixels, over_background
from .seeking import CannotSeek, PacketIndex, sought
from .source import MediaSource, animated_png_frames
from .stored import Colours, StoredFrame
from .times import Part, Timed, cut, shown

# SWS_BICUBIC | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP | SWS_ACCURATE_RND. The defaults of swscale darken by more
# than one level in each conversion; these are unbiased. Numbers, since PyAV names the flags only from 17 on.
SCALER_FLAGS = 0x4 | 0x2000 | 0x4000 | 0x40000
LIMITED, FULL = 1, 2  # AVCOL_RANGE_MPEG, AVCOL_RANGE_JPEG
UNSPECIFIED = 2  # AVCOL_TRC_UNSPECIFIED, AVCOL_PRI_UNSPECIFIED
BT709, BT601, BT2020 = 1, 5, 9
# AVColorSpace -> what swscale calls it
MATRICES = {1: BT709, 4: 4, 5: BT601, 6: BT601, 7: 7, 9: BT2020, 10: BT2020}
HDR_TRANSFERS = {16: "PQ", 18: "HLG"}


class ContainerFrames:
    """The frames of one video stream, turned upright, with square pixels, as 8-bit RGB."""

    def __init__(self, media: MediaSource, background: Colour) -> None:
        self._media = media
        self._background = background
        with opened_container(media) as container:
            stream = self._video_stream(container)
            self._announced = self._announced_frames(container, stream)
            self._transfer = stream.codec_context.color_trc
            self._is_cut = container.format.name == "avi" and is_cut_avi(media)
            run = DecodingRun(container, stream)
            _, first = next(run.frames(), (None, None))
            if first is None:
                raise ImageError(
                    f"expected a video with at least one whole frame; {media.name} holds none"
                    f"{f' ({reason(run.error)})' if run.error else ''}. Export it again."
                )
            self._orientation = _orientation(first)
            self._stored_size = _square_pixels(first.width, first.height, stream.sample_aspect_ratio)
            width, height = self._orientation.size(*self._stored_size)
            fps, length = average_rate(container, stream), duration(container, stream)
            if stated := delays(container, stream, media, seconds(first.duration, stream.time_base)):
                length = sum(stated, Fraction(0))
                fps = len(stated) / length
            self.info = VideoInfo(
                width=width,
                height=height,
                fps=fps,
                frame_count=self._announced or frame_count(container, stream, fps),
                has_audio=len(container.streams.audio) > 0,
                rotation=self._orientation.rotation,
                duration=length,
            )

    def timed(self, part: Part, warn: Warn, *, stored: bool = False) -> Timed[Pixels | StoredFrame]:
        """Frames uint8 [height, width, 3] with their seconds, one at a time; returns when the last one ends.

        stored: as `StoredFrame`s, where the file's pixels are those that are shown.
        """
        if self._transfer in HDR_TRANSFERS:
            warn(
                f"{self._media.name} is an HDR video ({HDR_TRANSFERS[self._transfer]}); its colours are read as they "
                "are stored and look flat. Convert it to SDR first if that matters."
            )
        reformatter = VideoReformatter()
        colours: dict[tuple[str, int, int], Colours] = {}
        with opened_container(self._media) as container:
            run = DecodingRun(container, self._video_stream(container), is_cut=self._is_cut)

            def pixels(frame: VideoFrame) -> Pixels | StoredFrame | None:
                if stored and self._is_plain(frame):
                    kind = frame.format.name, frame.colorspace, frame.color_range
                    if kind not in colours:
                        size = self.info.height, self.info.width
                        colours[kind] = Colours(size, SCALER_FLAGS, _colour_options(frame))
                    return StoredFrame(frame, colours[kind])
                try:
                    return self._shown(frame, reformatter)
                except FFmpegError as error:
                    run.leave_out(error)
                    return None

            whole: Timed[VideoFrame] = cut(self._to_the_end(run, warn), part, 1 / self.info.fps)
            frames: Timed[Pixels | StoredFrame] = shown(whole, pixels)
            return (yield from frames)

    def _to_the_end(self, run: DecodingRun, warn: Warn) -> Timed[VideoFrame]:
        end = yield from run.frames()
        if message := self._what_is_missing(run):
            warn(message)
        return end

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
                for frame in sought(container, stream, decoder_of(stream), self._index, positions):
                    yield self._shown(frame, reformatter)
                    given += 1
                return
        frames = self.timed(Part(stop=positions[-1] + 1), warn)
        yield from picked((frame[:, :] for _, frame in frames), positions[given:])

    @cached_property
    def _index(self) -> PacketIndex:
        with opened_container(self._media) as container:
            stream = self._video_stream(container)
            packets = demuxed(container, [stream], lambda error: None)
            return PacketIndex.of(packets, reordered=stream.codec_context.has_b_frames)

    def _is_plain(self, frame: VideoFrame) -> bool:
        """Whether a frame is shown as it is stored: upright, opaque, of the size that it has, and of even sides, since
        swscale stretches the colours of others over the whole image.
        """
        _without_transfer(frame)
        if self._orientation != Orientation() or (frame.width, frame.height) != self._stored_size:
            return False
        even = frame.width % 2 == frame.height % 2 == 0 and (frame.format.chroma_width(8) or 8) >= 4
        return even and not _is_transparent(frame)

    def _shown(self, frame: VideoFrame, reformatter: VideoReformatter) -> Pixels:
        width, height = self._stored_size
        _without_transfer(frame)
        transparent = _is_transparent(frame)
        rgb = reformatter.reformat(
            frame,
            width=width,
            height=height,
            format="rgba" if transparent else "rgb24",
            interpolation=SCALER_FLAGS,
            **_colour_options(frame),
        )
        pixels = rgb.to_ndarray().astype(np.uint8, copy=False)
        return self._orientation.apply(over_background(pixels, self._background) if transparent else pixels)

    def _video_stream(self, container: InputContainer) -> VideoStream:
        stream = container.streams.best("video")
        cover = stream is not None and bool(stream.disposition & type(stream.disposition).attached_pic)
        if not isinstance(stream, VideoStream) or cover:
            found = "audio" if container.streams.audio else "neither images nor audio"
            raise ImageError(
                f"expected a video; {self._media.name} holds {found}{' and a cover image' if cover else ''} only, "
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
        """The exact number of packets where the header gives it. MP4's counts those that its edit list hides, too, and
        AVI's those that were dropped when it was recorded.
        """
        return animated_png_frames(self._media) if container.format.name == "apng" else None

    def _what_is_missing(self, run: DecodingRun) -> str | None:
        expected = self.info.frame_count
        if run.ends_early or self._lacks_announced(run) or self._lacks_trailer(run.container):
            of_about = f" of about {expected}" if expected and expected > run.given else ""
            return (
                f"{self._media.name} ends early: {run.given}{of_about} frames could be read. The file is cut short or "
                "damaged; what it has is used."
            )
        if run.damaged:
            return (
                f"{self._media.name} is damaged: {run.damaged} of its frames were left out; the image before each is "
                "held for its time."
            )
        if run.late > 2 / self.info.fps:
            return (
                f"{self._media.name} begins with {float(run.late):.2g} s that cannot be decoded (it was cut out of a "
                "longer recording); the first whole image is held for that time."
            )
        return None

    def _lacks_announced(self, run: DecodingRun) -> bool:
        return self._announced is not None and run.packets < self._announced - 1

    def _lacks_trailer(self, container: InputContainer) -> bool:
        return container.format.name == "gif" and not self._media.tail(64).rstrip(b"\0").endswith(b";")


def _without_transfer(frame: VideoFrame) -> None:
    if hasattr(frame, "color_trc"):  # PyAV 17.0 stumbles over reserved values, which have no say here
        frame.color_trc = frame.color_primaries = UNSPECIFIED


def _is_transparent(frame: VideoFrame) -> bool:
    return frame.format.has_palette or any(component.is_alpha for component in frame.format.components)


def _colour_options(frame: VideoFrame) -> dict[str, int]:
    if frame.format.is_rgb or frame.format.has_palette:
        return {}
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
