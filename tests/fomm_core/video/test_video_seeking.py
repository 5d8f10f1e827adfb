"""Single frames by number are those that reading from the start gives."""

from __future__ import annotations

import random

import av
import numpy as np
import pytest
from fomm_nodes.fomm_core.errors import ImageError
from fomm_nodes.fomm_core.video import VideoReader, write_image
from PIL import Image

# name -> (encoder, options, pixel format): long and short groups, B-frames, open groups, intra only
FILES = {
    "b-frames.mp4": ("libx264", {"bf": "3", "g": "12"}, "yuv420p"),
    "open-groups.mkv": ("libx264", {"bf": "2", "g": "8", "x264-params": "open-gop=1"}, "yuv420p"),
    "one-group.mov": ("libx264", {"g": "250"}, "yuv420p"),
    "vp9.webm": ("libvpx-vp9", {"g": "10", "b": "0", "crf": "20"}, "yuv420p"),
    "mjpeg.avi": ("mjpeg", {}, "yuvj420p"),
    "mpeg4.avi": ("mpeg4", {"bf": "2", "g": "9"}, "yuv420p"),
    "reordered.avi": ("libx264", {"bf": "2", "g": "12"}, "yuv420p"),
    "program.mpg": ("mpeg2video", {"bf": "2", "g": "12", "b": "400k"}, "yuv420p"),
    "intra.mkv": ("ffv1", {}, "yuv420p"),
    "broadcast.ts": ("mpeg2video", {"bf": "2", "g": "9"}, "yuv420p"),
    "flash.flv": ("flv", {"g": "9"}, "yuv420p"),
}


def encode(path, frames, codec, options, pix_fmt, times=None):
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pix_fmt
        for index, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = index if times is None else times[index]
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def check(reader, count):
    """`at` gives, bit for bit, what iterating gives, whatever is asked for."""
    every = list(reader)
    assert reader.count() == len(every) == count
    draw = random.Random(0)
    for asked in [[0], [count - 1], [count - 1, 0], [3, 3], *(draw.sample(range(count), 2) for _ in range(12))]:
        for position, frame in zip(asked, reader.at(asked), strict=True):
            assert np.array_equal(frame, every[position]), (asked, position)


@pytest.mark.parametrize("name", FILES)
def test_sought_frames_are_those_read_in_turn(tmp_path, frames, name):
    """With some noise, so that encoders have a use for B-frames and files are long enough to be sought in."""
    noise = np.random.default_rng(0)
    noisy = [frame // 2 + noise.integers(0, 99, frame.shape, np.uint8) for frame in frames(60)]
    check(VideoReader(encode(tmp_path / name, noisy, *FILES[name])), 60)


def test_uneven_times(tmp_path, frames):
    times = list(np.cumsum([1, 4, 1, 1, 9] * 6))
    check(VideoReader(encode(tmp_path / "a.mkv", list(frames(30)), "libx264", {"g": "7"}, "yuv420p", times)), 30)


@pytest.mark.parametrize("suffix", ["gif", "mp4"])
def test_own_files(clip, suffix):
    check(VideoReader(clip(f"a.{suffix}", 12)), 12)


def test_a_part_of_a_clip(clip):
    reader = VideoReader(clip(count=12), start=4, stop=10)
    assert reader.count() == 6
    assert np.array_equal(reader.at([2])[0], list(reader)[2])


def test_animated_webp_and_stills(tmp_path, frames):
    pictures = [Image.fromarray(frame) for frame in frames(9)]
    pictures[0].save(tmp_path / "a.webp", save_all=True, append_images=pictures[1:], lossless=True)
    check(VideoReader(tmp_path / "a.webp"), 9)
    for index, frame in enumerate(frames(9)):
        write_image(tmp_path / "stills" / f"{index}.png", frame)
    check(VideoReader(tmp_path / "stills"), 9)


def test_a_cut_file_gives_its_last_frame_for_those_that_are_lost(tmp_path, frames):
    path = encode(tmp_path / "a.mkv", list(frames(60)), "libx264", {"g": "8", "bf": "0"}, "yuv420p")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    reader = VideoReader(path)
    every = list(reader)
    assert 10 < reader.count() < 60
    assert np.array_equal(reader.at([5])[0], every[5])
    assert np.array_equal(reader.at([reader.count() - 1])[0], every[-1])


def test_seeking_decodes_one_group_only(tmp_path, frames, monkeypatch):
    """The point of it: of 200 frames in groups of ten, at most ten are decoded for one."""
    from fomm_nodes.fomm_core.video import containers, seeking

    reader = VideoReader(encode(tmp_path / "a.mp4", list(frames(200)), "libx264", {"g": "10", "bf": "0"}, "yuv420p"))
    decoded = 0

    def counted(*arguments):
        nonlocal decoded
        for frame in original(*arguments):
            decoded += 1
            yield frame

    original = seeking._decoded_from
    monkeypatch.setattr(seeking, "_decoded_from", counted)
    monkeypatch.setattr(containers.ContainerFrames, "timed", None)  # never from the start
    reader.at([155])
    assert 1 <= decoded <= 10
    decoded = 0
    reader.at([151, 158])
    assert decoded <= 10  # on from the first, not from the keyframe again


@pytest.mark.parametrize("positions", [[-1], [12], [0, 40]])
def test_numbers_outside_the_clip(clip, positions):
    with pytest.raises(ImageError, match="expected frames 0 to 11"):
        VideoReader(clip(count=12)).at(positions)
