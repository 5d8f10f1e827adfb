"""Clips with uneven frames through blocks and the local engine's video nodes: flash and beep stay together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flash_beep import IN_STEP, beats, measure, steady, write_clip
from fomm_nodes.nodes.hosts.headless.encoding import Encoding
from fomm_nodes.nodes.hosts.headless.video import FileVideo, SlicedVideo, save_video
from nearness import within_seconds


def _without(times: list[float], *gaps: tuple[float, float]) -> list[float]:
    return [time for time in times if not any(begin < time < end for begin, end in gaps)]


FROZEN = _without(steady(4, 15), (1.3, 1.95), (2.3, 2.95))
KINDS = {
    "phone.mp4": (steady(2, 20) + steady(2, 12, 2), 20),
    "browser.webm": (steady(2, 15) + steady(2, 10, 2), 15),
    "call.mkv": (FROZEN, 15),
}


@pytest.fixture(params=KINDS)
def uneven(request: pytest.FixtureRequest, inputs: Path) -> tuple[Path, int]:
    times, rate = KINDS[request.param]
    return write_clip(inputs / request.param, times), rate


def anything(*size: int) -> None:
    """Allows all."""


def compared(clip: str, start: float = 0.0, duration: float = 0.0) -> dict[str, Any]:
    """Animate to Video, beside its driving clip, with the sound that it kept."""
    look = {"size": "model", "width": 64, "height": 64, "fit": "crop", "mode": "relative", "strength": 1.0}
    look |= {"anchor": "first", "smoothing": "none", "precision": "float32", "anchor_frame": 0}
    look |= {"relative_jacobian": "auto", "adapt_scale": True, "frame_rate": 0.0, "keep_sound": True}
    part = {"start_time": start, "duration": duration, "strict_duration": False}
    nodes: dict[str, tuple[str, dict[str, Any]]] = {
        "1": ("FOMM_LoadModel", {"model": "demo-128 (built-in)", "preset": "auto"}),
        "2": ("LoadImage", {"image": "a.png"}),
        "3": ("LoadVideo", {"file": clip}),
        "4": ("Video Slice", {"video": ["3", 0], **part}) if start or duration else ("LoadVideo", {"file": clip}),
        "5": ("FOMM_AnimateVideo", {"model": ["1", 0], "source": ["2", 0], "driving": ["4", 0], **look}),
        "6": ("GetVideoComponents", {"video": ["5", 0]}),
        "7": ("FOMM_Compare", {"result": ["6", 0], "driving": ["4", 0], "height": 64, "labels": False}),
        "8": ("CreateVideo", {"images": ["7", 0], "audio": ["6", 1], "fps": ["6", 2]}),
        "9": ("SaveVideo", {"video": ["8", 0], "filename_prefix": "out", "format": "auto", "codec": "auto"}),
    }
    return {number: {"class_type": kind, "inputs": values} for number, (kind, values) in nodes.items()}


def told(progress: Any) -> None:
    """Hears of progress."""


def test_animate_to_video_in_the_local_engine(engine, job, uneven: tuple[Path, int]) -> None:
    clip, rate = uneven
    (made,) = engine.run(job(compared(clip.name)), told).files
    given, seen = measure(clip), measure(made, (0, 0.5))
    assert seen.frames == round(4 * rate)
    seen.check(seconds=4, flashes=given.flashes, beeps=beats(0, 4))


def test_a_slice_in_the_local_engine(engine, job, inputs: Path) -> None:
    clip = write_clip(inputs / "call.mkv", FROZEN)
    (made,) = engine.run(job(compared(clip.name, 1.6, 2.0)), told).files  # begins in the middle of what is frozen
    seen = measure(made, (0, 0.5))
    seen.check(seconds=2, flashes=[0.4, 1.4], beeps=[0.4, 1.4])


def test_components_of_an_uneven_clip(tmp_path: Path, uneven: tuple[Path, int]) -> None:
    clip, rate = uneven
    parts = FileVideo(clip).frames(anything)
    assert parts.fps == rate
    assert len(parts.images) == round(4 * rate)
    bright = parts.images.mean((1, 2, 3)) > 0.6
    rising = [index / rate for index in range(1, len(bright)) if bright[index] and not bright[index - 1]]
    within_seconds(rising, measure(clip).flashes, IN_STEP)
    save_video(parts, tmp_path / "again.mp4", Encoding("mp4", "h264"), {}, anything)
    measure(tmp_path / "again.mp4").check(seconds=4, flashes=measure(clip).flashes, beeps=beats(0, 4))


def test_a_part_of_an_uneven_clip_is_saved_in_step(tmp_path: Path, inputs: Path) -> None:
    clip = write_clip(inputs / "call.mkv", FROZEN)
    part = FileVideo(clip).slice(1.6, 1.9)
    assert isinstance(part, SlicedVideo)
    save_video(part, tmp_path / "part.mp4", Encoding(), {}, anything)
    measure(tmp_path / "part.mp4").check(seconds=1.9, flashes=[0.4, 1.4], beeps=[0.4, 1.4])


def test_a_limit_counts_the_frames_that_a_hold_becomes(inputs: Path) -> None:
    clip = write_clip(inputs / "call.mkv", FROZEN)
    asked: list[int] = []
    FileVideo(clip).frames(lambda count, *size: asked.append(count))
    assert max(asked) == 60 > len(FROZEN)
