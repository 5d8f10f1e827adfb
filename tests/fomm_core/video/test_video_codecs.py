"""Encoders that a user may choose."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from fomm_nodes.cli import animate
from fomm_nodes.fomm_core.errors import ImageError
from fomm_nodes.fomm_core.options import FileOptions, check_files
from fomm_nodes.fomm_core.video import VideoReader, VideoWriter, codecs
from fomm_nodes.fomm_core.video.encoders import h264_options
from nearness import within_seconds

CODED = {"auto": "h264", "av1": "av1"}
HARDWARE = tuple(codecs.HARDWARE)


def coded(path: Path) -> str:
    with av.open(str(path)) as file:
        return file.streams.video[0].codec_context.name.removeprefix("lib").replace("dav1d", "av1")


@pytest.mark.parametrize("suffix", [".mp4", ".m4v", ".mkv", ".webm", ".avif"])
@pytest.mark.parametrize(("height", "width"), [(64, 96), (65, 97)])
def test_av1_holds_every_frame_and_odd_sides(suffix: str, height: int, width: int, frames, tmp_path: Path) -> None:
    shown = list(frames(9, height=height, width=width))
    with VideoWriter(tmp_path / f"a{suffix}", fps=25, quality=100, encoder="av1") as writer:
        for frame in shown:
            writer.write(frame)
    assert not writer.warnings
    assert coded(writer.path) == "av1"
    read = list(VideoReader(writer.path))
    assert [frame.shape for frame in read] == [(height, width, 3)] * 9
    differences = [np.abs(a.astype(int) - b).mean() for a, b in zip(read, shown, strict=True)]
    assert max(differences) < 3


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_av1_keeps_the_times_of_frames(suffix: str, frames, tmp_path: Path) -> None:
    ends = [Fraction(1, 25), Fraction(3, 25), Fraction(4, 25), Fraction(10, 25)]
    with VideoWriter(tmp_path / f"a{suffix}", fps=25, uneven=True, encoder="av1") as writer:
        writer.write(np.stack(list(frames(4))), ends)
    reader = VideoReader(writer.path)
    begins = [float(begin) for begin, _ in reader.timed()]
    expected = [0.0, *(float(end) for end in ends[:-1])]
    within_seconds(begins[:4], expected, 0.002)  # Matroska's milliseconds; the last frame may be there twice


@pytest.mark.parametrize("name", HARDWARE)
@pytest.mark.parametrize(
    "fault",
    [
        av.error.PermissionError(1, "not permitted"),
        av.error.UnknownError(1, "unknown"),
        av.codec.codec.UnknownCodecError("none"),
    ],
)
def test_without_the_hardware_software_writes_the_file_and_says_so(
    name: str, fault: Exception, frames, tmp_path: Path, monkeypatch
) -> None:
    make = av.CodecContext.create

    def create(codec: str, mode: str) -> object:
        if codec == codecs.HARDWARE[name][0]:
            raise fault
        return make(codec, mode)

    monkeypatch.setattr(codecs.av.CodecContext, "create", create)
    with VideoWriter(tmp_path / "a.mp4", fps=25, encoder=name) as writer:
        writer.write(np.stack(list(frames(3))))
    [warning] = writer.warnings
    assert f"the encoder {name} cannot be used" in warning
    assert "libx264" in warning
    assert coded(writer.path) == "h264"
    assert VideoReader(writer.path).count() == 3


@pytest.mark.parametrize("name", HARDWARE)
def test_an_encoder_is_given_what_its_hardware_takes(name: str, frames, tmp_path: Path, monkeypatch) -> None:
    """x264 in its place, which knows both kinds of pixels: the frames that come out are the right ones."""
    codec, pixels, options = codecs.HARDWARE[name]
    assert options(80) != options(50)
    monkeypatch.setitem(codecs.HARDWARE, name, ("libx264", pixels, h264_options))
    with VideoWriter(tmp_path / "a.mp4", fps=25, quality=100, encoder=name) as writer:
        writer.write(np.stack(list(frames(3))))
    assert not writer.warnings, codec
    differences = [np.abs(a.astype(int) - b).mean() for a, b in zip(VideoReader(writer.path), frames(3), strict=True)]
    assert max(differences) < 3


@pytest.mark.parametrize(
    ("name", "output", "words"),
    [
        ("nvenc", "a.webm", "can hold H.264"),
        ("av1", "a.mov", "can hold AV1"),
        ("av1", "a.gif", "got .gif"),
        ("qsv", "stills", "got stills"),
        ("av1", "f-%05d.png", "got .png"),
        ("h265", "a.mp4", "expected an encoder out of auto, av1"),
    ],
)
def test_what_a_file_cannot_hold_is_refused_before_any_work(name: str, output: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=words):
        check_files([], tmp_path / output, FileOptions(encoder=name))
    with pytest.raises(ImageError, match="expected"):
        VideoWriter(tmp_path / output, fps=25, encoder=name)


def test_transparent_frames_keep_their_own_encoder(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.webm", fps=25, encoder="av1") as writer:
        writer.write(np.full((2, 64, 64, 4), 128, np.uint8))
    assert writer.warnings == ["the encoder av1 holds no transparency: libvpx-vp9 is used instead."]


def test_the_command_offers_the_same() -> None:
    assert animate.ENCODERS == codecs.ENCODERS
