from __future__ import annotations

import logging
import tracemalloc
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from fomm_nodes.fomm_core.errors import ImageError
from fomm_nodes.fomm_core.video import VideoReader, VideoWriter, read_image, write_image
from fomm_nodes.fomm_core.video.gif import TICKS, colour_sample
from nearness import steps_near
from PIL import Image

VIDEOS = ["mp4", "m4v", "mov", "mkv", "webm"]


@pytest.mark.parametrize(
    "rate", [Fraction(24000, 1001), Fraction(25), Fraction(30), Fraction(30000, 1001), Fraction(25, 2)]
)
@pytest.mark.parametrize(("height", "width"), [(48, 64), (64, 48)])
@pytest.mark.parametrize("suffix", ["mp4", "webm"])
def test_count_rate_and_size_come_back(clip, suffix, height, width, rate):
    reader = VideoReader(clip(f"a.{suffix}", 7, height=height, width=width, fps=rate))
    assert reader.info.fps == rate
    assert reader.info.frame_count == 7
    assert [frame.shape for frame in reader] == [(height, width, 3)] * 7


@pytest.mark.parametrize("count", [1, 2, 3, 60])
@pytest.mark.parametrize("suffix", [*VIDEOS, "gif", "avif"])
def test_every_frame_comes_back(clip, frames, suffix, count):
    reader = VideoReader(clip(f"a.{suffix}", count, quality=100))
    read = list(reader)
    assert len(read) == count
    differences = [a.astype(int) - b for a, b in zip(read, frames(count), strict=True)]
    assert max(np.abs(difference).mean() for difference in differences) < (6 if suffix == "gif" else 3)
    # No cast: conversions must not darken, nor mix up matrices.
    assert np.abs(np.mean(differences, (0, 1, 2))).max() < (2 if suffix == "gif" else 1.2)


def fifth_generation(clip, tmp_path, suffix):
    path = clip(f"0.{suffix}", 3, quality=100)
    for generation in range(1, 5):
        with (
            VideoReader(path) as reader,
            VideoWriter(tmp_path / f"{generation}.{suffix}", fps=25, quality=100) as writer,
        ):
            for frame in reader:
                writer.write(frame)
        path = writer.path
    return np.stack(list(VideoReader(path))).astype(int)


@pytest.mark.parametrize("suffix", ["mp4", "webm"])
def test_colours_last_through_generations(clip, frames, tmp_path, suffix):
    """Written and read five times: a bias of one level each time would show."""
    drift = fifth_generation(clip, tmp_path, suffix) - np.stack(list(frames(3)))
    assert np.abs(drift.mean((0, 1, 2))).max() < 2


@pytest.mark.skipif(
    int(av.__version__.split(".")[0]) < 17, reason="swscale reads chroma half a pixel aside before PyAV 17"
)
@pytest.mark.parametrize("suffix", ["mp4", "webm"])
def test_colours_do_not_wander_sideways(clip, frames, tmp_path, suffix):
    """Half a pixel in each of five generations would differ by 4 levels on average."""
    drift = fifth_generation(clip, tmp_path, suffix) - np.stack(list(frames(3)))
    assert np.abs(drift).mean() < 2


@pytest.mark.parametrize("suffix", VIDEOS)
def test_stored_colours_are_bt709_and_tagged_so(clip, suffix):
    """By the recommendation: luma of (200, 40, 90) is 0.2126 R + 0.7152 G + 0.0722 B, times 219 / 255, plus 16."""
    path = clip(f"a.{suffix}", 1)
    with VideoWriter(path, fps=25, quality=100) as writer:
        writer.write(np.full((5, 32, 32, 3), (200, 40, 90), np.uint8))
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        context = container.streams.video[0].codec_context
        assert (frame.colorspace, frame.color_range) == (1, 1)
        assert (context.color_primaries, context.color_trc) == (1, 1)
        planes = [np.frombuffer(plane, np.uint8)[: plane.width].mean() for plane in frame.planes]
    luma = 0.2126 * 200 + 0.7152 * 40 + 0.0722 * 90
    expected = [16 + luma * 219 / 255, 128 + (90 - luma) / 1.8556 * 224 / 255, 128 + (200 - luma) / 1.5748 * 224 / 255]
    steps_near(planes, expected, 1.5)  # rounded, and coded


