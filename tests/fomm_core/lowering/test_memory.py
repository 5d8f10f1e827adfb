"""Pages that lowering gives back hold the same numbers when they are read again."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from fomm_nodes.fomm_core import load_model, save_model
from fomm_nodes.fomm_core.lowering import lower, memory
from fomm_nodes.fomm_core.model import MotionModel

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux is asked")
WIDE = 160


@pytest.fixture
def mapped(make: Callable[..., MotionModel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MotionModel:
    """A model whose weights are pages of its file, several of them for each layer, and worth letting go."""
    monkeypatch.setattr(memory, "WORTH", 0)
    path = tmp_path / "wide.safetensors"
    config = make().config
    wide = {"block_expansion": 32, "max_features": WIDE}
    save_model(make(generator=replace(config.generator, **wide)), path)
    return load_model(path)


def resident(model: MotionModel) -> int:
    """kB of the file's pages that this process holds."""
    address = max(model.parameters(), key=lambda weight: weight.nbytes).data_ptr()
    inside = False
    for line in memory.SMAPS.read_text().splitlines():
        if head := memory._HEAD.match(line):
            inside = int(head[1], 16) <= address < int(head[2], 16)
        elif inside and line.startswith("Rss:"):
            return int(line.split()[1])
    raise AssertionError("the weights lie nowhere")


def test_lowering_leaves_no_weights_of_the_file_behind(mapped: MotionModel) -> None:
    before = {name: weight.clone() for name, weight in mapped.state_dict().items()}
    all_read = resident(mapped)
    lower(mapped)
    assert resident(mapped) < all_read / 2, "pages that weights share with their neighbours may stay"
    for name, weight in mapped.state_dict().items():
        assert torch.equal(weight, before[name]), name


def test_weights_that_were_changed_stay_changed(mapped: MotionModel) -> None:
    with torch.no_grad():
        for weight in mapped.parameters():
            weight.mul_(2)
    before = {name: weight.clone() for name, weight in mapped.state_dict().items()}
    lower(mapped)
    for name, weight in mapped.state_dict().items():
        assert torch.equal(weight, before[name]), name


def test_memory_of_no_file_is_left_alone(make: Callable[..., MotionModel]) -> None:
    model = make()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    lower(model)
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, before[name]), name


def test_systems_that_tell_nothing_keep_all(mapped: MotionModel, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(memory, "SMAPS", tmp_path / "none")
    monkeypatch.setattr(memory, "_libc", lambda: None)
    before = {name: weight.clone() for name, weight in mapped.state_dict().items()}
    lower(mapped)
    memory.trim()
    for name, weight in mapped.state_dict().items():
        assert torch.equal(weight, before[name]), name
