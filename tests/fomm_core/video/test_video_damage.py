"""What is given where files are cut, damaged, of another kind, or not there."""

from __future__ import annotations

import contextlib
import io
import logging

import av
import numpy as np
import pytest
from fomm_nodes.fomm_core.errors import ImageError
from fomm_nodes.fomm_core.video import VideoReader, write_image
from PIL import Image


def cut(path, share=0.5):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def animate(path, frames, **options):
    first, *others = (Image.fromarray(frame) for frame in frames)
    first.save(path, save_all=True, append_images=others, duration=40, **options)
    return path


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "webm", "gif", "webp", "png"])
def test_a_cut_file_gives_the_frames_before_the_cut(tmp_path, clip, frames, caplog, suffix, share):
    if suffix == "webp":
        path = animate(tmp_path / "a.webp", frames(100), lossless=True)
    elif suffix == "png":
        path = animate(tmp_path / "a.png", frames(100))
    else:
        path = clip(f"a.{suffix}", 100, height=96, width=128, quality=95)
    whole = list(VideoReader(path))
    cut(path, share)
    reader = VideoReader(path)
    with caplog.at_level(logging.WARNING, logger="fomm.video"):
        read = list(reader)
        assert len(list(reader)) == len(read)
    assert 1 <= len(read) < 100
    assert np.array_equal(read[:-2], whole[: len(read) - 2])  # what stands next to the cut may be approximate
    assert len(reader.warnings) == 1
    assert "ends early" in reader.warnings[0]
    assert path.name in reader.warnings[0]
    assert [record.message for record in caplog.records] == reader.warnings


def test_frames_before_the_cut_warn_of_nothing(clip):
    path = cut(clip(count=100), 0.8)
    reader = VideoReader(path, stop=5)
    assert len(list(reader)) == 5
    assert reader.warnings == []


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov", "webm"])
def test_sound_that_lasts_longer_than_the_pictures_is_no_damage(tmp_path, frames, tone_packets, suffix):
    reader = VideoReader(with_longer_sound(tmp_path / f"a.{suffix}", frames(30), tone_packets))
    assert len(list(reader)) == 30
    assert reader.warnings == []
    assert reader.info.frame_count == 30
    assert reader.info.has_audio


