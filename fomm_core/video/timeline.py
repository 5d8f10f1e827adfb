"""Decoded sound on one clock: what its frames' times leave open becomes silence, what they say twice is left out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.layout import AudioLayout
from av.audio.resampler import AudioResampler

from ..errors import ImageError

Samples: TypeAlias = npt.NDArray[np.float32]  # [channels, n], -1..1

# What a frame's time may stray from the end of the one before without that being a gap: half of a frame, since no gap
# is shorter than the packet that is missing. Containers round (Matroska to 1 ms), browsers stamp packets by the clock.
LEAST_STRAY, GREATEST_STRAY = Fraction(1, 100), Fraction(3, 100)
# Times that jump further are those of another recording, or broken: what follows is taken to follow at once.
GREATEST_GAP, GREATEST_OVERLAP = Fraction(3600), Fraction(10)
PACKED = "flt"  # PyAV counts more planes than there are in planar frames of 8 channels and more, and reads on
DEFAULT_LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}


def known_layout(layout: AudioLayout) -> str:
    """The name of a layout; where a file states only the number of channels, of the one that is usual for it."""
    if all(channel.name != "NONE" for channel in layout.channels):
        return layout.name
    return DEFAULT_LAYOUTS.get(layout.nb_channels, "mono")


class Timeline:
    """Frames in, samples out: float32 [channels, n] in the given rate and layout, without a break from `origin` on.

    origin: the time in seconds, by the frames' clock, of the first sample that is given. Sound before is left out; a
    later begin is preceded by silence. Frames without a time follow at once. Their format may change on the way.
    most_silence: how much of that may come, for those who keep it all: numbers, so samples times channels.

    Raises ImageError where more silence would come.
    """

    def __init__(self, rate: int, layout: str, origin: Fraction, *, most_silence: float = math.inf) -> None:
        self.rate = rate
        self.layout = layout
        self._channels = AudioLayout(layout).nb_channels
        self._silence_left = most_silence
        self._clock = -origin  # added to a frame's time
        self._position = 0  # samples given
        self._overlap = 0  # samples still to be left out
        self._resampler: AudioResampler | None = None
        self._shape: tuple[str, str, int] | None = None
        self._due = Fraction(0)  # when the next frame should begin

    def add(self, frame: AudioFrame) -> Iterator[Samples]:
        """What can be given now. Silence comes in pieces of a second at most."""
        if frame.samples == 0 or frame.sample_rate <= 0:
            return
        length = Fraction(frame.samples, frame.sample_rate)
        begin = self._due
        if frame.pts is not None and frame.time_base is not None:
            begin = frame.pts * frame.time_base + self._clock
            if not -GREATEST_OVERLAP <= begin - self._due <= GREATEST_GAP and self._resampler is not None:
                self._clock += self._due - begin
                begin = self._due
        shape = frame.format.name, frame.layout.name, frame.sample_rate
        strays = abs(begin - self._due) > min(max(length / 2, LEAST_STRAY), GREATEST_STRAY)
        if self._resampler is None or shape != self._shape or strays:
            yield from self._flush()
            yield from self._silence(round(begin * self.rate) - self._position)
            self._resampler, self._shape, self._due = AudioResampler(PACKED, self.layout, self.rate), shape, begin
        self._due += length
        for piece in self._resampler.resample(_plain(frame)):
            yield from self._given(piece)

    def finish(self) -> Iterator[Samples]:
        """The rest."""
        yield from self._flush()

    def _flush(self) -> Iterator[Samples]:
        if self._resampler is not None:
            for piece in self._resampler.resample(None):
                yield from self._given(piece)
        self._resampler = None

    def _given(self, piece: AudioFrame) -> Iterator[Samples]:
        samples = _samples(piece)[:, self._overlap :]
        self._overlap -= piece.samples - samples.shape[1]
        self._position += samples.shape[1]
        if samples.shape[1]:
            yield samples

    def _silence(self, count: int) -> Iterator[Samples]:
        self._overlap = max(0, -count)
        self._silence_left -= max(0, count) * self._channels
        if self._silence_left < 0:
            raise ImageError(
                f"expected audio that goes on; between its parts lie {count / self.rate:.0f} seconds and more, so "
                "their times are damaged. Convert it to another format."
            )
        while count > 0:
            samples = np.zeros((self._channels, min(count, self.rate)), np.float32)
            count -= samples.shape[1]
            self._position += samples.shape[1]
            yield samples


def laid_out(timeline: Timeline, frames: Iterable[AudioFrame]) -> Iterator[Samples]:
    """All samples of frames."""
    for frame in frames:
        yield from timeline.add(frame)
    yield from timeline.finish()


def frame_of(samples: Samples, rate: int, layout: str) -> AudioFrame:
    """Samples [channels, n] as a frame without a time."""
    packed = np.ascontiguousarray(samples.T, np.float32).reshape(1, -1)
    frame = AudioFrame.from_ndarray(packed, format=PACKED, layout=layout)
    frame.sample_rate = rate
    return frame


def _samples(frame: AudioFrame) -> Samples:
    """[channels, n] of a packed frame."""
    return frame.to_ndarray().reshape(frame.samples, -1).T.astype(np.float32, copy=False)


def _plain(frame: AudioFrame) -> AudioFrame:
    """Without its time, and with a layout that a resampler can mix."""
    frame.pts = None
    layout = known_layout(frame.layout)
    if layout == frame.layout.name:
        return frame
    (packed,) = AudioResampler(PACKED, frame.layout, frame.sample_rate).resample(frame)
    samples = _samples(packed)
    if len(samples) != AudioLayout(layout).nb_channels:  # of no known meaning: all alike
        samples = samples.mean(axis=0, keepdims=True)
    return frame_of(samples, frame.sample_rate, layout)
