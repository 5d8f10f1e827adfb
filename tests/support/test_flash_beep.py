"""The measuring tool itself: what it writes is what it sees, in every kind of file that other tests make by it."""

from __future__ import annotations

import pytest
from flash_beep import BEAT, beats, beeps_in, measure, sound, steady, write_clip
from nearness import within_seconds

EXACT = 0.005


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.webm", "a.ts", "a.avi"])
def test_what_is_written_is_seen(tmp_path, name):
    fps = 25 if name.endswith("avi") else None
    seen = measure(write_clip(tmp_path / name, steady(3, 25), fps=fps, hold=0.04))
    seen.check(seconds=3, flashes=[1, 2], beeps=[1, 2], within=EXACT)
    assert seen.frames == 75


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png"])
def test_silent_animations(tmp_path, name):
    seen = measure(write_clip(tmp_path / name, [*steady(1, 25), 1.0, 1.3, *steady(1, 10, 2.05)]))
    seen.check(seconds=3.05, flashes=[1, 2.05], beeps=[], within=EXACT)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.webm"])
def test_times_of_pictures_are_their_own(tmp_path, name):
    times = [0.2, *steady(1, 30, 0.5), *steady(1, 12, 2), *steady(1, 30, 3.5)]
    seen = measure(write_clip(tmp_path / name, times, hold=1 / 30, reordered=name != "a.webm"))
    seen.check(seconds=4.3, flashes=[0.8, 1.8, 3.8], beeps=[0.8, 1.8, 2.8, 3.8], within=EXACT)


def test_a_part_of_the_world_is_heard(tmp_path):
    seen = measure(write_clip(tmp_path / "a.mkv", steady(4, 25, 1), sound_start=2, sound_stop=4))
    seen.check(flashes=[0, 1, 2, 3], beeps=[1, 2], within=EXACT)
    within_seconds(seen.sound, (1, 3), 0.025)  # a packet


@pytest.mark.parametrize(("name", "audio"), [("a.webm", "libopus"), ("a.mkv", "pcm_s16le"), ("a.ts", "aac")])
def test_gaps_are_gaps(tmp_path, name, audio):
    gaps = [(beat + 0.2, beat + 0.95) for beat in beats(0, 4)]
    whole, holed = tmp_path / f"whole.{name}", tmp_path / name
    write_clip(whole, steady(4, 25), audio=audio)
    write_clip(holed, steady(4, 25), audio=audio, gaps=gaps)
    assert holed.stat().st_size < whole.stat().st_size
    measure(holed).check(flashes=beats(0, 4), beeps=beats(0, 4), within=EXACT)


def test_jitter_is_heard_as_it_is(tmp_path):
    seen = measure(write_clip(tmp_path / "a.mkv", steady(4, 25), audio="pcm_s16le", jitter=0.003))
    seen.check(beeps=beats(0, 4), within=EXACT)
    assert any(abs(beep - beat) > 1e-4 for beep, beat in zip(seen.beeps, beats(0, 4), strict=True))


def test_a_column_of_the_picture(tmp_path):
    """Columns of other brightness: an image three times as wide flashes in each."""
    path = write_clip(tmp_path / "a.mp4", steady(2, 25), width=192)
    for third in range(3):
        measure(path, (third / 3, (third + 1) / 3)).check(flashes=[1], beeps=[1], within=EXACT)


@pytest.mark.parametrize("rate", [8000, 44_100, 96_000])
def test_beeps_are_found_to_a_millisecond(rate):
    within_seconds(beeps_in(sound(0.25, 4, rate), rate, 0.25), [BEAT, BEAT + 1, BEAT + 2], 0.001)  # as promised


def test_a_fault_is_told(tmp_path):
    late = measure(write_clip(tmp_path / "late.mkv", steady(3, 25), sound_start=0))
    with pytest.raises(AssertionError, match="beep"):
        late.check(beeps=[1.1, 2.1])
    with pytest.raises(AssertionError, match="beep"):
        late.check(beeps=[1])
    with pytest.raises(AssertionError, match="s of pictures"):
        late.check(seconds=4)
    silent = measure(write_clip(tmp_path / "silent.mkv", steady(3, 25), audio=""))
    with pytest.raises(AssertionError, match="beep for each flash"):
        silent.check()
