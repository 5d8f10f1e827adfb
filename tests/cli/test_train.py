"""`fomm train` from clips to a model, stopped, resumed, and begun from other weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from fomm_nodes.cli.main import main
from fomm_nodes.fomm_core.checkpoints import load_model
from fomm_nodes.fomm_core.training.state import RunFolder
from fomm_nodes.fomm_core.video import VideoReader, VideoWriter
from nearness import near

pytest.importorskip("lightning_fabric")
SMALL = [
    *("--preset", "demo", "--backbone", "none", "--batch", "2", "--device", "cpu", "--strips", "2", "--seed", "3"),
    *("--set", "model.detector.block_expansion=4", "--set", "model.detector.max_features=8"),
    *("--set", "model.dense_motion.block_expansion=4", "--set", "model.dense_motion.max_features=8"),
    *("--set", "model.generator.block_expansion=4", "--set", "model.generator.max_features=8"),
]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Runs are held to each other bit by bit, whatever FOMM_TEST_THREADS says."""
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four clips of a moving square, and a file that is none."""
    folder = tmp_path_factory.mktemp("clips")
    for number in range(4):
        frames = np.full((6, 48, 64, 3), 40 * number, np.uint8)
        for step, frame in enumerate(frames):
            frame[10:30, 5 + 4 * step : 25 + 4 * step] = (250, 60 * number, 90)
        with VideoWriter(folder / f"square{number}.mp4", fps=10) as writer:
            writer.write(frames)
    (folder / "broken.mp4").write_bytes(b"nothing")
    return folder


def train(clips: Path, run: Path, *more: str) -> int:
    return main(["train", str(clips), "-o", str(run), *SMALL, *more])


@pytest.fixture(scope="module")
def trained(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    run = tmp_path_factory.mktemp("runs") / "whole"
    assert train(clips, run, "--steps", "6") == 0
    return run


def test_what_a_run_leaves(trained: Path) -> None:
    model = load_model(trained / "model.safetensors")
    assert model.config.frame_size == (128, 128)
    assert model.config.generator.max_features == 8
    lines = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 7))
    assert {"l1", "spread", "equivariance_value", "equivariance_jacobian"} == set(lines[0]["losses"])
    pictures = sorted((trained / "strips").iterdir())
    assert [picture.stem for picture in pictures] == ["step-00000002", "step-00000004", "step-00000006"]
    with VideoReader(pictures[0]) as reader:
        assert next(iter(reader)).shape == (2 * 128, 6 * 128, 3)


def test_stopped_and_resumed_is_the_same(clips: Path, trained: Path, tmp_path: Path) -> None:
    run, theirs = tmp_path / "run", RunFolder(trained).latest()
    assert theirs is not None
    milestones = ",".join(map(str, theirs.training_config.milestones))
    assert train(clips, run, "--steps", "3", "--set", f"milestones=[{milestones}]") == 0
    assert train(clips, run, "--steps", "6", "--resume") == 0
    ours = RunFolder(run).latest()
    assert ours is not None
    assert ours.step == theirs.step == 6
    assert all(torch.equal(value, theirs.model[key]) for key, value in ours.model.items())


def test_a_prepared_cache_changes_nothing(clips: Path, trained: Path, tmp_path: Path) -> None:
    assert train(clips, tmp_path / "run", "--steps", "2", "--cache", str(tmp_path / "cache")) == 0
    ours = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    theirs = (trained / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["losses"] for line in ours] == [json.loads(line)["losses"] for line in theirs[:2]]


def test_from_another_run_at_another_size(clips: Path, trained: Path, tmp_path: Path) -> None:
    assert train(clips, tmp_path / "run", "--steps", "1", "--size", "128", "--from", str(trained)) == 0
    model = load_model(tmp_path / "run" / "model.safetensors")
    assert model.config.frame_size == (128, 128)
    start = RunFolder(trained).latest()
    assert start is not None
    for key, value in model.state_dict().items():
        if key.endswith("weight"):
            near(value, start.learned()[key], 0.001, of=1)  # a step of Adam is at most its learning rate


def test_words_for_what_cannot_be(
    clips: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*arguments: str, code: int = 1) -> str:
        assert main(["train", *arguments]) == code
        return capsys.readouterr().err

    assert "holds one that has done 6 steps" in said(str(clips), "-o", str(trained), *SMALL)
    assert "batch_size was 2, is 3" in said(str(clips), "-o", str(trained), "--resume", "--batch", "3")
    assert "seed was 3, is 4" in said(str(clips), "-o", str(trained), "--resume", "--seed", "4")
    assert "--preset is missing" in said(str(clips), "-o", str(tmp_path / "new"), code=2)
    assert "does not exist" in said(str(tmp_path / "none"), "-o", str(tmp_path / "new"), *SMALL)
    (tmp_path / "empty").mkdir()
    assert "expected" in (empty := said(str(tmp_path / "empty"), "-o", str(tmp_path / "new"), *SMALL))
    assert "clip" in empty
    (tmp_path / "file").write_text("")
    assert "expected to write" in said(str(clips), "-o", str(tmp_path / "file" / "run"), *SMALL)
    assert "expected a name and a value" in said(str(clips), "-o", "x", "--set", "losses.l1", code=2)
    assert "expected a length" in said(str(clips), "-o", "x", "--size", "auto", code=2)


def test_quiet_and_loud(clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(clips, tmp_path / "a", "--steps", "1", "--strips", "0") == 0
    loud = capsys.readouterr()
    assert "step 1 of 1" in loud.err
    assert "broken.mp4" in loud.err
    assert "trained for 1 step\n" in loud.out
    assert train(clips, tmp_path / "b", "--steps", "1", "--strips", "0", "--quiet") == 0
    assert capsys.readouterr().out == ""
