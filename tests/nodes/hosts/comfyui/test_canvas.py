"""The canvas of Edit Keypoints: what a pointer does to it is what the block then gives, to the bit."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from fomm_nodes.fomm_core.geometry import Keypoints
from fomm_nodes.fomm_core.motion import apply_poses, format_poses, parse_poses
from fomm_nodes.nodes.declarations import BY_ID
from nearness import DOUBLE, ROUNDING, near

DRIVER = Path(__file__).parent / "canvas" / "drive.mjs"


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the canvas wrote while it was driven."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node to run the canvas's JavaScript")
    folder = tmp_path_factory.mktemp("front-end")
    shutil.copytree(Path(__file__).parents[4] / "web" / "js", folder / "extensions" / "fomm" / "js")
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "scripts").mkdir()
    (folder / "scripts" / "app.js").write_text(
        "export const app = { registerExtension(made) { app.extension = made; } };"
    )
    (folder / "scripts" / "api.js").write_text("export const api = { apiURL: (path) => path };")
    ran = subprocess.run([node, str(DRIVER), str(folder)], capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)  # type: ignore[no-any-return]


def test_it_writes_nothing_until_something_is_moved(said: dict[str, Any]) -> None:
    assert said["untouched"] == ""
    assert said["canvasSaved"] is False


def test_a_drag_moves_a_point_by_as_much(said: dict[str, Any]) -> None:
    first, pose = parse_poses(said["moved"], 3)
    assert (first.frame, dict(first.points)) == (0, {})
    assert pose.frame == 10
    assert list(pose.points) == [1]
    near(pose.points[1], [2 * 40 / 400, -2 * 20 / 400, 1, 0, 0, 1], DOUBLE)


def test_turning_scaling_and_stretching_follow_one_another(said: dict[str, Any]) -> None:
    pose = next(pose for pose in parse_poses(said["value"], 3) if pose.frame == 10)
    angle, scale = 0.25 * torch.pi, 2 * 13 / 400
    turn = torch.tensor([[0.0, -1], [1, 0]], dtype=torch.float64).mul(angle).matrix_exp()
    stretch = torch.diag(torch.tensor([2 * 7 / 400, -2 * 9 / 400], dtype=torch.float64).exp())
    got = torch.tensor(pose.points[1][2:], dtype=torch.float64).reshape(2, 2)
    near(got, math.exp(scale) * stretch @ turn, DOUBLE)


def test_a_group_moves_as_one(said: dict[str, Any]) -> None:
    assert said["selected"] == [0, 2]
    pose = next(pose for pose in parse_poses(said["value"], 3) if pose.frame == 25)
    near(pose.points[0][:2], [-2 * 31 / 400, 2 * 17 / 400], DOUBLE)
    near(pose.points[2][:2], pose.points[0][:2], DOUBLE)


def test_saved_loaded_and_undone_it_is_the_same_text(said: dict[str, Any]) -> None:
    assert said["again"] == said["value"]
    assert said["kept"] == 3  # the points are there before the next run
    assert said["removed"]
    assert said["undone"] == said["value"]


def test_the_block_gives_what_the_canvas_shows(said: dict[str, Any]) -> None:
    poses = parse_poses(said["value"], 3)
    assert parse_poses(format_poses(poses), 3) == poses
    still = Keypoints(torch.tensor(said["points"]), torch.eye(2).repeat(1, 3, 1, 1))
    got = apply_poses(still, poses, 40)
    shown = torch.tensor(said["rows"], dtype=torch.float64)
    near(got.position.double(), still.position.double() + shown[..., :2], ROUNDING)
    near(got.jacobian.double(), shown[..., 2:].unflatten(-1, (2, 2)), ROUNDING)
    exact = (still.position.double() + shown[[0, 10, 25, 33], :, :2]).float()
    assert torch.equal(got.position[[0, 10, 25, 33]], exact)  # at the key poses, to the bit


def test_the_script_names_widgets_that_the_block_has() -> None:
    script = (Path(__file__).parents[4] / "web" / "js" / "edit_keypoints.js").read_text(encoding="utf-8")
    ports = {port.id for port in BY_ID["FOMM_EditKeypoints"].inputs}
    assert {"poses", "length", "fps"} <= ports
    for name in ("poses", "length", "fps"):
        assert f'"{name}"' in script
