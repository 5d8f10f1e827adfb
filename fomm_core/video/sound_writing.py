"""Sound into files: what encoders and containers take, and how samples become packets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
from av.audio.layout import AudioLayout
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer

from .sound import Sound
from .timeline import Samples, Timeline, frame_of


@dataclass(frozen=True)
class AudioRules:
    """What sound a container takes: codecs that can be copied in as they are, and the encoder for all others.

    rates: of the encoder, the highest first; besides, any up to `plain_rates`.
    layouts: of channels, that players know, the smallest first.
    hides_run_up: whether packets before 0 can be stored to be decoded and not heard (edit lists); other containers
        would shift the images.
    """

    copied: frozenset[str]
    encoder: str
    rates: tuple[int, ...]
    layouts: tuple[str, ...]
    bit_rate_per_channel: int = 80_000
    hides_run_up: bool = False
    plain_rates: int = 0

    def rate_for(self, rate: int) -> int:
        """The rate itself, or the next one above it, or the highest."""
        if rate <= self.plain_rates:
            return rate
        return min((known for known in self.rates if known >= rate), default=self.rates[0])

    def layout_for(self, layout: str) -> str:
        """The layout itself, or the smallest that has a place for each of its channels (quad in 5.0), or else the
        greatest that has no more of them, into which they are mixed.
        """
        if layout in self.layouts:
            return layout
        wanted = _places(layout)
        room = [known for known in self.layouts if wanted <= _places(known)]
        fewer = [known for known in self.layouts if len(_places(known)) <= max(2, len(wanted))]
        return room[0] if room else fewer[-1]


def _places(layout: str) -> frozenset[str]:
    """Where speakers stand; one pair of them behind is the same as one at the sides."""
    names = {channel.name for channel in AudioLayout(layout).channels}
    if not {"BL", "BR"} & names:
        names = {{"SL": "BL", "SR": "BR"}.get(name, name) for name in names}
    return frozenset(names)


def new_stream(
    output: OutputContainer, rules: AudioRules, like: Sound, *, bit_rate: int | None = None, variable: bool = False
) -> AudioStream:
    """A stream that takes a sound in its own rate and layout, or the nearest that the rules allow.

    bit_rate: in all; the encoder's own choice by default. variable: as many bits as each moment takes (MP3).
    Raises FFmpegError or ValueError.
    """
    target = output.add_stream(rules.encoder, rate=rules.rate_for(like.rate), layout=rules.layout_for(like.layout))
    assert isinstance(target, AudioStream)
    if bit_rate:
        target.bit_rate = bit_rate
    if variable:
        target.codec_context.qscale = True
    target.codec_context.open()
    return target


def encoded(sound: Sound, target: AudioStream) -> Iterator[tuple[Fraction, av.Packet[AudioStream]]]:
    """Packets of a sound in whatever rate and layout, with the seconds at which they begin."""
    context = target.codec_context
    return packets_from(_converted(sound, context.sample_rate, context.layout.name), target)


def packets_from(samples: Iterator[Samples], target: AudioStream) -> Iterator[tuple[Fraction, av.Packet[AudioStream]]]:
    """Packets with the seconds at which they begin; the first sample is heard at 0. samples: [channels, n] in the
    stream's rate and layout.
    """
    encoder = target.codec_context
    rate, layout = encoder.sample_rate, encoder.layout.name
    cutter = AudioResampler(encoder.format, layout, rate, encoder.frame_size or None)
    position = 0
    for piece in chain((frame_of(part, rate, layout) for part in samples), (None,)):  # None empties the cutter
        for frame in cutter.resample(piece):
            frame.pts, frame.time_base = position, Fraction(1, rate)
            position += frame.samples
            yield from ((_begin(packet), packet) for packet in target.encode(frame))
    yield from ((_begin(packet), packet) for packet in target.encode(None))


def _converted(sound: Sound, rate: int, layout: str) -> Iterator[Samples]:
    """The samples of a sound in another rate and layout, a second at a time."""
    timeline = Timeline(rate, layout, Fraction(0))
    for start in range(0, sound.samples.shape[1], sound.rate):
        yield from timeline.add(frame_of(sound.samples[:, start : start + sound.rate], sound.rate, sound.layout))
    yield from timeline.finish()


def write_wav(path: Path, sound: Sound) -> None:
    """A sound as 16-bit WAV that states its layout."""
    rules = AudioRules(frozenset(), "pcm_s16le", (sound.rate,), (sound.layout,))
    with av.open(str(path), "w", format="wav") as output:
        for _, packet in encoded(sound, new_stream(output, rules, sound)):
            output.mux_one(packet)


def _begin(packet: av.Packet[AudioStream]) -> Fraction:
    return (packet.pts or 0) * packet.time_base
