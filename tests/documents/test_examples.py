"""The scripts of examples/, run as they stand on small files."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest
from fomm_nodes.fomm_core.video import VideoReader

RUNS = {
    "animate": ("face.jpg", "talk.mp4", "{made}/talk.mp4"),
    "keypoints_by_hand": ("face.jpg", "{made}/nod.gif"),
    "chain": ("face.jpg", "talk.mp4", "{made}/talk.mp4"),
    "batch": ("data", "{made}/results"),
    "train": ("clips", "{made}/run", "2"),
}
"""Each with its arguments, in the folder that the documents describe."""


def run(name: str, place: Path, made: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = root / "examples" / f"{name}.py"
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "argv", [str(script), *(text.format(made=made) for text in RUNS[name])])
    runpy.run_path(str(script), run_name="__main__")


def test_each_script_is_run(root: Path) -> None:
    assert {path.stem for path in root.glob("examples/*.py")} == RUNS.keys()


@pytest.mark.parametrize(("name", "made", "frames"), [("animate", "talk.mp4", 16), ("chain", "talk.mp4", 16)])
def test_clips_come_out_whole(
    name: str, made: str, frames: int, prepared: Path, tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(name, prepared, tmp_path, root, monkeypatch)
    with VideoReader(tmp_path / made) as clip:
        assert (clip.count(), clip.info.width, clip.info.height) == (frames, 256, 256)


def test_a_face_nods_by_hand(prepared: Path, tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("keypoints_by_hand", prepared, tmp_path, root, monkeypatch)
    with VideoReader(tmp_path / "nod.gif") as clip:
        frames = list(clip)
    assert len(frames) == 24
    assert (frames[0] != frames[6]).any()


def test_a_batch_is_rendered_once(
    prepared: Path, tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    portraits = len([*(prepared / "data/portraits").glob("*.png")])
    for before in (0, portraits):
        run("batch", prepared, tmp_path, root, monkeypatch)
        assert f"{portraits} done ({before} of them before), 0 failed" in capsys.readouterr().out
    assert len([*tmp_path.glob("results/**/*.mp4")]) == portraits


def test_a_model_is_trained(
    prepared: Path, tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run("train", prepared, tmp_path, root, monkeypatch)
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[:2]] == ["1", "2"]
    assert (tmp_path / "run" / "model.safetensors").is_file()
