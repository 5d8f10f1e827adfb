"""The sound of one file, fed into another file while that is being written."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError

from .info import Warn
from .opening import demuxed, opened_container
from .source import MediaSource

logger = logging.getLogger("fomm.video")


@dataclass(frozen=True)
class AudioRules:
    """What sound a container takes: codecs that can be copied in as they are, and the encoder for all others."""

    copied: frozenset[str]
    encoder: str
    rates: tuple[int, ...]
    bit_rate_per_channel: int = 80_000


class AudioTrack:
    """The sound track of `media` from `start` seconds after its first video frame on.

    Packets are copied where the target's rules allow it and encoded anew where not, and only up to the time that the
    video has reached: so the sound never outlasts the video by more than one packet (about 20 ms), and both lie side by
    side in the file. A damaged packet is left out; where nothing more can be read, the sound ends.
    """

    def __init__(self, media: MediaSource, start: Fraction, warn: Warn) -> None:
        self._name = media.name
        self._warn = warn
        self._closing = ExitStack()
        self._container: InputContainer = self._closing.enter_context(opened_container(media))
        stream = self._container.streams.best("audio")
        if not isinstance(stream, AudioStream) or stream.codec_context is None:
            self._closing.close()
            raise LookupError(f"{media.name} has no sound")
        self._stream = stream
        self._start = start + _video_start(self._container)
        self._packets: Iterator[tuple[Fraction, av.Packet[AudioStream]]] = iter(())
        self._waiting: tuple[Fraction, av.Packet[AudioStream]] | None = None

    def add_to(self, output: OutputContainer, rules: AudioRules) -> None:
        """Make a stream for this sound in `output`. Raises FFmpegError or ValueError where it cannot hold it."""
        self._output = output
        # AAC as broadcast carries its parameters in each packet, which few containers take as it is.
        bare_aac = self._stream.codec_context.name == "aac" and not self._stream.codec_context.extradata
        if self._stream.codec_context.name in rules.copied and not bare_aac:
            target = output.add_stream_from_template(self._stream)
            self._packets = self._copied(target)
        else:
            target = self._new_stream(output, rules)
            self._packets = self._encoded(target)

    def feed(self, until: Fraction) -> None:
        """Write all packets that begin before `until` seconds of the new video."""
        while True:
            begin, packet = self._waiting or next(self._packets, (None, None))
            if begin is None or packet is None:
                return
            if begin >= until:
                self._waiting = begin, packet
                return
            self._waiting = None
            self._output.mux_one(packet)

    def close(self) -> None:
        """Let go of the file."""
        self._waiting = None
        self._packets = iter(())
        self._closing.close()

    def _read(self) -> Iterator[av.Packet[AudioStream]]:
        """Packets with a time, up to the end or to where the file cannot be read further."""
        for packet in demuxed(self._container, [self._stream], self._ended_by):
            if packet.size and packet.pts is not None and not packet.is_corrupt:
                yield packet

    def _ended_by(self, error: FFmpegError) -> None:
        self._warn(f"the sound of {self._name} ends early: {error}.")

    def _copied(self, target: AudioStream) -> Iterator[tuple[Fraction, av.Packet[AudioStream]]]:
        for packet in self._read():
            begin = _begin(packet) - self._start
            if begin < 0 and self._start > 0:  # without a shift, a negative time is the decoder's run-up: keep it
                continue
            packet.pts = packet.dts = round(begin / packet.time_base)
            packet.stream = target
            yield begin, packet

    def _new_stream(self, output: OutputContainer, rules: AudioRules) -> AudioStream:
        rate = self._stream.codec_context.sample_rate
        mono = self._stream.codec_context.layout.nb_channels == 1
        target = output.add_stream(
            rules.encoder,
            rate=rate if rate in rules.rates else 48_000,
            layout="mono" if mono else "stereo",
            bit_rate=rules.bit_rate_per_channel * (1 if mono else 2),
        )
        assert isinstance(target, AudioStream)
        target.codec_context.open()
        return target

    def _encoded(self, target: AudioStream) -> Iterator[tuple[Fraction, av.Packet[AudioStream]]]:
        for frame in self._resampled(target):
            for packet in target.encode(frame):
                yield _begin(packet), packet
        for packet in target.encode(None):
            yield _begin(packet), packet

    def _resampled(self, target: AudioStream) -> Iterator[AudioFrame]:
        """Frames of the size that the encoder takes, timed from the first frame of the new video."""
        encoder = target.codec_context
        resampler = AudioResampler(encoder.format, encoder.layout, encoder.sample_rate, encoder.frame_size or None)
        position: int | None = None  # in samples of the new stream
        for frame in self._decoded():
            if position is None:
                if frame is None:
                    return
                seconds = Fraction(frame.pts or 0) * (frame.time_base or 0) - self._start
                position = round(seconds * encoder.sample_rate)
            if frame is not None:
                frame.pts = None
            for piece in resampler.resample(frame):
                piece.pts, piece.time_base = position, Fraction(1, encoder.sample_rate)
                position += piece.samples
                if piece.pts >= 0:
                    yield piece

    def _decoded(self) -> Iterator[AudioFrame | None]:
        """Frames, then None once, which empties a resampler."""
        for packet in self._read():
            try:
                yield from packet.decode()
            except FFmpegError as error:
                logger.info("a damaged packet of the sound of %s was left out: %s", self._name, error)
        yield None


def _video_start(container: InputContainer) -> Fraction:
    """Where the file's own video begins, in seconds; 0 for sound alone."""
    stream = container.streams.best("video")
    if stream is None or stream.start_time is None or stream.time_base is None:
        return Fraction(0)
    return stream.start_time * stream.time_base


def _begin(packet: av.Packet[AudioStream]) -> Fraction:
    return (packet.pts or 0) * packet.time_base
