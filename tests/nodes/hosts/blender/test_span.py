"""Which frames of a file a strip shows: plain numbers, against a count frame by frame."""

from __future__ import annotations

import math

import pytest
from fomm_nodes.nodes.hosts.blender.span import StripError, clip_of, pace
from hypothesis import assume, given
from hypothesis import strategies as st

spans = st.tuples(st.integers(-50, 200), st.integers(1, 150)).map(lambda pair: (pair[0], pair[0] + pair[1]))
rates = st.sampled_from([1.0, 25 / 24, 24 / 25, 30 / 24, 12 / 24, 2.0, 0.4, 3.7])


@given(st.integers(1, 120), st.integers(0, 20), st.integers(-20, 60), rates, spans)
def test_every_frame_that_is_seen_can_be_made(
    media: int, offset: int, content: int, per_frame: float, visible: tuple[int, int]
) -> None:
    assume(offset < media)
    seen = [
        frame
        for frame in range(*visible)
        if frame >= content and (frame + 1 - content) * per_frame <= media - offset + 1e-3 * per_frame
    ]
    if not seen:
        with pytest.raises(StripError):
            clip_of(media, offset, content, per_frame, visible)
        return
    clip = clip_of(media, offset, content, per_frame, visible)
    assert (clip.start, clip.end) == (seen[0], seen[-1] + 1)
    assert 0 <= offset <= clip.first
    assert 1 <= clip.count <= media - clip.first
    # The first frame is the one that the strip shows there, and a result of `count` frames at the new rate
    # lasts to the strip's end, but for half a frame where the file has no more.
    assert clip.first == offset + math.floor((clip.start - content) * per_frame + 1e-3)
    made = round(clip.count / clip.per_frame)
    assert made >= (clip.end - clip.start) - (clip.first + clip.count == media) * max(1, round(1 / per_frame))


@given(st.integers(1, 500), st.integers(0, 20), st.sampled_from([12.0, 23.976, 25.0, 30.0, 50.0]))
def test_the_pace_is_read_off_the_length(media: int, offset: int, fps: float) -> None:
    assume(media - offset > 60)
    scene = 24.0
    assert pace(media, offset, media - offset, fps, scene) == 1.0
    own = pace(media, offset, round((media - offset) * scene / fps), fps, scene)
    assert math.isclose(own, fps / scene, rel_tol=1e-6) or (own == 1.0 and abs(fps - scene) < 0.5)
    assert pace(media, offset, (media - offset) * 3.1, fps, scene) is None


@given(st.integers(0, 100_000), st.integers(1, 5000), st.sampled_from([23.976023976, 24.0, 29.97002997, 60.0]))
def test_seconds_meet_whole_frames(first: int, count: int, fps: float) -> None:
    clip = clip_of(first + count, 0, 0, 1.0, (first, first + count))
    assert (clip.first, clip.count) == (first, count)
    start, duration = clip.seconds(fps)
    # as a slicing node counts: frames that begin in [start, start + duration)
    assert math.ceil(start * fps - 1e-3) == first
    assert math.ceil((start + duration) * fps - 1e-3) == first + count


def test_a_strip_that_only_holds_its_last_frame_is_refused() -> None:
    with pytest.raises(StripError, match=r"“talk” shows only its held first or last frame"):
        clip_of(40, 0, 10, 1.0, (50, 60), "talk")
