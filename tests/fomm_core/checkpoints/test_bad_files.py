"""Files that are no model: each is refused with what was expected, what came, and nothing executed."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import torch
from fomm_nodes.fomm_core.checkpoints import convert, load_model, read_checkpoint, save_model
from fomm_nodes.fomm_core.config import PRESETS
from fomm_nodes.fomm_core.errors import CheckpointError, ConfigError
from safetensors.torch import save_file

GOOD = Path(__file__).parent.parent.parent / "data" / "parity" / "first-order.pth.tar"


@pytest.fixture
def published():
    return torch.load(GOOD, weights_only=True)


def refused(path: Path, message: str, **options) -> str:
    with pytest.raises(CheckpointError, match=message) as caught:
        load_model(path, **options)
    assert "weights_only" not in str(caught.value)
    return str(caught.value)


def test_missing(tmp_path) -> None:
    refused(tmp_path / "vox-cpk.pth.tar", "there is none")
    refused(tmp_path, "there is none")


@pytest.mark.parametrize("name", ["a.pth", "a.pth.tar", "a.safetensors"])
def test_empty(tmp_path, name) -> None:
    (tmp_path / name).touch()
    refused(tmp_path / name, "the file is empty")


@pytest.mark.parametrize("name", ["a.pth", "a.pth.tar", "a.safetensors"])
def test_not_a_checkpoint(tmp_path, name) -> None:
    (tmp_path / name).write_bytes(b"<html>404 Not Found</html>" * 20)
    refused(tmp_path / name, r"web page \(HTML\)")
    (tmp_path / name).write_bytes(b"hello, world " * 20)
    refused(tmp_path / name, "it is not one|can't be read")


@pytest.mark.parametrize("share", [0.01, 0.3, 0.9, 0.999])
@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
def test_truncated(tmp_path, published, share, kind) -> None:
    path = tmp_path / ("a.safetensors" if kind == "safetensors" else "a.pth.tar")
    if kind == "safetensors":
        convert(GOOD, path)
    else:
        torch.save(published, path, _use_new_zipfile_serialization=kind == "zip")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    refused(path, "it is not one|can't be read")


class ShellPayload:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return (os.system, (f"touch '{self.target}'",))


class Payload:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return (Path.touch, (self.target,))


@pytest.mark.parametrize("legacy", [True, False])
def test_a_pickle_that_runs_code(tmp_path, published, legacy) -> None:
    mark = tmp_path / "executed"
    torch.save({**published, "extra": Payload(mark)}, tmp_path / "a.pth", _use_new_zipfile_serialization=not legacy)
    refused(tmp_path / "a.pth", "nothing was executed")
    (tmp_path / "b.pth").write_bytes(pickle.dumps(Payload(mark)))
    refused(tmp_path / "b.pth", "nothing was executed|it is not one|can't be read")
    torch.save(
        {**published, "extra": ShellPayload(mark)}, tmp_path / "c.pth", _use_new_zipfile_serialization=not legacy
    )
    refused(tmp_path / "c.pth", "nothing was executed")
    assert not mark.exists()


@pytest.mark.parametrize("content", [{"state_dict": {}}, [1, 2], torch.zeros(3), {"generator": {}}])
def test_another_models_file(tmp_path, content) -> None:
    torch.save(content, tmp_path / "a.pth")
    refused(tmp_path / "a.pth", "'generator' and 'kp_detector'.*another model's")


def test_safetensors_of_another_program(tmp_path) -> None:
    save_file({"model.weight": torch.zeros(2)}, tmp_path / "a.safetensors")
    refused(tmp_path / "a.safetensors", "fomm convert.*model.weight")


def test_a_newer_format(tmp_path, make) -> None:
    save_file(make().state_dict(), tmp_path / "a.safetensors", metadata={"format": "fomm", "format_version": "3"})
    refused(tmp_path / "a.safetensors", "version 2 or older.*got 3")


@pytest.mark.parametrize("config", ["", "{}", "not json"])
def test_a_damaged_configuration(tmp_path, make, config) -> None:
    metadata = {"format": "fomm", "format_version": "1", "config": config}
    save_file(make().state_dict(), tmp_path / "a.safetensors", metadata=metadata)
    refused(tmp_path / "a.safetensors", "configuration")


def test_missing_and_reshaped_layers_are_listed(tmp_path, published) -> None:
    del published["generator"]["final.bias"]
    published["generator"]["final.weight"] = torch.zeros(3, 9, 7, 7)
    torch.save(published, tmp_path / "a.pth")
    text = refused(tmp_path / "a.pth", "missing 1: generator.final.bias")
    assert "of another shape 1: generator.final.weight (expected [3, 8, 7, 7], got [3, 9, 7, 7])" in text
    assert "nearest preset is 'demo-64'" in text


def test_unknown_layers_are_listed(tmp_path, published) -> None:
    published["generator"]["attention.weight"] = torch.zeros(1)
    torch.save(published, tmp_path / "a.pth")
    refused(tmp_path / "a.pth", r"of none of them is 1 key: generator.attention.weight")


def test_weights_of_another_preset(tmp_path) -> None:
    text = refused(GOOD, "of another shape", preset_name="vox-256")
    assert "missing" in text
    with pytest.raises(ConfigError, match="expected one of the presets"):
        read_checkpoint(GOOD, preset_name="vox")
    refused(GOOD, "does not fit", config=PRESETS["demo-64"])


def test_half_a_model(tmp_path, published) -> None:
    published["kp_detector"] = {}
    torch.save(published, tmp_path / "a.pth")
    refused(tmp_path / "a.pth", "nearest preset")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_diverged(tmp_path, published, value) -> None:
    published["generator"]["final.bias"][1] = value
    torch.save(published, tmp_path / "a.pth")
    refused(tmp_path / "a.pth", "NaN or Inf, first 'generator.final.bias'")


def test_an_entry_that_is_no_tensor(tmp_path, published) -> None:
    published["generator"]["final.bias"] = [0.0, 0.0, 0.0]
    torch.save(published, tmp_path / "a.pth")
    refused(tmp_path / "a.pth", "'final.bias' is a list")


def test_conversion_leaves_nothing_half_written(tmp_path, published, make) -> None:
    published["generator"]["final.bias"][0] = float("nan")
    torch.save(published, tmp_path / "bad.pth")
    target = tmp_path / "out" / "model.safetensors"
    with pytest.raises(CheckpointError):
        convert(tmp_path / "bad.pth", target)
    assert not target.parent.exists()
    with pytest.raises(CheckpointError, match=r"\.safetensors, \.pth or \.pth\.tar; got 'model\.ckpt'"):
        convert(GOOD, tmp_path / "model.ckpt")
    with pytest.raises(CheckpointError, match=r"ends in \.safetensors"):
        save_model(make(), tmp_path / "model.pth")


def test_reading_never_changes_the_file(tmp_path) -> None:
    before = GOOD.read_bytes()
    read_checkpoint(GOOD)
    assert GOOD.read_bytes() == before
