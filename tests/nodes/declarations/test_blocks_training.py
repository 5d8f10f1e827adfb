"""The blocks of training on very small clips, as a host runs them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from fomm_nodes.batch.engine import JobError
from fomm_nodes.batch.local.kinds import kinds_of
from fomm_nodes.fomm_core import FommError
from fomm_nodes.fomm_core.checkpoints import ASSETS
from fomm_nodes.fomm_core.errors import DataError, SizeError
from fomm_nodes.graph.model import Graph, Link, Node
from fomm_nodes.nodes.declarations import BY_ID
from fomm_nodes.nodes.hosts import requirements
from torch import Tensor

pytest.importorskip("lightning_fabric")
Run = Callable[..., dict]
QUICK = {"steps": 4, "batch_size": 2, "backbone": "none", "preview_every": 2, "learning_rate": 0.001}


@pytest.fixture
def example(host: Any) -> str:
    shutil.copytree(ASSETS / "clips", host.folder / "input" / "example")
    return "example"


@pytest.fixture
def dataset(run: Run, example: str) -> Any:
    return run("VideoDataSet", folder=example)["dataset"]


@pytest.fixture
def small(run: Run) -> Any:
    return run("NewModel", preset="demo-64", channels=0.25, keypoints=4)["model"]


def test_a_folder_becomes_a_data_set(run: Run, example: str, host: Any) -> None:
    (host.folder / "input" / "example" / "train" / "broken.mp4").write_bytes(b"nothing")
    made = run("VideoDataSet", folder=example)
    assert len(made["dataset"].train) == 10
    assert len(made["dataset"].held_out) == 2
    assert "10 clips to train with" in made["report"]
    assert "broken.mp4" in made["report"]


def test_a_changed_folder_is_noticed(run: Run, example: str, host: Any) -> None:
    state = BY_ID["FOMM_VideoDataSet"].fingerprint
    before = state(host, {"folder": example})
    assert state(host, {"folder": example}) == before
    next((host.folder / "input" / "example" / "train").iterdir()).unlink()
    assert state(host, {"folder": example}) != before


def test_pictures_become_a_data_set_and_sets_add_up(run: Run, example: str, clip: Tensor) -> None:
    folder = run("VideoDataSet", folder=example)["dataset"]
    made = run("VideoDataSet", folder=example, images=clip)["dataset"]
    assert len(made.train) == 1
    assert len(made.train[0]) == len(clip)
    both = run("VideoDataSet", folder=example, images=clip, more=folder)["dataset"]
    assert (len(both.train), len(both.held_out)) == (11, 3)
    with pytest.raises(DataError):
        run("VideoDataSet", folder=example, images=clip[:1])


def test_an_empty_folder(run: Run, host: Any) -> None:
    (host.folder / "input" / "nothing").mkdir(parents=True)
    with pytest.raises(FommError, match="clip"):
        run("VideoDataSet", folder="nothing")


def test_new_models_follow_from_their_values(run: Run) -> None:
    one, same, other = (run("NewModel", channels=0.25, random_seed=seed)["model"].model for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    large = run("NewModel", frame_size=128, keypoints=7, channels=0.25)["model"].model
    assert large.config.frame_size == (128, 128)
    assert large.config.num_keypoints == 7
    assert large.config.generator.block_expansion < 24
    with pytest.raises(SizeError):
        run("NewModel", frame_size=80)


@pytest.mark.parametrize(("preset", "count"), [("tps-vox-256", 15), ("mraa-vox-256", 3)])
def test_new_models_of_the_family(run: Run, preset: str, count: int) -> None:
    made = run("NewModel", preset=preset, channels=0.125, keypoints=3)["model"].model
    assert made.config.num_keypoints == count
    assert made.config.avd is None  # it would be random, and the mode avd would not say so
    assert made.config.background is not None
    assert made.config.generator.block_expansion == 8


def test_training_gives_a_model_pictures_and_a_report(run: Run, host: Any, small: Any, dataset: Any) -> None:
    before = {key: value.clone() for key, value in small.model.state_dict().items()}
    with torch.inference_mode():  # as ComfyUI does
        made = run("Train", model=small, dataset=dataset, **QUICK)
    trained = made["trained"].model
    assert not trained.training
    assert trained.name == "my-model"
    assert not torch.equal(trained.generator.final.weight, before["generator.final.weight"])
    assert all(torch.equal(value, before[key]) for key, value in small.model.state_dict().items())
    assert made["losses"].shape == (1, 400, 640, 3)
    assert made["strip"].shape == (1, 2 * 64, 6 * 64, 3)
    assert "4 steps" in made["report"]
    assert [told[:2] for told in host.told] == [(1, 4), (2, 4), (2, 4), (3, 4), (4, 4), (4, 4)]
    assert [told[2] for told in host.told] == [False, False, True, False, False, True]
    assert run("SaveModel", model=made["trained"])["file"] in host.options("models")


def test_cancelled_and_run_again_is_as_if_nothing_had_been(
    run: Run, host: Any, small: Any, dataset: Any, tmp_path: Path
) -> None:
    whole = run("Train", model=small, dataset=dataset, **QUICK, run_name="whole")["trained"].model
    host.told.clear()
    host.cancel_after = 2
    with pytest.raises(host.Cancelled):
        run("Train", model=small, dataset=dataset, **QUICK)
    host.cancel_after = None
    host.told.clear()
    resumed = run("Train", model=small, dataset=dataset, **QUICK)["trained"].model
    assert host.told[0][:2] == (3, 4)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))
    host.told.clear()
    again = run("Train", model=small, dataset=dataset, **QUICK)
    assert host.told == []
    assert torch.equal(again["trained"].model.generator.final.weight, resumed.generator.final.weight)
    run("Train", model=small, dataset=dataset, **{**QUICK, "steps": 5})
    assert host.told[0][:2] == (5, 5)
    host.told.clear()
    run("Train", model=small, dataset=dataset, **{**QUICK, "steps": 1, "batch_size": 3})
    assert host.told[0][:2] == (1, 1)  # another run, since other things are learned


def test_evaluation(run: Run, small: Any, dataset: Any) -> None:
    made = run("Evaluate", model=small, dataset=dataset, clips=2, frames=4)
    assert "L1" in made["table"]
    assert "SSIM" in made["table"]
    assert made["strips"].ndim == 4
    assert made["strips"].shape[0] == 2


def test_a_missing_library_is_told_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "find_spec", lambda name: None)
    graph = Graph(
        {
            "1": Node("1", "FOMM_NewModel", "New Motion Model", {}),
            "2": Node("2", "FOMM_Train", "Train Motion Model", {"model": Link("1", 0)}),
            "3": Node("3", "FOMM_SaveModel", "Save Motion Model", {"model": Link("2", 0)}),
        }
    )
    with pytest.raises(JobError, match=r"Train Motion Model.* -m pip install lightning-fabric"):
        kinds_of(graph)
    assert requirements.lacking("FOMM_Evaluate") is None
