from __future__ import annotations

import io
import itertools
import tracemalloc
from fractions import Fraction

import av
import numpy as np
import pytest
from fomm_nodes.fomm_core.errors import ImageError
from fomm_nodes.fomm_core.video import VideoReader, batches, frame_rate, write_image
from nearness import steps_near
from PIL import Image

BT709 = (0.2126, 0.0722)
BT601 = (0.299, 0.114)


def encode(path, yuv_planes, *, rate=25, pix_fmt="yuv420p", codec="libx264", options=None, sample_aspect=None, **tags):
    """Frames of given planes through PyAV alone, so that nothing of ours stands between them and the reader."""
    height, width = yuv_planes[0][0].shape
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options or {"crf": "2"})
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        for name, value in tags.items():
            setattr(stream.codec_context, name, value)
        if sample_aspect:
            stream.codec_context.sample_aspect_ratio = sample_aspect
        for index, planes in enumerate(yuv_planes):
            frame = av.VideoFrame(width, height, pix_fmt)
            for plane, values in zip(frame.planes, planes, strict=True):
                padded = np.zeros((plane.height, plane.line_size), np.uint8)
                padded[:, : plane.width] = values
                plane.update(padded.tobytes())
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def yuv_from_rgb(frame, weights, *, full):
    """Recommendation BT.601 / BT.709, 8 bit, by hand; chroma averaged over 2x2 pixels."""
    red_share, blue_share = weights
    red, green, blue = np.moveaxis(frame / 255.0, -1, 0)
    luma = red_share * red + (1 - red_share - blue_share) * green + blue_share * blue
    cb, cr = (blue - luma) / (2 * (1 - blue_share)), (red - luma) / (2 * (1 - red_share))
    luma_range, chroma_range, offset = (255, 255, 0) if full else (219, 224, 16)
    chroma = [128 + chroma_range * c.reshape(c.shape[0] // 2, 2, c.shape[1] // 2, 2).mean((1, 3)) for c in (cb, cr)]
    return [np.clip(np.rint(p), 0, 255).astype(np.uint8) for p in (offset + luma_range * luma, *chroma)]


@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize(
    ("weights", "tag"), [(BT709, 1), (BT601, 6), (BT601, 5)], ids=["bt709", "smpte170m", "bt470bg"]
)
@pytest.mark.parametrize("suffix", ["mp4", "webm"])
def test_colours_follow_the_files_tags(tmp_path, frames, suffix, weights, tag, full):
    original = next(frames(1, 64, 96))
    planes = yuv_from_rgb(original, weights, full=full)
    codec = {"codec": "libvpx-vp9", "options": {"crf": "2", "b": "0"}} if suffix == "webm" else {}
    path = encode(tmp_path / f"a.{suffix}", [planes] * 3, **codec, colorspace=tag, color_range=2 if full else 1)
    for frame in VideoReader(path):
        difference = frame.astype(int) - original
        assert np.abs(difference).max() <= 6
        assert np.abs(difference.mean((0, 1))).max() < 1.2


@pytest.mark.parametrize(("size", "weights"), [((64, 96), BT601), ((720, 96), BT709)], ids=["small", "large"])
def test_untagged_colours_are_guessed_from_the_size(tmp_path, frames, size, weights):
    original = next(frames(1, *size))
    path = encode(tmp_path / "a.mp4", [yuv_from_rgb(original, weights, full=False)])
    assert np.abs(next(iter(VideoReader(path))).astype(int) - original).max() <= 6


@pytest.mark.parametrize(("aspect", "shown"), [((4, 3), (80, 48)), ((1, 2), (60, 96)), ((1, 1), (60, 48))])
def test_pixels_become_square(tmp_path, frames, aspect, shown):
    """The shorter side is enlarged: 60x48 at 4:3 is shown as 80x48."""
    planes = yuv_from_rgb(next(frames(1, 48, 60)), BT601, full=False)
    reader = VideoReader(encode(tmp_path / "a.mp4", [planes] * 2, sample_aspect=Fraction(*aspect)))
    assert (reader.info.width, reader.info.height) == shown
    assert {frame.shape for frame in reader} == {(shown[1], shown[0], 3)}


ONE = 65536
# What each display matrix (a b / c d) does to an image, by hand.
TURNS = {
    "upright": ((ONE, 0, 0, ONE), 0, lambda p: p),
    "a quarter clockwise": ((0, ONE, -ONE, 0), 90, lambda p: np.rot90(p, -1)),
    "upside down": ((-ONE, 0, 0, -ONE), 180, lambda p: np.rot90(p, 2)),
    "a quarter counter-clockwise": ((0, -ONE, ONE, 0), 270, lambda p: np.rot90(p, 1)),
    "mirrored": ((-ONE, 0, 0, ONE), 0, lambda p: p[:, ::-1]),
    "mirrored and upside down": ((ONE, 0, 0, -ONE), 180, lambda p: p[::-1]),
    "transposed": ((0, ONE, ONE, 0), 270, lambda p: p.transpose(1, 0, 2)),
}


@pytest.mark.parametrize("turn", TURNS)
def test_frames_are_turned_as_the_display_matrix_says(tmp_path, clip, turn):
    (a, b, c, d), rotation, turned = TURNS[turn]
    path = clip(count=3)
    upright = list(VideoReader(path))
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 4 + 40  # version 0: 40 bytes stand before the matrix
    matrix = b"".join(v.to_bytes(4, "big", signed=True) for v in (a, b, 0, c, d, 0, 0, 0, 1 << 30))
    data[place : place + 36] = matrix
    reader = VideoReader(io.BytesIO(bytes(data)))
    assert reader.info.rotation == rotation
    for frame, before in zip(reader, upright, strict=True):
        np.testing.assert_array_equal(frame, turned(before))
        assert frame.flags.c_contiguous
        assert (reader.info.height, reader.info.width) == frame.shape[:2]


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "webm", "gif"])
def test_a_path_and_a_file_object_give_the_same(clip, suffix):
    path = clip(f"a.{suffix}")
    from_path, from_memory = VideoReader(path), VideoReader(io.BytesIO(path.read_bytes()))
    assert from_path.info == from_memory.info
    assert from_path.info.frame_count == 12
    assert from_path.warnings == []
    pairs = list(zip(from_path, from_memory, strict=True))  # both at once, from one file
    assert len(pairs) == 12
    assert all(np.array_equal(a, b) for a, b in pairs)