def with_longer_sound(path, pictures, tone_packets):
    """30 frames at 25 per second, and 3 seconds of sound."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libvpx-vp9" if path.suffix == ".webm" else "libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        codec, rate = ("libopus", 48_000) if path.suffix in (".webm", ".mkv") else ("aac", 44_100)
        audio = container.add_stream(codec, rate=rate, layout="stereo")
        for picture in pictures:
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode(None))
        for packet in tone_packets(audio, 3, rate, "stereo"):
            container.mux(packet)
    return path


def test_damage_in_the_middle_leaves_frames_out(clip):
    path = clip(count=100, height=96, width=128, quality=95)
    data = bytearray(path.read_bytes())
    middle = len(data) * 6 // 10
    for place in range(middle, middle + 400, 7):
        data[place] ^= 0xFF
    path.write_bytes(data)
    with av.open(str(path)) as container:
        flags = []
        for packet in container.demux(video=0):
            with contextlib.suppress(av.error.FFmpegError):
                flags += [frame.is_corrupt for frame in packet.decode()]
    assert any(flags)
    reader = VideoReader(path)
    assert sum(1 for _ in reader) == flags.count(False)
    assert len(reader.warnings) == 1
    assert "damaged" in reader.warnings[0]


def test_a_playlist_opens_no_other_file(tmp_path, clip):
    for name in ("segment.mp4", "segment.mkv"):
        clip(name)
    (tmp_path / "list.m3u8").write_text(
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:3\n#EXTINF:2,\nsegment.mp4\n#EXT-X-ENDLIST\n"
    )
    (tmp_path / "list.ffconcat").write_text("ffconcat version 1.0\nfile segment.mkv\n")
    for name in ("list.m3u8", "list.ffconcat"):
        with av.open(str(tmp_path / name)) as container:
            assert next(container.decode(video=0)).width == 64  # FFmpeg would
        with pytest.raises(ImageError, match="cannot be read as one"):
            VideoReader(tmp_path / name)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("suffix", ["mp4", "webm", "gif", "webp", "png"])
def test_random_damage_gives_frames_or_an_image_error(tmp_path, clip, frames, suffix, seed):
    path = animate(tmp_path / f"a.{suffix}", frames(8)) if suffix in ("webp", "png") else clip(f"a.{suffix}", 8)
    random = np.random.default_rng(seed)
    data = np.frombuffer(path.read_bytes(), np.uint8).copy()
    places = random.integers(0, len(data), 20)
    data[places] = random.integers(0, 256, 20)
    with contextlib.suppress(ImageError):
        reader = VideoReader(io.BytesIO(data.tobytes()))
        assert {frame.shape for frame in reader} == {(reader.info.height, reader.info.width, 3)}


def test_a_cut_index_is_an_error(tmp_path, clip):
    """An MP4 as cameras write it, with its index at the end: when that is gone, nothing can be read."""
    path = clip()
    with av.open(str(path)) as source, av.open(str(tmp_path / "late.mp4"), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    with pytest.raises(ImageError, match="before its index"):
        VideoReader(cut(tmp_path / "late.mp4", 0.7))


@pytest.mark.parametrize("in_memory", [False, True])
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty"),
        (b"just some text\n" * 500, "cannot be read as one"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:2,\nother.ts\n#EXT-X-ENDLIST\n", "cannot be read as one"),
        (b"ffconcat version 1.0\nfile other.mp4\n", "cannot be read as one"),
        (bytes(4000), "cannot be read as one"),
        (b"\x89PNG\r\n\x1a\n" + bytes(30), "expected a whole"),
        (b"RIFF\x20\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0\0\0\0\0\0\0", "no whole frame"),
        (b"GIF89a\x10\0\x10\0\0\0\0;", "expected a video"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "expected a whole HEIC"),
    ],
)
def test_other_kinds_of_file_are_refused(tmp_path, content, expected, in_memory):
    """Among them playlists, which would open other files."""
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(ImageError, match=expected) as caught:
        VideoReader(io.BytesIO(content) if in_memory else tmp_path / "a.mp4")
    assert ("the file in memory" if in_memory else "a.mp4") in str(caught.value)


def test_what_is_not_there_is_refused(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes.txt").write_text("no picture")
    for name, expected in {
        "missing.mp4": "does not exist",
        "folder": "expected images",
        "f-%05d.png": "expected images",
        "*.png": "expected images",
        "no/such/folder/*.png": "expected images",
    }.items():
        with pytest.raises(ImageError, match=expected):
            VideoReader(tmp_path / name)


def test_sound_alone_is_refused(tmp_path, tone):
    with pytest.raises(ImageError, match="holds audio only"):
        VideoReader(tone(tmp_path / "a.mp4", 0.5))


def test_a_damaged_still_is_left_out(tmp_path):
    for number in range(4):
        write_image(tmp_path / f"{number}.png", np.full((8, 8, 3), number, np.uint8))
    (tmp_path / "0.png").write_bytes(b"")
    cut(tmp_path / "2.png", 0.6)
    reader = VideoReader(tmp_path)
    assert [int(frame[0, 0, 0]) for frame in reader] == [1, 3]
    assert ["0.png" in reader.warnings[0], "2.png" in reader.warnings[1]] == [True, True]


def test_only_damaged_stills_are_an_error(tmp_path):
    (tmp_path / "0.png").write_bytes(b"")
    with pytest.raises(ImageError, match=r"0\.png is empty"):
        VideoReader(tmp_path)


def test_stills_of_several_sizes_are_an_error(tmp_path):
    write_image(tmp_path / "0.png", np.zeros((8, 8, 3), np.uint8))
    write_image(tmp_path / "1.png", np.zeros((8, 9, 3), np.uint8))
    with pytest.raises(ImageError, match=r"8x8 as the first; 1\.png is 9x8"):
        list(VideoReader(tmp_path))
