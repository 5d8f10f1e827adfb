"""Clips and images made on the spot; nothing is read from the repository."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from fomm_nodes.fomm_core.video import VideoWriter


def smooth_frames(count: int, height: int = 48, width: int = 64) -> Iterator[np.ndarray]:
    """Soft waves of colour that drift; whole periods wide, so that chroma half a pixel aside keeps the mean."""
    y, x = np.mgrid[0:height, 0:width]
    y, x = y / height, 2 * np.pi * x / width
    for index in range(count):
        red = 0.45 - 0.2 * y + 0.25 * np.cos(x)
        green = 0.3 + 0.4 * y + 0.15 * np.sin(x + 0.06 * index)
        blue = 0.5 - 0.25 * np.cos(x + 0.3)
        yield (np.stack([red, green, blue], -1) * 255 + 0.5).astype(np.uint8)


def write_tone(path: Path, seconds: float, *, codec: str = "aac", rate: int = 44_100, layout: str = "stereo") -> Path:
    """A file that holds a 440 Hz tone and nothing else."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        for packet in encoded_tone(stream, seconds, rate, layout):
            container.mux(packet)
    return path


def encoded_tone(stream, seconds: float, rate: int, layout: str) -> Iterator[av.Packet]:
    """The packets of a 440 Hz tone, for a stream that is being written."""
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


@pytest.fixture
def tone_packets() -> Callable[..., Iterator[av.Packet]]:
    """`tone_packets(stream, seconds, rate, layout)`: the sound of `tone` for a file that holds more."""
    return encoded_tone


@pytest.fixture(scope="session")
def linear_profile() -> bytes:
    """An ICC profile with the primaries of sRGB (adapted to D50) and a straight transfer curve."""

    def xyz(*values: float) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in values))

    straight = b"curv\0\0\0\0" + struct.pack(">I", 0)
    name = b"linear\0"
    text = b"desc\0\0\0\0" + struct.pack(">I", len(name)) + name + bytes(12 + 67)
    tags = {
        b"desc": text,
        b"cprt": b"text\0\0\0\0none\0",
        b"wtpt": xyz(0.9642, 1, 0.8249),
        b"rXYZ": xyz(0.4360, 0.2225, 0.0139),
        b"gXYZ": xyz(0.3851, 0.7169, 0.0971),
        b"bXYZ": xyz(0.1431, 0.0606, 0.7141),
        b"rTRC": straight,
        b"gTRC": straight,
        b"bTRC": straight,
    }
    table, data = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for tag, value in tags.items():
        value += bytes(-len(value) % 4)
        table += tag + struct.pack(">2I", start + len(data), len(value))
        data += value
    header = struct.pack(">I4sI4s4s4s", start + len(data), b"\0\0\0\0", 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    header += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + table + data
