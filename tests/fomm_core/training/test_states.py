"""States of a run that are damaged or incomplete: the run goes on from the older good one, and says so."""

from __future__ import annotations

import importlib.util
import logging
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from fomm_nodes.fomm_core.errors import CheckpointError
from fomm_nodes.fomm_core.training.state import RunFolder, RunState

SCRIPT = Path(__file__).with_name("small_run.py")
Content = dict[str, Any]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    spec = importlib.util.spec_from_file_location(SCRIPT.stem, SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[SCRIPT.stem] = module
    spec.loader.exec_module(module)
    torch.set_num_threads(1)
    folder = RunFolder(tmp_path_factory.mktemp("run"))
    trainer = module.small_trainer(folder.path, steps=2, save_steps=1, keep=3, milestones=())
    assert trainer.run()
    return folder


@pytest.fixture
def copied(run: RunFolder, tmp_path: Path) -> RunFolder:
    (tmp_path / "states").mkdir()
    for path in run.states():
        (tmp_path / "states" / path.name).write_bytes(path.read_bytes())
    return RunFolder(tmp_path)


def without(*keys: str) -> Callable[[Content], None]:
    def change(content: Content) -> None:
        for key in keys[:-1]:
            content = content[key]
        del content[keys[-1]]

    return change


def with_value(value: Any, *keys: str) -> Callable[[Content], None]:
    def change(content: Content) -> None:
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    return change


def without_a_weight(content: Content) -> None:
    content["model"] = dict(list(content["model"].items())[1:])


INCOMPLETE = {
    **{f"no {key}": without(key) for key in ("format_version", "step", "seed", "model", "optimisers", "seconds")},
    **{f"no {key}": without(key) for key in ("model_config", "training_config", "average", "discriminator", "scaler")},
    "no temperature": without("model_config", "detector", "temperature"),
    "no losses": without("training_config", "losses"),
    "no optimiser": without("optimisers", "generator"),
    "no momentum": without("optimisers", "generator", "state"),
    "a weight is missing": without_a_weight,
    "model is a list": with_value([], "model"),
    "newer": with_value(99, "format_version"),
    "version is text": with_value("1", "format_version"),
    "steps are text": with_value("many", "step"),
    "too many blocks": with_value(20_000, "model_config", "generator", "num_bottleneck_blocks"),
    "batch of 0": with_value(0, "training_config", "batch_size"),
    "setting of the future": with_value(1, "training_config", "hyper"),
}


@pytest.mark.parametrize("kind", INCOMPLETE)
def test_an_incomplete_newest_state_is_passed_over(
    copied: RunFolder, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    older, newest = copied.states()
    content = torch.load(newest, weights_only=True)
    INCOMPLETE[kind](content)
    torch.save(content, newest)
    with caplog.at_level(logging.WARNING, logger="fomm.training"):
        state = copied.latest()
    assert state is not None
    assert state.step == 1
    assert newest.name in caplog.text
    assert older.name in caplog.text
    torch.save(content, older)
    with pytest.raises(CheckpointError, match=r"expected a .*state"):
        copied.latest()


def test_a_flipped_bit_is_passed_over_or_changes_nothing(copied: RunFolder) -> None:
    """Some lie in what fills up between the parts of a file."""
    newest = copied.states()[-1]
    data, rng = newest.read_bytes(), random.Random("state")
    good = copied.latest()
    assert good is not None
    for _ in range(40):
        at = rng.randrange(len(data))
        newest.write_bytes(data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :])
        state = copied.latest()
        assert state is not None
        if state.step == good.step:
            assert all(torch.equal(state.model[key], value) for key, value in good.model.items())


def test_a_damaged_newest_state_does_not_cost_the_good_ones(copied: RunFolder) -> None:
    """It sorts behind what the resumed run saves, and counted as one of the last that are kept."""
    copied.keep = 1
    state = copied.latest()
    assert state is not None
    broken = copied.path / "states" / "step-00000900.pt"
    broken.write_bytes(b"nothing")
    saved = copied.save(state)
    assert copied.states() == [saved, broken]
    assert RunState.read(saved).step == state.step