def test_avi_and_others_of_ffmpeg_are_read(tmp_path, frames):
    for name, codec in {"a.avi": "mjpeg", "a.ts": "mpeg2video", "a.flv": "flv"}.items():
        pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        planes = [yuv_from_rgb(f, BT601, full=codec == "mjpeg") for f in frames(10)]
        options = {"qscale": "2", "flags": "+qscale", "global_quality": "236"}
        path = encode(tmp_path / name, planes, codec=codec, pix_fmt=pix_fmt, options=options)
        reader = VideoReader(path)
        read = list(reader)
        assert len(read) == 10, name
        assert reader.info.fps == 25, name
        assert reader.warnings == [], name
        for frame, original in zip(read, frames(10), strict=True):
            assert np.abs(frame.astype(int) - original).mean() < 4, name


def test_two_runs_through_one_file_object_do_not_disturb_each_other(clip):
    reader = VideoReader(io.BytesIO(clip(count=9).read_bytes()))
    alone = list(reader)
    for first, second in zip(reader, itertools.islice(reader, 3, None), strict=False):
        index = next(i for i, frame in enumerate(alone) if np.array_equal(frame, first))
        np.testing.assert_array_equal(second, alone[index + 3])


def test_reading_again_starts_again(clip):
    reader = VideoReader(clip(count=5))
    assert next(iter(reader)).shape == (48, 64, 3)
    first, second = list(reader), list(reader)
    assert len(first) == 5
    assert np.array_equal(first, second)


@pytest.mark.parametrize(("start", "stop", "count"), [(0, 4, 4), (3, None, 9), (3, 7, 4), (11, None, 1), (5, 99, 7)])
@pytest.mark.parametrize("name", ["a.mp4", "a.gif", "a.webp", "stills/f-%03d.png"])
def test_start_and_stop(tmp_path, clip, frames, name, start, stop, count):
    path = animated(tmp_path / name, frames(12), lossless=True) if name == "a.webp" else clip(name)
    everything = list(VideoReader(path))
    reader = VideoReader(path, start=start, stop=stop)
    part = list(reader)
    assert len(part) == count == reader.info.frame_count
    assert np.array_equal(part, everything[start:stop])
    assert reader.start_seconds == Fraction(start, 25)
    assert reader.warnings == []


def test_a_start_behind_the_end_is_an_error(clip):
    with pytest.raises(ImageError, match="more than 12 whole frames"):
        list(VideoReader(clip(count=12), start=12))