@pytest.mark.parametrize(("height", "width"), [(47, 63), (1, 1), (47, 64), (48, 63)])
def test_odd_sides_are_padded_with_the_edge_in_h264(clip, frames, height, width):
    for frame, original in zip(
        VideoReader(clip(count=3, height=height, width=width, quality=100)), frames(3, height, width), strict=True
    ):
        assert frame.shape == (height + height % 2, width + width % 2, 3)
        steps_near(frame[:height, :width].astype(int), original, 12)  # colour at half the size
        steps_near(frame[-1].astype(int), frame[height - 1].astype(int), 5)  # the codec's loss
        steps_near(frame[:, -1].astype(int), frame[:, width - 1].astype(int), 5)  # likewise


@pytest.mark.parametrize("suffix", ["webm", "gif", "avif"])
def test_odd_sides_stay_elsewhere(clip, suffix):
    assert {frame.shape for frame in VideoReader(clip(f"a.{suffix}", 3, height=47, width=63))} == {(47, 63, 3)}


def test_mp4_can_be_played_while_it_loads(clip):
    data = clip().read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize("suffix", ["mp4", "webm", "avif"])
def test_a_higher_quality_is_nearer_and_larger(clip, tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (6, 64, 64, 3), dtype=np.uint8)
    results = []
    for quality in (0, 50, 80, 100):
        with VideoWriter(tmp_path / f"a.{suffix}", fps=25, quality=quality) as writer:
            writer.write(noise)
        error = np.abs(np.stack(list(VideoReader(writer.path))).astype(int) - noise).mean()
        results.append((error, -writer.path.stat().st_size))
    assert results == sorted(results, reverse=True)


def test_batches_and_single_frames_are_the_same(tmp_path, frames):
    everything = np.stack(list(frames(6)))
    for name in ("one", "all"):
        with VideoWriter(tmp_path / name, fps=25) as writer:
            for part in [everything] if name == "all" else everything:
                writer.write(part)
        assert writer.frame_count == 6
        assert np.array_equal(list(VideoReader(tmp_path / name)), everything)


def test_an_empty_batch_adds_nothing(tmp_path, frames):
    with VideoWriter(tmp_path / "a.mp4", fps=25) as writer:
        writer.write(np.zeros((0, 48, 64, 3), np.uint8))
        writer.write(next(frames(1)))
    assert writer.frame_count == 1


def test_views_of_all_kinds_are_written_as_they_look(tmp_path, frames):
    frame = next(frames(1))
    for view in (frame[::-1], frame[:, ::2], frame.transpose(1, 0, 2), np.asfortranarray(frame)):
        with VideoWriter(tmp_path / "a.mp4", fps=25, quality=100) as writer:
            writer.write(view)
        assert np.abs(next(iter(VideoReader(writer.path))).astype(int) - view).mean() < 4


# Stills


@pytest.mark.parametrize("name", ["folder", "new/deep/folder", "f-%03d.png", "new/f-%d.webp", "f-%04d.tif"])
def test_stills(tmp_path, frames, name):
    with VideoWriter(tmp_path / name, fps=25) as writer:
        for frame in frames(12):
            writer.write(frame)
    names = sorted(p.name for p in (tmp_path / name if "%" not in name else (tmp_path / name).parent).iterdir())
    assert len(names) == 12
    assert names[0] == (name.split("/")[-1] % 0 if "%" in name else "frame-00000.png")
    reader = VideoReader(tmp_path / name)
    tolerance = 12 if name.endswith(".webp") else 0  # WebP loses, PNG does not
    for frame, original in zip(reader, frames(12), strict=True):
        steps_near(frame.astype(int), original, tolerance)


def test_stills_overwrite_nothing(tmp_path, frames):
    write_image(tmp_path / "frame-00003.png", next(frames(1)))
    for name in (tmp_path, tmp_path / "frame-%05d.png"):
        with pytest.raises(ImageError, match="write elsewhere"):
            VideoWriter(name, fps=25)
    with VideoWriter(tmp_path / "other-%05d.png", fps=25) as writer:
        writer.write(next(frames(1)))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["frame-00003.png", "other-00000.png"]


def test_an_empty_folder_is_filled(tmp_path, frames):
    (tmp_path / "there").mkdir()
    with VideoWriter(tmp_path / "there", fps=25) as writer:
        writer.write(next(frames(1)))
    assert [p.name for p in (tmp_path / "there").iterdir()] == ["frame-00000.png"]


