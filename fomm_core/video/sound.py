"""The sound of one file: which track is taken, and what is heard of it."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain
from typing import BinaryIO

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.layout import AudioLayout
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError

from ..errors import ImageError
from .info import Warn
from .opening import demuxed, opened_container
from .source import MediaSource, PathLike
from .timeline import Samples, Timeline, known_layout, laid_out

logger = logging.getLogger("fomm.video")

PROBED_PACKETS = 500
"""Of all tracks together, about 5 s: how far is looked for the first sound of a track before the next is taken."""
HIGHEST_RATE = 1_000_000
MOST_SILENCE = 1 << 27
"""Numbers that fill what a file leaves open: half a gigabyte, 23 minutes of stereo."""


class NoSound(LookupError):
    """A file has no sound track, or an empty one."""


@dataclass(frozen=True)
class Sound:
    """samples: float32 [channels, n], -1..1. rate: per second. layout: what FFmpeg calls its channels."""

    samples: Samples
    rate: int
    layout: str

    @classmethod
    def silent(cls, rate: int, layout: str) -> Sound:
        """One without a sample."""
        return cls(np.zeros((AudioLayout(layout).nb_channels, 0), np.float32), rate, layout)

    def until(self, seconds: Fraction) -> Sound:
        """The part up to there, the sample that it falls into included."""
        return replace(self, samples=self.samples[:, : math.ceil(seconds * self.rate)])


@contextmanager
def opened_sound(media: MediaSource) -> Iterator[tuple[InputContainer, AudioStream]]:
    """A file and its first sound track that can be decoded; of several, those marked as default come first, and those
    in which there is nothing to hear last.

    Raises NoSound where there is none, ImageError where none can be decoded, or the file can't be read.
    """
    with opened_container(media) as container:
        indices = [track.index for track in _tracks(container, media.name)]  # a closed file's streams tell nothing true
    index = indices[0]
    if len(indices) > 1:
        with opened_container(media) as container:
            index = _first_heard({each: _track(container, each, media.name) for each in indices}, container)
    with opened_container(media) as container:
        yield container, _track(container, index, media.name)


def _track(container: InputContainer, index: int, name: str) -> AudioStream:
    """A damaged file may have other tracks each time that it is opened."""
    stream = container.streams[index] if index < len(container.streams) else None
    if not isinstance(stream, AudioStream):
        raise ImageError(f"expected the audio of {name} where it was before; it is damaged. Convert it first.")
    return stream


def sound_origin(container: InputContainer, stream: AudioStream) -> Fraction:
    """The time from which a file's sound counts: where its video begins, or the sound itself where there is no video
    (an MP3 begins 25 ms after 0, which is what its decoder leaves out).
    """
    video = container.streams.best("video")
    covers = video is not None and bool(video.disposition & type(video.disposition).attached_pic)
    first = stream if video is None or covers else video
    if first.start_time is None or first.time_base is None:
        return Fraction(0)
    return first.start_time * first.time_base


def packets_of(
    container: InputContainer, stream: AudioStream, name: str, warn: Warn
) -> Iterator[av.Packet[AudioStream]]:
    """Whole packets, up to the end or to where the file cannot be read further."""

    def ended_by(error: FFmpegError) -> None:
        warn(f"the audio of {name} ends early: {error}.")

    for packet in demuxed(container, [stream], ended_by):
        if packet.size and not packet.is_corrupt:
            yield packet


def decoded(packets: Iterator[av.Packet[AudioStream]], stream: AudioStream, name: str) -> Iterator[AudioFrame]:
    """Frames; a damaged packet is left out."""
    for packet in packets:
        yield from _frames(packet, name)
    try:
        yield from stream.codec_context.decode(None)
    except FFmpegError as error:
        logger.info("the last of the audio of %s could not be decoded: %s", name, error)


def read_sound(
    source: PathLike | BinaryIO,
    *,
    start: Fraction = Fraction(0),
    stop: Fraction | None = None,
    warn: Warn | None = None,
) -> Sound | None:
    """All sound of a file from `start` to `stop`, in seconds from the first image of its video (in sound alone, from
    its begin): what begins later is preceded by silence, gaps are silent, and nothing is as long as it was.

    The rate and layout are those of the first frame. None where there is no sound, or an empty track.
    Raises ImageError where the file can't be read, none of its tracks can be decoded, or its rate or times can't be
    true: a small file would else take all memory.
    """
    media = MediaSource(source)
    warn = warn or _logged
    try:
        with opened_sound(media) as (container, stream):
            frames = decoded(packets_of(container, stream, media.name, warn), stream, media.name)
            first = next((frame for frame in frames if frame.samples and frame.sample_rate > 0), None)
            if first is None:
                return None
            origin = sound_origin(container, stream) + start
            if first.sample_rate > HIGHEST_RATE:
                raise ImageError(
                    f"expected audio of at most {HIGHEST_RATE:,} samples a second; {media.name} states "
                    f"{first.sample_rate:,}. It is damaged."
                )
            layout = known_layout(first.layout)
            timeline = Timeline(first.sample_rate, layout, origin, most_silence=MOST_SILENCE)
            limit = None if stop is None else max(0, round((stop - start) * timeline.rate))
            parts = [np.zeros((AudioLayout(timeline.layout).nb_channels, 0), np.float32)]
            count = 0
            for part in laid_out(timeline, chain((first,), frames)):
                parts.append(part)
                count += part.shape[1]
                if limit is not None and count >= limit:
                    break
            return Sound(np.concatenate(parts, axis=1)[:, :limit], timeline.rate, timeline.layout)
    except NoSound:
        return None


def _tracks(container: InputContainer, name: str) -> list[AudioStream]:
    """Those with a decoder, the default ones first."""
    if not container.streams.audio:
        raise NoSound(f"{name} has no audio")
    known = [track for track in container.streams.audio if track.codec_context is not None]
    if not known:
        raise ImageError(
            f"expected audio in a codec that FFmpeg knows; that of {name} is unknown. Convert it to AAC first."
        )
    return sorted(known, key=lambda track: not track.disposition & type(track.disposition).default)


def _first_heard(tracks: Mapping[int, AudioStream], container: InputContainer) -> int:
    """The first of several tracks that gives a frame, or the very first where none does."""
    indices = list(tracks)
    heard: set[int] = set()
    for number, packet in enumerate(demuxed(container, list(tracks.values()), lambda error: None)):
        if packet.size and _frames(packet, ""):
            heard.add(packet.stream.index)
        if indices[0] in heard or number >= PROBED_PACKETS:
            break
    return next((index for index in indices if index in heard), indices[0])


def _frames(packet: av.Packet[AudioStream], name: str) -> list[AudioFrame]:
    try:
        return packet.decode()
    except FFmpegError as error:
        logger.info("a damaged packet of the audio of %s was left out: %s", name, error)
        return []


def _logged(message: str) -> None:
    logger.warning("%s", message)