@pytest.mark.parametrize(("start", "stop"), [(-1, None), (3, 3), (3, 2)])
def test_start_and_stop_must_hold_frames(clip, start, stop):
    with pytest.raises(ImageError, match="0 <= start < stop"):
        VideoReader(clip(), start=start, stop=stop)


def animated(path, pictures, *, duration=40, **options):
    first, *others = (Image.fromarray(p) for p in pictures)
    first.save(path, save_all=True, append_images=others, duration=duration, loop=0, **options)
    return path


@pytest.mark.parametrize(
    ("name", "options"), [("a.webp", {"lossless": True}), ("a.png", {}), ("a.apng", {"format": "PNG"})]
)
def test_lossless_animations_come_back_exactly(tmp_path, frames, name, options):
    path = animated(tmp_path / name, frames(7), **options)
    reader = VideoReader(path)
    assert np.array_equal(list(reader), list(frames(7)))
    assert (reader.info.fps, reader.info.frame_count, reader.warnings) == (25, 7, [])
    assert np.array_equal(list(VideoReader(io.BytesIO(path.read_bytes()))), list(frames(7)))


@pytest.mark.parametrize("suffix", ["webp", "png", "gif"])
def test_transparency_is_laid_over_the_background(tmp_path, suffix):
    pictures = []
    for index in range(3):
        rgba = np.zeros((16, 24, 4), np.uint8)
        rgba[4:8, 4 + index : 8 + index] = (200, 40, 40, 255)
        pictures.append(rgba)
    path = animated(tmp_path / f"a.{suffix}", pictures, disposal=2, **({"lossless": True} if suffix == "webp" else {}))
    for background in ((255, 255, 255), (0, 90, 0)):
        for index, frame in enumerate(VideoReader(path, background=background)):
            assert frame[0, 0].tolist() == list(background)
            steps_near(frame[5, 5 + index], (200, 40, 40), 4)  # H.264 at its best
            assert frame[5, 3 + index].tolist() == list(background)  # what the frame before had drawn is gone


def test_transparent_webm_is_laid_over_the_background(tmp_path):
    luma, chroma, alpha = np.full((32, 32), 60), np.full((16, 16), 128), np.zeros((32, 32))
    alpha[:, 16:] = 255
    path = encode(
        tmp_path / "a.webm",
        [[luma, chroma, chroma, alpha]] * 3,
        pix_fmt="yuva420p",
        codec="libvpx-vp9",
        options={"crf": "4", "b": "0"},
    )
    frame = next(iter(VideoReader(path, background=(0, 200, 0))))
    steps_near(frame[16, 4], (0, 200, 0), 3)  # three planes, each rounded
    steps_near(frame[16, 28], (51, 51, 51), 3)  # (60 - 16) * 255 / 219


def test_uneven_timing_gives_all_frames_at_their_average_rate(tmp_path, frames):
    path = animated(tmp_path / "a.webp", frames(4), lossless=True, duration=[20, 20, 20, 340])
    reader = VideoReader(path)
    assert len(list(reader)) == 4
    assert reader.info.fps == 10
    reader = VideoReader(animated(tmp_path / "a.gif", frames(4), duration=[20, 20, 20, 340]))
    assert len(list(reader)) == 4
    assert reader.info.fps == 10


@pytest.mark.parametrize("source", ["folder", "pattern", "glob"])
def test_stills_are_read_in_counting_order(tmp_path, source):
    for number in (10, 2, 1):
        write_image(tmp_path / f"f-{number}.png", np.full((4, 5, 3), number, np.uint8))
    (tmp_path / "notes.txt").write_text("not a frame")
    (tmp_path / ".f-3.png").write_bytes(b"a hidden file")
    name = {"folder": tmp_path, "pattern": tmp_path / "f-%d.png", "glob": tmp_path / "f-*.png"}[source]
    reader = VideoReader(name, fps="24000/1001")
    assert [int(frame[0, 0, 0]) for frame in reader] == [1, 2, 10]
    assert (reader.info.width, reader.info.height, reader.info.frame_count) == (5, 4, 3)
    assert reader.info.fps == Fraction(24000, 1001)
    assert VideoReader(name).info.fps == 25


