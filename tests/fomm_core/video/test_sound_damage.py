"""Small files whose sound states times and rates that would take all memory."""

from __future__ import annotations

import resource
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from fomm_nodes.fomm_core.errors import ImageError
from fomm_nodes.fomm_core.video import VideoReader, VideoWriter
from fomm_nodes.fomm_core.video.sound import read_sound
from nearness import within_seconds

TICK = 0.001
"""Matroska's times are whole milliseconds."""
MOST = 1 << 30
"""Bytes: what may be filled, and as much again while it is joined."""


def stamped(path: Path, begins: Sequence[float], rate: int = 48_000) -> Path:
    """Pictures, and packets of stereo sound (1024 samples each) that say when they begin, in seconds."""
    with av.open(str(path), "w") as container:
        sound = container.add_stream("pcm_s16le", rate=rate, layout="stereo")
        sound.time_base = Fraction(1, 1000)
        video = container.add_stream("libx264", rate=10)
        video.width = video.height = 32
        for value in range(0, 240, 20):
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.full((32, 32, 3), value, np.uint8))))
        container.mux(video.encode(None))
        for begin in begins:
            packet = av.Packet(bytes(4096))
            packet.stream, packet.time_base, packet.duration = sound, Fraction(1, 1000), 21
            packet.pts = packet.dts = round(begin * 1000)
            container.mux(packet)
    assert path.stat().st_size < 1 << 20
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory as Linux tells it")
@pytest.mark.parametrize(
    ("begins", "rate", "words"),
    [
        ([100_000, 100_001], 48_000, "times are damaged"),
        ([1300.0 * number for number in range(20)], 48_000, "times are damaged"),
        ([10, 20], 2_000_000_000, "at most 1,000,000 samples a second"),
    ],
    ids=["a late begin", "gaps one by one", "a rate"],
)
def test_silence_that_would_fill_memory(begins: list[float], rate: int, words: str, tmp_path: Path) -> None:
    path = stamped(tmp_path / "a.mkv", begins, rate)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ImageError, match=words):
        read_sound(path)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MOST
    with VideoReader(path) as clip:
        assert len(list(clip)) == 12
    with VideoWriter(tmp_path / "b.mp4", fps=10, audio_from=path) as writer:  # a stream ends with the images
        writer.write(np.zeros((3, 32, 32, 3), np.uint8))
    assert (tmp_path / "b.mp4").stat().st_size < 1 << 20


def test_a_part_of_sound_that_begins_late_is_read(tmp_path: Path) -> None:
    """As long as the part itself has room."""
    path = stamped(tmp_path / "a.mkv", [5000, 5000.021])
    part = read_sound(path, start=Fraction(4999), stop=Fraction(5001))
    assert part is not None
    within_seconds(part.samples.shape[1] / part.rate, 1.042, TICK)
    quarter = read_sound(stamped(tmp_path / "b.mkv", [0, 0.021, 900]))
    assert quarter is not None
    within_seconds(quarter.samples.shape[1] / quarter.rate, 900.021, TICK)
