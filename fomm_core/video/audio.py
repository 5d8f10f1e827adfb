"""The sound of one file, fed into another file while that is being written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from itertools import chain

import av
from av.audio.layout import AudioLayout
from av.audio.stream import AudioStream
from av.container import OutputContainer

from .info import Warn
from .sound import Sound, decoded, opened_sound, packets_of, sound_origin
from .sound_writing import AudioRules, new_stream, packets_from
from .source import MediaSource
from .timeline import Timeline, known_layout, laid_out

RUN_UP = Fraction(1, 10)
"""Seconds of packets before the first image that a copy keeps where the file can hide them: decoders need some to
get going (Opus 0.08)."""
LOST = Fraction(3, 100)
"""Seconds at the begin that a copy may lose with a packet that begins before the first image."""
TICKS = Fraction(1, 1_000_000)
"""Times of copies: AVI counts in packets."""


class AudioTrack:
    """The sound track of `media` from `start` seconds after its first video frame on.

    Packets are copied where the target's rules allow it and encoded anew where not, and only up to the time that the
    video has reached: so the sound never outlasts the video by more than one packet (about 20 ms), and both lie side by
    side in the file. A damaged packet is left out; where nothing more can be read, the sound ends. Gaps stay as long as
    they are; where sound is encoded anew they are silence, and so is the time before a sound that begins late.

    Raises NoSound, a LookupError, where there is no sound; ImageError where none can be read.
    """

    def __init__(self, media: MediaSource, start: Fraction, warn: Warn) -> None:
        self._name = media.name
        self._warn = warn
        self._closing = ExitStack()
        self._container, self._stream = self._closing.enter_context(opened_sound(media))
        self._start = start + sound_origin(self._container, self._stream)
        stream = self._stream
        self._cut = self._start - (stream.start_time or 0) * (stream.time_base or Fraction(0))
        self._packets: Iterator[tuple[Fraction, av.Packet[AudioStream]]] = iter(())
        self._waiting: tuple[Fraction, av.Packet[AudioStream]] | None = None

    def add_to(self, output: OutputContainer, rules: AudioRules) -> None:
        """Make a stream for this sound in `output`. Raises FFmpegError or ValueError where it cannot hold it."""
        self._output = output
        context = self._stream.codec_context
        # AAC as broadcast carries its parameters in each packet, which few containers take as it is.
        bare_aac = context.name == "aac" and not context.extradata
        # MP3 takes bits from packets before: cut at a place without a run-up, it is silent for up to three.
        cut_mp3 = context.name.startswith("mp3") and not rules.hides_run_up and self._cut > LOST
        if context.name in rules.copied and not bare_aac and not cut_mp3:
            run_up = RUN_UP if rules.hides_run_up else _hidden_by_codec(self._stream)
            self._packets = self._copied(output.add_stream_from_template(self._stream), run_up)
            return
        frames = decoded(packets_of(self._container, self._stream, self._name, self._warn), self._stream, self._name)
        first = next((frame for frame in frames if frame.samples and frame.sample_rate > 0), None)
        if first is None:
            self._warn(f"the audio of {self._name} was left out: none of it could be decoded.")
            return
        like = Sound.silent(first.sample_rate, known_layout(first.layout))
        bit_rate = rules.bit_rate_per_channel * AudioLayout(rules.layout_for(like.layout)).nb_channels
        target = new_stream(output, rules, like, bit_rate=bit_rate)
        timeline = Timeline(target.codec_context.sample_rate, target.codec_context.layout.name, self._start)
        self._packets = packets_from(laid_out(timeline, chain((first,), frames)), target)

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

    def _copied(self, target: AudioStream, run_up: Fraction) -> Iterator[tuple[Fraction, av.Packet[AudioStream]]]:
        """Packets with their times moved; those that run up to the first image keep theirs, below 0."""
        due = Fraction(0)
        latest: int | None = None
        for packet in packets_of(self._container, self._stream, self._name, self._warn):
            length = (packet.duration or 0) * packet.time_base
            begin = due if packet.pts is None else packet.pts * packet.time_base - self._start
            due = begin + length
            if begin < -run_up and (due <= LOST or begin < -RUN_UP):
                continue
            ticks = round(begin / TICKS)
            if latest is not None and ticks <= latest:  # said twice
                continue
            packet.time_base, packet.duration = TICKS, round(length / TICKS)
            latest = packet.pts = packet.dts = ticks
            packet.stream = target
            yield begin, packet


def _hidden_by_codec(stream: AudioStream) -> Fraction:
    """What the codec's own header says is not heard at the begin: of Opus alone, where containers count from there."""
    header = stream.codec_context.extradata
    if stream.codec_context.name.endswith("opus") and header and len(header) >= 12:
        return Fraction(int.from_bytes(header[10:12], "little"), 48_000) + Fraction(1, 1000)  # as Matroska rounds
    return Fraction(0)
