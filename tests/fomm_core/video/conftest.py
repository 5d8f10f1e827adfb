"""Clips and pictures made on the spot; nothing is read from the repository."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from fomm_nodes.fomm_core.video import VideoWriter


def smooth_frames(count: int, height: int = 48, width: int = 64) -> Iterator[np.ndarray]:
    """Soft colour ramps that drift, with a red upper left corner, so that turns and mirrorings show."""
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    for index in range(count):
        phase = 0.06 * index
        frame = np.stack([0.75 - 0.5 * x - 0.1 * y, 0.3 + 0.4 * y + 0.2 * np.sin(3 * x + phase), 0.25 + 0.5 * x], -1)
        yield (np.clip(frame, 0, 1) * 255 + 0.5).astype(np.uint8)


def write_tone(path: Path, seconds: float, *, codec: str = "aac", rate: int = 44_100, layout: str = "stereo") -> Path:
    """A file that holds a 440 Hz tone and nothing else."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        for packet in _tone_packets(stream, seconds, rate, layout):
            container.mux(packet)
    return path


def _tone_packets(stream, seconds: float, rate: int, layout: str) -> Iterator[av.Packet]:
    for start in range(0, round(seconds * rate), 1024):
        time = np.arange(start, start + 1024) / rate
        channels = 1 if layout == "mono" else 2
        tone = np.tile(0.5 * np.sin(2 * np.pi * 440 * time), (channels, 1)).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        yield from stream.encode(frame)
    yield from stream.encode(None)


@pytest.fixture
def clip(tmp_path: Path) -> Callable[..., Path]:
    """`clip(name, count, ...)` writes a smooth clip with our own writer and returns its path."""

    def make(name: str = "clip.mp4", count: int = 12, *, height: int = 48, width: int = 64, fps=25, **options) -> Path:
        path = tmp_path / name
        with VideoWriter(path, fps=fps, **options) as writer:
            for frame in smooth_frames(count, height, width):
                writer.write(frame)
        return path

    return make


@pytest.fixture
def frames() -> Callable[..., Iterator[np.ndarray]]:
    """`frames(count, height, width)`: the frames that `clip` writes."""
    return smooth_frames


@pytest.fixture
def tone() -> Callable[..., Path]:
    """`tone(path, seconds, codec=...)`: a file of sound."""
    return write_tone
