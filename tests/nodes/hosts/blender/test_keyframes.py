"""Keyframes on strengths and weights, in a real Blender: `FOMM_BPY_PYTHON` is a Python that has `bpy`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fomm_nodes.fomm_core.motion import load_keypoints
from fomm_nodes.fomm_core.video import VideoReader, VideoWriter
from fomm_nodes.nodes.hosts.blender.over_time import curve_text, followed, with_strength
from inside_blender import checks_of, run_inside
from nearness import near

INSIDE = Path(__file__).with_name("inside") / "keyframing.py"
STEPS, SHOWN = 5, 2
"""As inside: strength rises from 0 to 1 in so many frames; this one lies between."""


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory, root: Path) -> dict[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("keyframes")
    for name in ("driving.mp4", "source.png"):
        shutil.copy(root / "fomm_core" / "assets" / name, folder)
    with VideoWriter(folder / "wide.mp4", fps=30, quality=95) as writer:
        for frame in VideoReader(folder / "driving.mp4"):
            writer.write(np.pad(frame, ((0, 0), (64, 64), (0, 0)), mode="edge"))
    return run_inside(INSIDE, folder)


@pytest.mark.parametrize("name", checks_of(INSIDE))
def test_inside_blender(name: str, inside: dict[str, dict[str, Any]]) -> None:
    assert not inside[name]["error"], inside[name]["error"]


@pytest.mark.parametrize("name", ["check_a_square_movie", "check_a_wide_movie_at_another_rate", "check_a_tree"])
def test_each_frame_has_the_strength_of_its_time(name: str, inside: dict[str, dict[str, Any]]) -> None:
    told = inside[name]["told"]
    clips = {strength: np.stack(list(VideoReader(path))).astype(int) for strength, path in told.items()}
    rising = clips.pop("rising")
    assert {len(clip) for clip in clips.values()} == {len(rising)}
    for frame, strength in ((0, "0"), (SHOWN, f"{SHOWN / STEPS:g}"), (STEPS, "1")):
        apart = {name: np.abs(rising[frame] - clip[frame]).mean() for name, clip in clips.items()}
        assert apart[strength] < 4.0, apart  # what H.264 loses of two runs
        if frame:  # the first is the anchor, at rest with any strength
            assert apart[strength] == min(apart.values()), apart


def test_each_frame_is_mixed_by_the_weight_of_its_time(inside: dict[str, dict[str, Any]]) -> None:
    told = inside["check_weights_of_a_blend"]["told"]
    first, second, rising = (
        load_keypoints(told["made"][name]).keypoints.position.double() for name in ("0", "1", "rising")
    )
    assert len(first) == len(rising)
    for frame in range(len(rising)):
        weight = min(1.0, frame / STEPS)
        near(rising[frame], (1 - weight) * first[frame] + weight * second[frame])
    assert "Clear one of them" in told["said"]


def test_what_cannot_be_followed_is_told(inside: dict[str, dict[str, Any]]) -> None:
    absolute, best, driver = inside["check_what_cannot_be_followed_is_refused"]["told"]["said"]
    assert "Relative" in absolute
    assert "First" in best
    assert "Bake" in driver


def test_level_stretches_of_a_curve_are_left_out() -> None:
    assert curve_text([0.5, 0.5, 0.5, 1, 2]) == "0: 0.500000, 2: 0.500000, 3: 1.000000, 4: 2.000000"


def test_level_keyframes_change_a_number_alone() -> None:
    graph = {"1": {"class_type": "FOMM_Animate", "inputs": {"strength": 1.0, "mode": "absolute"}, "_meta": {}}}
    assert with_strength(graph, "1", [0.25, 0.25])["1"]["inputs"] == {"strength": 0.25, "mode": "absolute"}


def test_keypoints_are_edited_where_they_are() -> None:
    """No block is put in that detects them again; what is wired elsewhere stays."""
    inputs = {"source": ["2", 0], "driving": ["3", 0], "mode": "relative", "strength": 1.0, "anchor": "number"}
    graph = {
        "3": {"class_type": "FOMM_LoadKeypoints", "inputs": {}, "_meta": {"title": "a"}},
        "4": {"class_type": "FOMM_TransferMotion", "inputs": {**inputs, "anchor_frame": 7}, "_meta": {"title": "b"}},
    }
    made = with_strength(graph, "4", [0.0, 1.0])
    assert set(made) == {"3", "4", "4:strength"}
    edit = made["4:strength"]["inputs"]
    assert (edit["keypoints"], edit["strength"], edit["anchor_frame"]) == (["3", 0], "0: 0.000000, 1: 1.000000", 7)
    assert made["4"]["inputs"] == {**inputs, "anchor_frame": 7, "driving": ["4:strength", 0]}


def test_weights_become_the_blocks_own_curve() -> None:
    node = {"class_type": "FOMM_BlendKeypoints", "inputs": {"weight": 0.5, "over_time": ""}, "_meta": {"title": "b"}}
    made = followed({"1": node}, "1", [0.0, 0.5, 1.0])["1"]["inputs"]
    assert made == {"weight": 0.5, "over_time": "0: 0.000000, 1: 0.500000, 2: 1.000000"}
    assert followed({"1": node}, "1", [0.25] * 3)["1"]["inputs"]["over_time"] == "0: 0.250000, 2: 0.250000"
