"""One pass through a video stream: whole frames with their times, and what was found wrong on the way."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from .header import average_rate, seconds, video_duration
from .opening import demuxed
from .times import FrameClock, Timed

ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}  # FFmpeg's own decoders ignore WebM's transparency


class DecodingRun:
    """One pass through a stream: yields whole frames, and notes what was damaged and where the file ended.

    A frame's time counts from the stream's start, which `AudioTrack` takes for its zero, too. The first whole frame
    stands from there on, however late it comes; `late` says how much that adds to it.

    is_cut: whether the file is known to be shorter than it says.
    """

    def __init__(self, container: InputContainer, stream: VideoStream, *, is_cut: bool = False) -> None:
        self.container = container
        self.stream = stream
        self._is_cut = is_cut
        self.error: FFmpegError | None = None
        self.given = self.packets = self.damaged = 0
        self.late = Fraction(0)
        self._until: Fraction | None = None  # seconds, of all streams and of this one
        self._video_until: Fraction | None = None
        # AVI states no times: each packet has its place in the file, and a frame that of the packet it came out with.
        self._placed = container.format.name == "avi"
        self._first_place: int | None = None
        zero = None if stream.start_time is None else seconds(stream.start_time, stream.time_base)
        self._clock = FrameClock(zero, 1 / average_rate(container, stream))

    def leave_out(self, error: FFmpegError) -> None:
        """Count a frame that was given as damaged after all."""
        self.error = error
        self.given -= 1
        self.damaged += 1

    def frames(self) -> Timed[VideoFrame]:
        """Whole frames with their seconds; returns when the last one ends."""
        decoder = decoder_of(self.stream)
        length = delay = Fraction(0)
        stated: Fraction | None = None
        for packet in self._video_packets():
            try:
                decoded = decoder.decode(packet)
            except FFmpegError as error:
                self.error, decoded = error, []
                self.damaged += packet is not None
            for frame in decoded:
                stated = self._stated(frame)
                if self._placed and stated is not None:
                    if self._first_place is not None:
                        delay = stated - seconds(self._first_place, self.stream.time_base)
                        self._first_place = None
                    stated -= delay
                time = self._clock.time(stated, length)
                length = seconds(frame.duration, self.stream.time_base)
                if frame.is_corrupt:
                    self.damaged += 1
                    continue
                if self.given == 0:
                    self.late, time = time, Fraction(0)
                self.given += 1
                yield time, frame
        if not self.given:
            return Fraction(0)
        if stated is not None and (left := self._left_in_track(stated)) is not None:
            return self._clock.until(None, left)
        return self._clock.until(self._stated_end(delay), length)

    def _left_in_track(self, stated: Fraction) -> Fraction | None:
        """Seconds from the last frame's time to the end of its track. MP4 states the distances of frames as they are
        stored: where that is another order, the last one's length is some other frame's.
        """
        if "mp4" not in self.container.format.name or not self.stream.codec_context.has_b_frames or self.ends_early:
            return None
        start, base = self.stream.start_time or 0, self.stream.time_base
        return max(Fraction(0), seconds(start + (self.stream.duration or 0), base) - stated) or None

    def _stated(self, frame: VideoFrame) -> Fraction | None:
        time = frame.pts
        if self._placed and self.stream.codec_context.has_b_frames:
            time = frame.dts
        return None if time is None or self.stream.time_base is None else time * self.stream.time_base

    def _stated_end(self, delay: Fraction) -> Fraction | None:
        """Where the packets end; AVI counts frames that were dropped at the end, too."""
        end = None if self._video_until is None else self._video_until - delay
        if self._placed and self.stream.duration and not self._is_cut:
            counted = seconds((self.stream.start_time or 0) + self.stream.duration, self.stream.time_base)
            end = counted if end is None else max(end, counted)
        return end

    def _video_packets(self) -> Iterator[av.Packet | None]:
        """Whole packets, then None once, which empties the decoder."""
        for packet in demuxed(self.container, [self.stream, *self.container.streams.audio], self._ended_by):
            if packet.size == 0:  # a frame that the muxer dropped; or the end
                continue
            end = None
            if packet.pts is not None:
                end = seconds(packet.pts, packet.time_base) + seconds(packet.duration, packet.time_base)
                self._until = end if self._until is None else max(self._until, end)
            if packet.stream.index != self.stream.index:
                continue
            if end is not None:
                self._video_until = end if self._video_until is None else max(self._video_until, end)
            if self.packets == 0 and self._placed:
                self._first_place = packet.dts
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
        if self._is_cut or self._placed:  # AVI counts frames that a recorder dropped
            return self._is_cut
        duration = video_duration(self.stream)
        if duration is not None:
            start = seconds(self.stream.start_time, self.stream.time_base)
            lacking = duration - ((self._video_until or Fraction(0)) - start)
        elif self.container.duration and not self.container.streams.subtitles:
            duration = Fraction(self.container.duration, av.time_base)
            start = Fraction(self.container.start_time or 0, av.time_base)
            lacking = duration - ((self._until or Fraction(0)) - start)
        else:
            return False
        return lacking > max(duration / 50, 3 * self._clock.step)


def decoder_of(stream: VideoStream) -> VideoCodecContext:
    """The decoder of a stream, one that knows transparency where the stream has it."""
    if stream.metadata.get("alpha_mode") == "1" and (name := ALPHA_DECODERS.get(stream.codec_context.name)):
        try:
            decoder = av.CodecContext.create(name, "r")
            assert isinstance(decoder, VideoCodecContext)
            return decoder
        except (FFmpegError, ValueError):
            pass  # a PyAV without libvpx: the image without its transparency
    return stream.codec_context
