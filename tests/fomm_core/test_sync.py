"""Flash and beep stay together: clips with all kinds of times through `animate_files`, seen in the comparison."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from flash_beep import Seen, beats, measure, steady, write_clip
from fomm_nodes.fomm_core import AnimationSession
from fomm_nodes.fomm_core.checkpoints import ASSETS
from fomm_nodes.fomm_core.model import MotionModel
from fomm_nodes.fomm_core.pipeline import FileOptions, Report, animate_files
from fomm_nodes.fomm_core.video import Seconds, VideoReader, read_image, write_image
from fomm_nodes.fomm_core.whole import CropOptions
from nearness import within_seconds
from scenes import ground, placed

SOURCE = ASSETS / "source.png"
DRIVER = (1 / 3, 2 / 3)
"""The column of the driving clip in a comparison."""


@pytest.fixture(scope="module")
def session(make: Callable[..., MotionModel]) -> AnimationSession:
    return AnimationSession(make(), chunk=16)


def compared(session: AnimationSession, clip: Path, output: Path, **options) -> tuple[Seen, Report]:
    chosen = FileOptions(compare=True, size="model", overwrite=True, **options)
    report = animate_files(session, SOURCE, clip, output, chosen)
    return measure(output, DRIVER), report


def joined(*parts: tuple[float, float]) -> list[float]:
    """Times of frames: (seconds, rate) after each other."""
    times: list[float] = []
    start = 0.0
    for seconds, fps in parts:
        times += steady(seconds, fps, start)
        start += seconds
    return times


def trembling(seconds: float, fps: float) -> list[float]:
    return [time + 0.2 / fps * ((7 * index) % 5 - 2) for index, time in enumerate(steady(seconds, fps))]


def without(times: list[float], *gaps: tuple[float, float]) -> list[float]:
    return [time for time in times if not any(begin < time < end for begin, end in gaps)]


FROZEN = without(steady(6, 25), (1.3, 1.9), (3.3, 4.8))
KINDS = {
    "phone.mp4": (joined((3, 30), (3, 24)), 30),
    "phone.mov": (joined((3, 60), (3, 24)), 60),
    "browser.webm": (joined((3, 30), (3, 10)), 30),
    "browser.mkv": ([max(0.0, time) for time in trembling(5.5, 30)], 30),
    "call.mp4": (FROZEN, 25),
    "call.webm": (FROZEN, 25),
    "call.mkv": (without(steady(6, 15), (2.4, 3.9)), 15),
    "held.mp4": (without(steady(6, 25), (0, 0.95)), 25),
    "slides.mov": (without(steady(6, 24), (1.3, 1.95), (2.3, 2.95), (3.3, 3.95), (4.3, 4.95)), 24),
    "screen.ts": (joined((2, 60), (2, 5), (2, 60)), 60),
    "dropped.avi": (without(steady(6, 25), (1.3, 1.9), (4.3, 4.7)), 25),
    "flash.flv": (without(steady(6, 30), (1.3, 1.9)), 30),
    "slow.mp4": (joined((3, 12), (3, 8)), 12),
    "ntsc.mp4": (steady(5.5, 30000 / 1001), Fraction(30000, 1001)),
    "even.mkv": (steady(6, 50), 50),
}


@pytest.mark.parametrize("name", KINDS)
def test_picture_and_sound_stay_together(session: AnimationSession, tmp_path: Path, name: str) -> None:
    times, rate = KINDS[name]
    extra = {"fps": 25} if name.endswith("avi") else {"video": "flv1", "audio": "aac"} if name.endswith("flv") else {}
    clip = write_clip(tmp_path / name, times, **extra)
    given = measure(clip)
    seen, report = compared(session, clip, tmp_path / "out.mp4")
    assert report.fps == rate
    assert report.frames / report.fps >= given.seconds - 0.5 / float(rate)
    seen.check(seconds=given.seconds, flashes=given.flashes, beeps=beats(0, times[-1]))


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "webm"])
def test_a_clip_can_keep_its_own_times(session: AnimationSession, tmp_path: Path, suffix: str) -> None:
    clip = write_clip(tmp_path / "call.mp4", FROZEN, hold=0.7)
    given = measure(clip)
    seen, report = compared(session, clip, tmp_path / f"out.{suffix}", fps="keep")
    assert report.frames == len(FROZEN) + 1  # and once more the last, which is held
    seen.check(seconds=given.seconds, flashes=given.flashes, beeps=given.beeps)
    within_seconds(seen.seconds, FROZEN[-1] + 0.7, 0.02)  # half of an image


def test_a_gif_keeps_its_delays(session: AnimationSession, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.webp", FROZEN, hold=0.7)
    seen, report = compared(session, clip, tmp_path / "out.gif", fps="keep")
    with VideoReader(clip) as reader:
        assert report.frames == reader.count() < len(FROZEN)  # Pillow merges equal images
    seen.check(seconds=measure(clip).seconds, flashes=measure(clip).flashes)


def test_stills_cannot_keep_times_and_say_so(session: AnimationSession, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "call.mp4", FROZEN)
    report = animate_files(session, SOURCE, clip, tmp_path / "out", FileOptions(size="model", fps="keep"))
    assert report.frames == 150
    assert any("own times were not kept" in warning for warning in report.warnings)


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png"])
def test_animations_with_holds(session: AnimationSession, tmp_path: Path, name: str) -> None:
    clip = write_clip(tmp_path / name, FROZEN)
    seen, report = compared(session, clip, tmp_path / "out.mp4")
    assert report.fps == 25
    seen.check(seconds=6, flashes=measure(clip).flashes)


@pytest.mark.parametrize(
    ("start", "frames", "begin"),
    [
        (Seconds(Fraction(5, 2)), None, 2.5),
        (Seconds(Fraction(36, 10)), Seconds(Fraction(2)), 3.6),  # in the middle of what is frozen
        (70, 60, FROZEN[70]),
    ],
)
def test_a_part_has_its_own_sound(session: AnimationSession, tmp_path: Path, start, frames, begin: float) -> None:
    clip = write_clip(tmp_path / "call.mp4", FROZEN)
    seen, report = compared(session, clip, tmp_path / "out.mp4", start=start, frames=frames)
    begin = min(time for time in FROZEN if time >= begin - 1e-9) if begin not in (3.6,) else begin
    end = begin + float(report.frames / report.fps)
    given = measure(clip)
    seen.check(
        flashes=[time - begin for time in given.flashes if begin < time < end],
        beeps=[time - begin for time in beats(begin, end)],
    )


def test_a_saved_performance_keeps_the_times(session: AnimationSession, tmp_path: Path) -> None:
    from fomm_nodes.fomm_core.motion import load_keypoints

    clip = write_clip(tmp_path / "call.mp4", FROZEN)
    saved = tmp_path / "saved.safetensors"
    first = animate_files(
        session, SOURCE, clip, tmp_path / "a.mp4", FileOptions(size="model", keypoints=saved), performance=None
    )
    performance = load_keypoints(saved)
    assert performance.keypoints.times is not None
    assert performance.fps == 25
    again = animate_files(
        session, SOURCE, clip, tmp_path / "b.mp4", FileOptions(size="model", compare=True), performance=performance
    )
    assert again.frames == first.frames == 150
    measure(tmp_path / "b.mp4", DRIVER).check(flashes=measure(clip).flashes, beeps=beats(0, 6))


MEDIA = {
    "base25.mp4": (6, 25),
    "phone_30_24.mp4": (20, 30),
    "mediarecorder.webm": (11.9, 30),
    "dropped.avi": (6.04, 25),
    "damaged.mp4": (6, 25),
    "vdelay.mkv": (6, 25),
    "midgop.ts": (9.6, 25),
    "dtx.webm": (6, 25),
    "a51.mp4": (6, 25),
    "m.mjpeg": (6, 25),
    "raw.h264": (6, 25),
}


@pytest.mark.parametrize("name", MEDIA)
def test_the_clips_that_failed(session: AnimationSession, tmp_path: Path, shared: Path, name: str) -> None:
    seconds, rate = MEDIA[name]
    clip = shared / "cases" / "media" / name
    if not clip.is_file():
        pytest.skip(f"no {clip}")
    seen, report = compared(session, clip, tmp_path / ("out.webm" if clip.suffix == ".webm" else "out.mp4"))
    assert report.fps == rate
    assert abs(report.frames - seconds * rate) <= 1
    given = measure(clip)
    late = 1.6 if name == "midgop.ts" else 0  # the first image that can be decoded is held from the beginning on
    flashes = [0.0 if late and flash == 0 else flash + late for flash in given.flashes]
    beeps = [beep + late for beep in given.beeps if 0 <= beep + late < seconds]
    seen.check(seconds=seconds, flashes=flashes, beeps=beeps)


def test_a_clip_for_each_face_keeps_the_sound_of_the_first_that_has_any(
    session: AnimationSession, tmp_path: Path
) -> None:
    portrait = read_image(SOURCE)
    write_image(tmp_path / "pair.png", placed(placed(ground(200, 400), portrait, 5, 5, 190), portrait, 205, 5, 190))
    silent = write_clip(tmp_path / "silent.webp", steady(2.5, 20))
    heard = write_clip(tmp_path / "heard.mkv", steady(3.2, 30))
    options = FileOptions(compare=True, size="model", crop=CropOptions(face="all"))
    report = animate_files(session, tmp_path / "pair.png", [silent, heard], tmp_path / "out.mp4", options)
    assert (report.fps, report.size) == (20, (200, 400))
    first, second = (measure(tmp_path / "out.mp4", (column / 6, (column + 1) / 6)) for column in (2, 3))
    first.check(flashes=beats(0, 2.5), beeps=beats(0, 3.2))
    second.check(flashes=beats(0, 3.2), beeps=beats(0, 3.2))
    animate_files(session, tmp_path / "pair.png", [silent, silent], tmp_path / "none.mp4", options)
    assert measure(tmp_path / "none.mp4").sound is None
