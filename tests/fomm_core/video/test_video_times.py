"""Each frame at its time, whatever the file says of it."""

from __future__ import annotations

import itertools
from fractions import Fraction

import av
import numpy as np
import pytest
from fomm_nodes.fomm_core.errors import ImageError
from fomm_nodes.fomm_core.video import Seconds, VideoReader, VideoWriter
from fomm_nodes.fomm_core.video.times import LONGEST_HOLD, FrameClock, Part
from nearness import DOUBLE, near, steps_near, within_seconds
from PIL import Image

HELD = [0, 1000, 1040, 1080, 1120]  # milliseconds: a first image that stands for a second
TURN = [*range(0, 600, 40), *range(600, 1600, 100)]  # 25 frames per second, then 10
TICK = 1
"""Milliseconds: Matroska and FLV count nothing smaller, and rounding may fall to the next."""


def greys(count):
    return [np.full((48, 64, 3), 30 + 180 * index // max(count - 1, 1), np.uint8) for index in range(count)]


def write(path, times, *, last=40, codec="libx264", fps=None, b_frames=0, pictures=None, options=None):
    """Grey frames at `times` in milliseconds, by PyAV alone."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps or 25, options=options or {})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.max_b_frames = b_frames
        tick = Fraction(1, fps) if fps else Fraction(1, 1000)
        stream.codec_context.time_base = tick
        for time, picture in zip(times, pictures or greys(len(times)), strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = round(Fraction(time, 1000) / tick), tick
            container.mux(stream.encode(frame))
        packets = stream.encode(None)
        container.mux(packets)
    return path


def read(path, **part):
    """(milliseconds at which each frame begins, and the last ends; the greys)."""
    reader = VideoReader(path, **part)
    timed = list(reader.timed())
    assert [float(time) for time, _ in timed] == list(reader.times)[:-1]
    assert all(isinstance(time, Fraction) for time, _ in timed)
    return [round(1000 * time) for time in reader.times], [round(float(frame.mean())) for _, frame in timed]


@pytest.mark.parametrize("times", [HELD, TURN, [*range(0, 400, 40)]], ids=["held", "turn", "even"])
@pytest.mark.parametrize("name", ["a.mp4", "b.mp4", "a.mov", "a.mkv", "a.webm", "a.ts", "a.flv", "a.nut"])
def test_frames_have_the_times_that_the_file_states(tmp_path, name, times):
    codec = {"webm": "libvpx-vp9", "flv": "flv1"}.get(name[-4:].strip("."), "libx264")
    options = {"bf": "3", "b-adapt": "0"} if name == "b.mp4" else {"bf": "0"} if codec == "libx264" else {}
    path = write(tmp_path / name, times, codec=codec, b_frames=3 if name == "b.mp4" else 0, options=options)
    found, _ = read(path)
    assert len(found) == len(times) + 1
    near(found[:-1], times, TICK, of=1)


@pytest.mark.parametrize("codec", ["mpeg4", "libx264"])
@pytest.mark.parametrize("b_frames", [0, 2])
def test_avi_has_places_instead_of_times(tmp_path, codec, b_frames):
    options = {"bf": str(b_frames)} if codec == "libx264" else {}
    path = write(tmp_path / "a.avi", range(0, 800, 40), codec=codec, fps=25, b_frames=b_frames, options=options)
    assert read(path)[0] == list(range(0, 840, 40))


def test_null_frames_of_an_avi_hold_the_picture_and_are_no_damage(tmp_path):
    places = [0, 80, 120, 160, 1200, 1240]
    path = write(tmp_path / "a.avi", places, codec="mpeg4", fps=25)
    reader = VideoReader(path)
    list(reader)
    assert [round(1000 * time) for time in reader.times] == [*places, 1280]
    assert reader.warnings == []


@pytest.mark.parametrize("suffix", ["png", "gif", "webp", "avif"])
def test_the_delays_that_an_animation_states_are_its_length(tmp_path, suffix):
    first, *others = (Image.fromarray(grey) for grey in greys(4))
    path = tmp_path / f"a.{suffix}"
    first.save(path, save_all=True, append_images=others, duration=[500, 40, 40, 40])
    reader = VideoReader(path)
    near(reader.info.fps, 4 / 0.62, DOUBLE)
    assert reader.info.duration == Fraction(62, 100)
    assert read(path)[0] == [0, 500, 540, 580, 620]


def test_a_gif_of_one_frame_lasts_as_long_as_it_says(tmp_path):
    Image.fromarray(greys(1)[0]).save(tmp_path / "a.gif", duration=300, save_all=True)
    reader = VideoReader(tmp_path / "a.gif")
    assert reader.info.duration == Fraction(3, 10)
    assert read(tmp_path / "a.gif")[0] == [0, 300]


def test_equal_frames_that_pillow_merges_keep_their_time(tmp_path):
    black, white = greys(2)
    pictures = [Image.fromarray(frame) for frame in [black] * 25 + [white] * 3]
    for name in ("a.gif", "a.webp"):
        pictures[0].save(tmp_path / name, save_all=True, append_images=pictures[1:], duration=40)
        times, shown = read(tmp_path / name)
        assert times[0] == 0
        assert times[-1] == 1120
        assert times[shown.index(max(shown))] == 1000


def test_animated_avif_keeps_its_transparency(tmp_path):
    pictures = [Image.new("RGBA", (32, 32), (200, 40, 40, alpha)) for alpha in (255, 128, 0)]
    pictures[0].save(tmp_path / "a.avif", save_all=True, append_images=pictures[1:], duration=40, quality=100)
    shown = [frame[16, 16] for frame in VideoReader(tmp_path / "a.avif", background=(0, 0, 200))]
    steps_near(shown, [(200, 40, 40), (100, 20, 120), (0, 0, 200)], 4)  # AVIF's loss at quality 100


def test_matroska_states_where_a_track_ends(tmp_path):
    path = write(tmp_path / "a.mkv", [500 + 40 * index for index in range(30)])
    reader = VideoReader(path)
    assert len(list(reader)) == reader.info.frame_count == 30
    assert reader.warnings == []
    within_seconds(reader.info.duration, 1.2, 0.002)  # begin and end in milliseconds


def test_lost_frames_hold_the_one_before(tmp_path):
    """Packets in the middle are overwritten: what follows stays at its time, and the last image is held."""
    noise = list(np.random.default_rng(0).integers(0, 256, (100, 48, 64, 3), np.uint8))
    path = write(tmp_path / "a.mkv", range(0, 4000, 40), pictures=noise, options={"g": "25", "bf": "0"})
    with av.open(str(path)) as container:
        lost = [bytes(packet) for packet in container.demux(video=0) if packet.size and 1200 <= packet.pts < 1600]
    data = path.read_bytes()
    for packet in lost:
        assert data.count(packet) == 1
        data = data.replace(packet, b"\xff" * len(packet))
    path.write_bytes(data)
    reader = VideoReader(path)
    list(reader)
    times = [round(1000 * time) for time in reader.times]
    assert times[-1] == 4000
    assert set(times) <= set(range(0, 4040, 40))
    assert not {time for time in times if 1200 <= time < 1600}
    assert set(range(2000, 4040, 40)) <= set(times)
    assert any("held for its time" in warning for warning in reader.warnings)


def test_a_start_in_the_middle_of_a_group_holds_the_first_picture(tmp_path):
    path = write(tmp_path / "a.ts", range(0, 4000, 40), options={"g": "50", "bf": "0", "sc_threshold": "0"})
    with av.open(str(path)) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.size]
    data = path.read_bytes()
    path.write_bytes(data[:564] + data[places[20] :])  # the tables, and the rest from 0.8 s on
    reader = VideoReader(path)
    list(reader)
    times = [round(1000 * time) for time in reader.times]
    with av.open(str(path)) as container:
        packets = [packet.pts for packet in container.demux(video=0) if packet.pts is not None]
    assert times[0] == 0
    assert times[-1] == (max(packets) - min(packets)) // 90 + 40
    assert times[1] > 200  # what could not be decoded
    assert {after - before for before, after in itertools.pairwise(times[1:])} == {40}
    assert any("cannot be decoded" in warning for warning in reader.warnings)


def test_jpegs_in_a_row_are_a_clip(tmp_path):
    path = write(tmp_path / "a.mjpeg", range(0, 400, 40), codec="mjpeg", options={"strict": "-1"})
    found, shown = read(path)
    assert found == list(range(0, 440, 40))
    assert shown == sorted(shown)


def test_a_photograph_with_a_second_picture_stays_one(tmp_path):
    first, second = (Image.fromarray(grey) for grey in greys(2))
    first.save(tmp_path / "a.jpg")
    second.save(tmp_path / "b.jpg")
    (tmp_path / "c.jpg").write_bytes((tmp_path / "a.jpg").read_bytes() + (tmp_path / "b.jpg").read_bytes())
    first.save(tmp_path / "d.jpg", format="MPO", save_all=True, append_images=[second] * 3)
    assert [len(list(VideoReader(tmp_path / name))) for name in ("a.jpg", "c.jpg", "d.jpg")] == [1, 1, 1]


@pytest.mark.parametrize(("name", "codec"), [("a.h264", "libx264"), ("a.hevc", "libx265")])
def test_a_stream_without_container_goes_at_its_rate(tmp_path, name, codec):
    if codec == "libx265" and codec not in av.codecs_available:
        pytest.skip("no HEVC encoder here")
    path = write(tmp_path / name, range(0, 800, 40), codec=codec, fps=25)
    found, shown = read(path)
    assert found == list(range(0, 840, 40))
    assert shown == sorted(shown)


def test_raw_dv_is_read(tmp_path):
    frames = [np.full((576, 720, 3), 60 * index, np.uint8) for index in range(4)]
    with av.open(str(tmp_path / "a.dv"), "w", format="dv") as container:
        stream = container.add_stream("dvvideo", rate=25)
        stream.width, stream.height, stream.pix_fmt = 720, 576, "yuv420p"
        for picture in frames:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    found, shown = read(tmp_path / "a.dv")
    assert found == [0, 40, 80, 120, 160]
    assert shown == sorted(shown)


def test_a_bare_stream_that_cannot_be_read_says_what_helps(tmp_path):
    (tmp_path / "a.obu").write_bytes(b"\0" * 500)
    with pytest.raises(ImageError, match=r'wrapped: ffmpeg -i "a\.obu" -c copy "a\.mp4"'):
        VideoReader(tmp_path / "a.obu")


def times_of(stated, *, zero=None, step=Fraction(40)):
    clock = FrameClock(None if zero is None else Fraction(zero), step)
    return [int(clock.time(None if time is None else Fraction(time))) for time in stated]


FAR = int(LONGEST_HOLD) + 1000


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ([0, 40, 200], [0, 40, 200]),
        ([500, 540, 580], [0, 40, 80]),
        ([None, None, None], [0, 40, 80]),
        ([0, None, 100, None], [0, 40, 100, 140]),
        ([0, 40, 40, 120], [0, 40, 80, 120]),
        ([0, 0, 0, 100, 100, 200], [0, 40, 80, 100, 140, 200]),  # bursts
        ([7, 7, 7, 7], [0, 40, 80, 120]),
        ([0, 40, 5000, 2000, 2040], [0, 40, 5000 - 5000 + 80, 120, 160]),  # beyond an hour here, and back
        ([8000, 8040, 0, 40, 80], [0, 40, 80, 120, 160]),  # joined, or wrapped around
        ([0, 40, FAR, FAR + 40], [0, 40, 80, 120]),  # a fault
    ],
)
def test_times_always_rise(stated, expected):
    assert times_of(stated) == expected


def test_a_stream_begins_where_the_file_says():
    assert times_of([300, 340], zero=100) == [200, 240]
    assert times_of([50, 90], zero=100) == [0, 40]


@pytest.mark.parametrize(
    ("part", "times", "frames"),
    [
        ({"start": 2}, [1040, 1080, 1120, 1160], [2, 3, 4]),
        ({"start": 1, "stop": 3}, [1000, 1040, 1080], [1, 2]),
        ({"length": 1}, [0, 1000], [0]),
        ({"start": Seconds(Fraction(1))}, [1000, 1040, 1080, 1120, 1160], [1, 2, 3, 4]),
        ({"start": Seconds(Fraction("0.4"))}, [400, 1000, 1040, 1080, 1120, 1160], [0, 1, 2, 3, 4]),  # the held one
        ({"start": Seconds(Fraction("1.05"))}, [1080, 1120, 1160], [3, 4]),
        ({"start": Seconds(Fraction("0.4")), "length": 2}, [400, 1000, 1040], [0, 1]),
        ({"start": Seconds(Fraction("0.2")), "length": Seconds(Fraction("0.5"))}, [200, 700], [0]),
        ({"start": 1, "length": Seconds(Fraction("0.08"))}, [1000, 1040, 1080], [1, 2]),
        ({"stop": Seconds(Fraction("1.06"))}, [0, 1000, 1040, 1080], [0, 1, 2]),
        (
            {"start": Seconds(Fraction("0.4")), "length": Seconds(Fraction("0.66"))},
            [400, 1000, 1040, 1060],
            [0, 1, 2],
        ),
    ],
)
def test_parts(tmp_path, part, times, frames):
    path = write(tmp_path / "a.mp4", HELD, options={"bf": "0", "qp": "0"})
    whole = read(path)[1]
    found, shown = read(path, **part)
    near(found, times, TICK if len(times) < 3 or times[-1] == 1160 else 0, of=1)
    assert shown == [whole[frame] for frame in frames]
    assert VideoReader(path, **part).start_seconds == Fraction(times[0], 1000)
    assert VideoReader(path, **part).count() == len(frames)


def test_a_part_that_holds_no_frame(tmp_path):
    path = write(tmp_path / "a.mp4", HELD)
    with pytest.raises(ImageError, match="more than 5 s"):
        list(VideoReader(path, start=Seconds(Fraction(5))))


def test_a_part_of_an_animation_shows_the_held_picture(tmp_path):
    black, *others = (Image.fromarray(grey) for grey in greys(4))
    black.save(tmp_path / "a.webp", save_all=True, append_images=others, duration=[500, 40, 40, 40], lossless=True)
    found, shown = read(tmp_path / "a.webp", start=Seconds(Fraction("0.2")))
    assert found == [200, 500, 540, 580, 620]
    assert shown == [30, 90, 150, 210]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("60", 60),
        ("2.5s", Seconds(Fraction(5, 2))),
        ("2 s", Seconds(Fraction(2))),
        (".5s", Seconds(Fraction(1, 2))),
        ("0:02.5", Seconds(Fraction(5, 2))),
        ("1:02:03.25", Seconds(Fraction("3723.25"))),
        ("90:00", Seconds(Fraction(5400))),
    ],
)
def test_places_as_they_are_typed(text, place):
    assert Seconds.parse(text) == place


@pytest.mark.parametrize("text", ["", "-1", "2.5", "s", "1:2:3:4", "1e3s", "0:0x"])
def test_other_places_are_refused(text):
    with pytest.raises(ValueError, match=r".*"):
        Seconds.parse(text)


@pytest.mark.parametrize("part", [{"start": Seconds(Fraction(2)), "stop": Seconds(Fraction(1))}, {"length": 0}])
def test_empty_parts_are_refused(part):
    with pytest.raises(ImageError, match="expected"):
        Part(**part)


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "webm", "gif"])
@pytest.mark.parametrize("times", [HELD, TURN], ids=["held", "turn"])
def test_what_is_written_with_times_has_them(tmp_path, suffix, times):
    path = tmp_path / f"a.{suffix}"
    ends = [*times[1:], times[-1] + 500]
    with VideoWriter(path, fps=25, uneven=True) as writer:
        for frame, end in zip(greys(len(times)), ends, strict=True):
            writer.write(frame, [Fraction(end, 1000)])
    found, _ = read(path)
    near(found[: len(times)], times, TICK, of=1)
    near(found[-1], ends[-1], TICK, of=1)


def test_stills_hold_no_times(tmp_path):
    with pytest.raises(ImageError, match="expected a video or GIF"):
        VideoWriter(tmp_path / "stills", fps=25, uneven=True)
    with (
        pytest.raises(ImageError, match="an end for each frame"),
        VideoWriter(tmp_path / "a.mp4", fps=25, uneven=True) as writer,
    ):
        writer.write(greys(1)[0])
    with (
        pytest.raises(ImageError, match="expected times that rise"),
        VideoWriter(tmp_path / "b.mp4", fps=25, uneven=True) as writer,
    ):
        writer.write(np.stack(greys(2)), [Fraction(1), Fraction(1)])