# GIF


def delays(path):
    """Hundredths of a second of each frame, from the graphic control blocks."""
    data = path.read_bytes()
    starts = [i for i in range(len(data) - 8) if data[i : i + 3] == b"\x21\xf9\x04" and data[i + 7] == 0]
    return [int.from_bytes(data[i + 4 : i + 6], "little") for i in starts]


@pytest.mark.parametrize("rate", [Fraction(10), Fraction(24), Fraction(25), Fraction(30), Fraction(50), Fraction(1, 2)])
def test_gif_keeps_the_rate_on_average(clip, rate):
    path = clip("a.gif", 13, fps=rate)
    times = delays(path)
    assert len(times) == 13
    assert abs(sum(times) - 13 * TICKS / rate) <= 1
    assert max(times) - min(times) <= 1


def test_gif_above_50_frames_per_second_leaves_frames_out(clip):
    times = delays(clip("a.gif", 60, fps=60))
    assert min(times) >= 2
    assert abs(sum(times) - TICKS) <= 2
    assert len(times) < 60


def test_an_avif_is_a_picture_that_moves_and_says_nothing_while_it_is_made(clip, capfd):
    path = clip("a.avif", 5)
    with Image.open(path) as picture:
        assert picture.format == "AVIF"
        assert picture.n_frames == 5
    said = capfd.readouterr()
    assert said.out + said.err == ""


def test_gif_repeats(clip):
    data = clip("a.gif").read_bytes()
    start = data.index(b"NETSCAPE2.0")
    assert data[start + 11 : start + 16] == b"\x03\x01\0\0\0"


def test_gif_colours_are_chosen_by_the_root_of_their_count():
    """So that lips in a face, few pixels among many, keep a colour of their own."""
    frame = np.zeros((100, 100, 3), np.uint8)
    frame[:9, :1] = (200, 30, 30)
    frame[50:] = (90, 90, 90)
    colours, counts = np.unique(colour_sample(frame), axis=0, return_counts=True)
    assert colours.tolist() == [[0, 0, 0], [90, 90, 90], [200, 30, 30]]
    assert np.abs(counts - np.sqrt([4991, 5000, 9])).max() <= 1  # whole counts


def test_gif_is_not_darker(clip, frames):
    difference = next(iter(VideoReader(clip("a.gif", 1, height=96, width=96)))).astype(int) - next(frames(1, 96, 96))
    assert np.abs(difference.mean((0, 1))).max() < 0.8


def test_gif_takes_new_colours_when_the_scene_changes(tmp_path, frames):
    first = next(frames(1))
    scenes = np.stack([first] * 3 + [np.ascontiguousarray(first[..., ::-1])] * 3 + [first] * 3)
    with VideoWriter(tmp_path / "a.gif", fps=25) as writer:
        writer.write(scenes)
    for read, original in zip(VideoReader(writer.path), scenes, strict=True):
        assert np.abs(read.astype(int) - original).mean() < 4


# All or nothing


class Stop(Exception):
    pass


@pytest.mark.parametrize("error", [Stop, KeyboardInterrupt])
@pytest.mark.parametrize("count", [0, 1, 60])
@pytest.mark.parametrize("name", ["a.mp4", "a.webm", "a.gif", "a.avif", "folder", "f-%05d.png"])
def test_an_interrupted_clip_leaves_nothing(tmp_path, frames, name, count, error):
    def interrupted():
        with VideoWriter(tmp_path / name, fps=25) as writer:
            for frame in frames(count):
                writer.write(frame)
                assert not (tmp_path / name).exists()
            raise error

    with pytest.raises(error):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_clip_leaves_the_older_one(clip, frames):
    path = clip()
    before = path.read_bytes()

    def interrupted():
        with VideoWriter(path, fps=25) as writer:
            for frame in frames(60):
                writer.write(frame)
            raise Stop

    with pytest.raises(Stop):
        interrupted()
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
    assert clip().read_bytes()
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("name", ["a.mp4", "a.gif", "folder", "f-%05d.png"])
def test_a_failure_at_the_end_leaves_nothing(tmp_path, frames, monkeypatch, name):
    from fomm_nodes.fomm_core.video import encoders, gif

    def full_disk(self, end=None):
        raise OSError(28, "No space left on device")

    for kind in (encoders.ContainerEncoder, encoders.StillsEncoder, gif.GifEncoder):
        monkeypatch.setattr(kind, "finish", full_disk)
    with pytest.raises(OSError, match="No space"), VideoWriter(tmp_path / name, fps=25) as writer:
        writer.write(next(frames(1)))
    assert list(tmp_path.iterdir()) == []