def test_a_pattern_takes_its_own_numbers_only(tmp_path):
    for name in ("f-00001.png", "f-1.png", "f-000001.png", "g-00002.png", "f-00003.jpg"):
        write_image(tmp_path / name, np.zeros((4, 4, 3), np.uint8))
    assert len(list(VideoReader(tmp_path / "f-%05d.png"))) == 1


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path, clip):
    clip("plain.mp4").rename(tmp_path / "50%d [x].mp4")
    assert len(list(VideoReader(tmp_path / "50%d [x].mp4"))) == 12


def test_one_still_is_a_clip_of_one_frame(tmp_path, frames):
    write_image(tmp_path / "a.png", next(frames(1)))
    for source in (tmp_path / "a.png", io.BytesIO((tmp_path / "a.png").read_bytes())):
        reader = VideoReader(source)
        assert reader.info.frame_count == 1
        assert np.array_equal(list(reader), list(frames(1)))


@pytest.mark.parametrize(("size", "lengths"), [(1, [1] * 7), (3, [3, 3, 1]), (7, [7]), (20, [7])])
def test_batches(frames, size, lengths):
    groups = list(batches(frames(7), size))
    assert [len(group) for group in groups] == lengths
    assert np.array_equal(np.concatenate(groups), list(frames(7)))


def test_batches_take_one_at_least(frames):
    with pytest.raises(ValueError, match="1 or more"):
        next(batches(frames(3), 0))


def test_batches_ask_for_no_frame_ahead():
    asked = []

    def source():
        for index in range(6):
            asked.append(index)
            yield np.zeros((2, 2, 3), np.uint8)

    next(batches(source(), 2))
    assert asked == [0, 1]


class Counting(io.BytesIO):
    """Counts the bytes that were asked for."""

    taken = 0

    def read(self, size=-1):
        data = super().read(size)
        self.taken += len(data)
        return data


def test_a_file_is_read_as_its_frames_are_asked_for(tmp_path):
    """Stored raw, so that FFmpeg's look at a clip's start (5 MB) is a small part of it."""
    planes = [np.zeros((512, 512)), np.zeros((256, 256)), np.zeros((256, 256))]
    path = encode(tmp_path / "a.avi", [planes] * 60, codec="rawvideo", options={"threads": "1"})
    size = path.stat().st_size
    assert size > 20_000_000
    file = Counting(path.read_bytes())
    reader = VideoReader(file)
    file.taken = 0
    run = iter(reader)
    next(run)
    at_first = file.taken
    for _ in range(29):
        next(run)
    halfway = file.taken
    assert at_first < 0.4 * size
    assert 0.4 * size < halfway < 0.8 * size


@pytest.mark.parametrize("suffix", ["mp4", "gif", "webp"])
def test_memory_does_not_grow_with_the_clip(tmp_path, clip, frames, suffix):
    """But for the compressed bytes of a WebP, which its decoder wants at once."""

    def peak(count):
        name = f"{count}.{suffix}"
        path = animated(tmp_path / name, frames(count), lossless=True) if suffix == "webp" else clip(name, count)
        reader = VideoReader(path)
        tracemalloc.start()
        try:
            assert sum(1 for _ in reader) == count
            return tracemalloc.get_traced_memory()[1] - (2 * path.stat().st_size if suffix == "webp" else 0)
        finally:
            tracemalloc.stop()

    frame_bytes = 48 * 64 * 3
    assert peak(200) < peak(20) + 20 * frame_bytes


def test_close_ends_what_is_under_way(clip):
    with VideoReader(clip()) as reader:
        run = iter(reader)
        next(run)
    with pytest.raises(StopIteration):
        next(run)


@pytest.mark.parametrize(
    ("value", "rate"),
    [
        (25, Fraction(25)),
        (12.5, Fraction(25, 2)),
        ("24000/1001", Fraction(24000, 1001)),
        ("30", Fraction(30)),
        (Fraction(15, 2), Fraction(15, 2)),
        (23.976, Fraction(24000, 1001)),
        (29.97, Fraction(30000, 1001)),
        (59.94, Fraction(60000, 1001)),
        (30000 / 1001, Fraction(30000, 1001)),
        (24.0, Fraction(24)),
        (23.9, Fraction(239, 10)),
        (0.5, Fraction(1, 2)),
    ],
)
def test_frame_rates_are_exact(value, rate):
    assert frame_rate(value) == rate


@pytest.mark.parametrize("value", [0, -25, 1001, "fast", float("nan"), float("inf"), "1/0", None])
def test_bad_frame_rates_are_refused(value):
    with pytest.raises(ImageError, match="frame rate"):
        frame_rate(value)
