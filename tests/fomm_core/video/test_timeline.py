"""Decoded sound on one clock: gaps, overlaps, jitter, changes of format."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from flash_beep import beats, beeps_in, sound
from fomm_nodes.fomm_core.video.timeline import Timeline, frame_of, known_layout, laid_out
from nearness import within_seconds

EXACT = 0.0015  # of beeps: the tool tells 1 ms


def pieces(spans, *, rate=48_000, layout="mono", kind="flt", size=960, jitter=0.0):
    """Frames of the world (see flash_beep) over spans of seconds, each with its time in microseconds."""
    count = av.AudioLayout(layout).nb_channels
    strays = np.random.default_rng(0)
    for start, stop in spans:
        values = np.tile(sound(start, stop, rate), (count, 1))
        for first in range(0, values.shape[1], size):
            part = np.ascontiguousarray(values[:, first : first + size])
            frame = frame_of(part, rate, layout)
            if kind != "flt":
                (frame,) = av.AudioResampler(kind, layout, rate).resample(frame)
            time = start + first / rate + strays.uniform(-jitter, jitter)
            frame.pts, frame.time_base = round(time * 1e6), Fraction(1, 1_000_000)
            yield frame


def heard(frames, *, rate=48_000, layout="mono", origin=Fraction(0)):
    none = np.zeros((av.AudioLayout(layout).nb_channels, 0), np.float32)
    return np.concatenate([none, *laid_out(Timeline(rate, layout, origin), frames)], axis=1)


def assert_beeps(values, wanted, rate=48_000, within=EXACT):
    within_seconds(beeps_in(values, rate), wanted, within)


def test_gaps_become_silence():
    values = heard(pieces([(0, 1.5), (1.9, 2.5), (3.7, 5)]))
    assert values.shape == (1, 5 * 48_000)
    assert_beeps(values, [1, 2, 4])
    assert not values[:, 72_000:91_200].any()


def test_a_late_begin_is_preceded_by_silence_and_what_is_before_the_origin_is_left_out():
    assert_beeps(heard(pieces([(0.7, 3.5)])), [1, 2, 3])
    early = heard(pieces([(0.7, 3.5)]), origin=Fraction(17, 10))
    assert early.shape == (1, round(1.8 * 48_000))
    assert_beeps(early, [0.3, 1.3])
    assert heard(pieces([(0.7, 3.5)]), origin=Fraction(4)).shape == (1, 0)


def test_what_is_said_twice_is_heard_once():
    values = heard(pieces([(0, 2.5), (1.5, 4.5)]))
    assert values.shape == (1, round(4.5 * 48_000))
    assert_beeps(values, [1, 2, 3, 4])


@pytest.mark.parametrize(("jitter", "size"), [(0.0045, 960), (0.014, 2880)])
def test_jitter_does_not_tear(jitter, size):
    """Packets of browsers are stamped by the clock; within half of their length nothing is cut or filled in."""
    steady, jittered = (heard(pieces([(0, 3)], jitter=stray, size=size)) for stray in (0.0, jitter))
    late = jittered.shape[1] - steady.shape[1]
    assert abs(late) <= jitter * 48_000  # the first packet's own stray
    assert np.array_equal(jittered[:, max(late, 0) :], steady[:, max(-late, 0) :])


def test_drift_is_followed():
    """A sound card that is 1 % slow: times rule in the long run, to within half of a packet."""
    frames = list(pieces([(0, 30)]))
    for frame in frames:
        frame.pts = round(frame.pts * 1.01)
    assert_beeps(heard(frames), [beat * 1.01 for beat in beats(0, 30)], within=0.012)


def test_frames_without_a_time_follow_at_once():
    frames = list(pieces([(0, 3)]))
    for frame in frames[1:]:
        frame.pts = None
    assert_beeps(heard(frames), [1, 2])


@pytest.mark.parametrize("jump", [-30, 5000])
def test_a_clock_that_is_set_anew_does_not_stop_the_sound(jump):
    frames = list(pieces([(0, 3), (3, 6)]))
    for frame in frames[150:]:
        frame.pts += jump * 1_000_000
    values = heard(frames)
    assert values.shape == (1, 6 * 48_000)
    assert_beeps(values, [1, 2, 3, 4, 5])


def test_silence_comes_in_pieces():
    """So that a gap of an hour costs no memory."""
    frames = list(pieces([(0, 0.1), (3000, 3000.1)]))
    timeline = Timeline(48_000, "mono", Fraction(0))
    sizes = [part.shape[1] for part in laid_out(timeline, frames)]
    assert max(sizes) <= 48_000
    assert sum(sizes) == round(3000.1 * 48_000)


def test_rate_and_layout_may_change_on_the_way():
    changing = [
        *pieces([(0, 1.5)], rate=44_100),
        *pieces([(1.5, 2.5)], rate=48_000, layout="5.1"),
        *pieces([(2.5, 3.5)], rate=8_000, layout="stereo"),
    ]
    values = heard(changing, layout="stereo")
    assert values.shape[0] == 2
    within_seconds(values.shape[1] / 48_000, 3.5, 0.002)  # each resampler rounds
    for beat in (1, 2, 3):  # each by itself: mixing makes them differently loud
        assert_beeps(values[:, (beat - 1) * 48_000 + 24_000 : beat * 48_000 + 24_000], [0.5], within=0.003)


@pytest.mark.parametrize("kind", ["u8", "u8p", "s16", "s16p", "s32", "s32p", "flt", "fltp", "dbl", "dblp"])
@pytest.mark.parametrize("layout", ["mono", "stereo", "quad", "5.1(side)", "7.1"])
def test_samples_of_any_kind(kind, layout):
    values = heard(pieces([(0, 1.5)], kind=kind, layout=layout, size=1200), layout=layout)
    assert values.shape == (av.AudioLayout(layout).nb_channels, 72_000)
    assert values.dtype == np.float32
    wanted = np.broadcast_to(sound(0, 1.5, 48_000), values.shape)
    step = 1 / 128 if kind.startswith("u8") else 1 / 32768  # of the coarsest samples
    assert np.abs(values - wanted).max() <= step


@pytest.mark.parametrize(("count", "layout"), [(1, "mono"), (4, "quad"), (6, "5.1"), (8, "7.1"), (10, "mono")])
def test_channels_of_unknown_places(count, layout):
    """As WAV without a mask has them: the usual layout, each channel where it was; ten of them are mixed evenly."""
    values = np.zeros((count, 4800), np.int16)
    values[:] = 1000 * (np.arange(count)[:, None] + 1)
    frame = av.AudioFrame.from_ndarray(values.T.reshape(1, -1).copy(), format="s16", layout=f"{count} channels")
    frame.sample_rate, frame.pts, frame.time_base = 48_000, 0, Fraction(1, 48_000)
    assert known_layout(frame.layout) == layout
    given = heard([frame], layout=layout) * 32768
    wanted = values if layout != "mono" else values.mean(0, keepdims=True)
    assert np.abs(given - wanted).max() <= 1  # a step of 16 bits