def test_stills_that_cannot_all_be_moved_into_place_are_taken_back(tmp_path, frames, monkeypatch):
    move = Path.replace

    def failing(self, target):
        if self.name == "f-00003.png" and self.parent != tmp_path:
            raise OSError(13, "Permission denied")
        return move(self, target)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(OSError, match="Permission"), VideoWriter(tmp_path / "f-%05d.png", fps=25) as writer:
        writer.write(np.stack(list(frames(5))))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.mp4", "a.gif", "folder", "f-%05d.png"])
def test_no_frame_at_all_is_an_error(tmp_path, name):
    with pytest.raises(ImageError, match="at least one frame"), VideoWriter(tmp_path / name, fps=25):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((48, 64, 3), np.float32),
        np.zeros((48, 64), np.uint8),
        np.zeros((48, 64, 4), np.uint8),
        np.zeros((0, 64, 3), np.uint8),
        np.zeros((46, 64, 3), np.uint8),
        np.zeros((2, 48, 62, 3), np.uint8),
    ],
)
def test_frames_of_another_kind_are_refused(tmp_path, frames, bad):
    def write():
        with VideoWriter(tmp_path / "a.mp4", fps=25) as writer:
            writer.write(next(frames(1)))
            writer.write(bad)

    with pytest.raises(ImageError, match=r"expected .*; got "):
        write()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.avi", "a.png", "a.jpg", "a.txt", "a.mp3", "f-%05d.mp4", "f-%05d"])
def test_other_names_are_refused_before_any_work(tmp_path, name):
    with pytest.raises(ImageError, match=r"expected .*got "):
        VideoWriter(tmp_path / name, fps=25)


@pytest.mark.parametrize("options", [{"fps": 0}, {"fps": 25, "quality": 101}, {"fps": 25, "quality": -1}])
def test_bad_numbers_are_refused_before_any_work(tmp_path, options):
    with pytest.raises(ImageError, match=r"expected .*got "):
        VideoWriter(tmp_path / "a.mp4", **options)


def test_a_writer_writes_one_file_and_only_inside_with(tmp_path, frames):
    writer = VideoWriter(tmp_path / "a.mp4", fps=25)
    with pytest.raises(RuntimeError, match="with"):
        writer.write(next(frames(1)))
    with writer:
        writer.write(next(frames(1)))
    with pytest.raises(RuntimeError, match="another"), writer:
        pass


def test_a_size_that_the_codec_cannot_hold_is_named(tmp_path):
    with pytest.raises(ImageError, match="20000x2"), VideoWriter(tmp_path / "a.mp4", fps=25) as writer:
        writer.write(np.zeros((2, 20000, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.mp4", "a.webm", "a.gif", "a.avif", "folder"])
def test_memory_does_not_grow_with_the_clip(tmp_path, frames, name):
    def peak(count):
        tracemalloc.start()
        try:
            with VideoWriter(tmp_path / f"{count}-{name}", fps=25) as writer:
                for frame in frames(count):
                    writer.write(frame)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(2)
    assert peak(200) < peak(20) + 20 * 48 * 64 * 3


def test_names_with_spaces_and_signs(tmp_path, frames):
    path = tmp_path / "mein Film: 100 % [größer].mp4"
    with VideoWriter(path, fps=25) as writer:
        writer.write(next(frames(1)))
    assert len(list(VideoReader(str(path)))) == 1


def test_nothing_is_said_about_a_clip_without_trouble(clip, caplog):
    with caplog.at_level(logging.INFO):
        clip()
    assert caplog.records == []


def test_a_png_of_a_frame_is_the_frame(tmp_path, frames):
    with VideoWriter(tmp_path / "out", fps=25) as writer:
        writer.write(next(frames(1)))
    np.testing.assert_array_equal(read_image(tmp_path / "out" / "frame-00000.png"), next(frames(1)))
