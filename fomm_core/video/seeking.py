"""Frames of a video by their number: the packets are listed once, then each frame is sought and decoded alone."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream


class CannotSeek(Exception):
    """The file has to be read from its start to find this frame."""


@dataclass(frozen=True)
class PacketIndex:
    """Where the frames of a stream lie in time.

    count: packets that hold a frame. times: of each frame in the order shown, in the stream's time base; empty where
    the file does not say. keyframes: the times at which decoding can begin.
    """

    count: int
    times: array[int]
    keyframes: array[int]

    @classmethod
    def of(cls, packets: Iterator[av.Packet], *, reordered: bool) -> PacketIndex:
        """Read through packets without decoding any.

        reordered: whether frames are stored in another order than shown. Times that rise with the packets all the same
        are not the frames' own: AVI stores none.
        """
        times: list[int | None] = []
        keyframes = []
        for packet in packets:
            if packet.size == 0 or packet.is_discard or packet.is_corrupt:
                continue
            times.append(packet.pts)
            if packet.is_keyframe and packet.pts is not None:
                keyframes.append(packet.pts)
        known = [time for time in times if time is not None]
        rising = sorted(known)
        sound = len(set(known)) == len(times) and bool(keyframes) and not (reordered and rising == known)
        return cls(len(times), array("q", rising if sound else ()), array("q", sorted(keyframes)))

    def keyframe_before(self, time: int) -> int:
        """The last keyframe at or before `time`; raises CannotSeek where none is."""
        place = bisect_right(self.keyframes, time)
        if place == 0:
            raise CannotSeek
        return self.keyframes[place - 1]

    def knows(self, frame: VideoFrame) -> bool:
        """Whether a frame has a time of this stream; some containers guess other ones behind a jump (MPEG-PS)."""
        return frame.pts in (self.keyframes if frame.key_frame else self.times)


def sought(
    container: InputContainer,
    stream: VideoStream,
    decoder: VideoCodecContext,
    index: PacketIndex,
    positions: Sequence[int],
) -> Iterator[VideoFrame]:
    """The frames at rising `positions`, each decoded from the keyframe before it; from where decoding stands, where
    that is nearer. In place of a damaged frame comes the next whole one, or the last.

    Raises CannotSeek where the file's times are not known or its container does not go where it is sent.
    """
    if not index.times:
        raise CannotSeek
    frames: Iterator[VideoFrame] = iter(())
    shown: VideoFrame | None = None
    reached = -1  # the time of `shown`
    for position in positions:
        time = index.times[position]
        keyframe = index.keyframe_before(time)
        if shown is None or keyframe > reached:
            frames = _decoded_from(keyframe, container, stream, decoder)
            shown = next(frames, None)
            if shown is None or shown.pts is None or shown.pts > time or not index.knows(shown):
                raise CannotSeek
        while shown.pts is not None and shown.pts < time and (following := next(frames, None)) is not None:
            shown = following
        if shown.pts is None:
            raise CannotSeek
        reached = shown.pts
        yield shown


def _decoded_from(
    time: int, container: InputContainer, stream: VideoStream, decoder: VideoCodecContext
) -> Iterator[VideoFrame]:
    """Whole frames from the keyframe at `time` on; what is damaged is left out."""
    try:
        container.seek(time, stream=stream)
        decoder.flush_buffers()
        packets = container.demux(stream)
        while (packet := next(packets, None)) is not None:
            try:
                decoded = decoder.decode(packet if packet.size else None)
            except FFmpegError:
                continue
            yield from (frame for frame in decoded if not frame.is_corrupt)
            if packet.size == 0:
                return
    except (FFmpegError, IndexError) as error:
        raise CannotSeek from error
