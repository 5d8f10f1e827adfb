"""The same saved graphs with a model of each family, in a real Blender without a window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from family_models import small_family_model
from fomm_nodes.fomm_core import load_model
from fomm_nodes.fomm_core.checkpoints import save_model
from fomm_nodes.fomm_core.video import VideoReader
from inside_blender import run_inside

INSIDE = Path(__file__).with_name("inside") / "families.py"
FAMILIES = ("fomm", "tps", "mraa")
WORKFLOWS = ("animate", "animate-step-by-step")
FRAMES = 46
"""Of the built-in example."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder of the videos, and what was told of each."""
    files = tmp_path_factory.mktemp("families")
    for family in FAMILIES:
        model = load_model("demo-128") if family == "fomm" else small_family_model(family)
        save_model(model, files / f"{family}.safetensors")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("FOMM_MODELS", str(files))
        told = run_inside(INSIDE, files)["check_each_family"]
    assert not told["error"], told["error"]
    return files, told["told"]


def frames_of(files: Path, workflow: str, family: str) -> np.ndarray:
    """Of the video that a workflow made, [T, H, W, 3]."""
    (video,) = (files / f"{workflow}-{family}.safetensors").glob("*.mp4")
    return np.stack(list(VideoReader(video)))


@pytest.mark.parametrize("workflow", WORKFLOWS)
@pytest.mark.parametrize("family", FAMILIES)
def test_it_runs(made: tuple[Path, dict[str, Any]], family: str, workflow: str) -> None:
    files, told = made
    one = told[f"{workflow} {family}.safetensors"]
    assert one["frames"] == FRAMES
    assert one["shown"] == (0 if workflow == "animate" else 4)
    frames = frames_of(files, workflow, family)
    assert frames.shape[0] == FRAMES
    assert np.ptp(frames.astype(int), axis=0).max() > 30, "nothing moves"


def test_families_differ(made: tuple[Path, dict[str, Any]]) -> None:
    files, _ = made
    middles = [frames_of(files, "animate", family)[FRAMES // 2] for family in FAMILIES]
    for one, other in ((0, 1), (1, 2), (2, 0)):
        assert middles[one].shape != middles[other].shape or (middles[one] != middles[other]).any()
