"""Weights in other wrappings: flat tables, trainers, other types of numbers, numpy beside them."""

from __future__ import annotations

import os
import pickle
import re
import sys
import zipfile
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from fomm_nodes.fomm_core.checkpoints import convert, load_model, read_checkpoint
from fomm_nodes.fomm_core.checkpoints.pickles import read_pickle
from fomm_nodes.fomm_core.checkpoints.stand_ins import NAMED
from fomm_nodes.fomm_core.errors import CheckpointError
from safetensors.torch import load_file, save_file

GOOD = Path(__file__).parent.parent.parent / "data" / "parity" / "first-order.pth.tar"
NETWORKS = ("generator", "kp_detector", "discriminator")

State = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def published() -> dict[str, Any]:
    return torch.load(GOOD, weights_only=True)


@pytest.fixture(scope="module")
def flat(published: dict[str, Any]) -> State:
    return {f"{name}.{key}": value for name in NETWORKS for key, value in published[name].items()}


def same_as_published(path: Path) -> None:
    expected, got = read_checkpoint(GOOD), read_checkpoint(path)
    assert got.config == expected.config
    assert set(got.state) == set(expected.state)
    assert all(torch.equal(got.state[key], value) for key, value in expected.state.items())
    load_model(path)


def prefixed(prefix: str) -> Callable[[State], State]:
    return lambda flat: {prefix + key: value for key, value in flat.items()}


WRAPPINGS: dict[str, Callable[[State], dict[str, Any]]] = {
    "flat": lambda flat: dict(flat),
    "module": prefixed("module."),
    "compiled": prefixed("_orig_mod.module."),
    "lightning": lambda flat: {"state_dict": flat, "epoch": 7, "global_step": 9, "loops": {}, "optimizer_states": []},
    "lightning model": lambda flat: {"state_dict": prefixed("model.")(flat)},
    "model_state_dict": lambda flat: {"model_state_dict": prefixed("module.model.")(flat), "optimizer": {"state": {}}},
    "full model": lambda flat: {key.replace("kp_detector", "kp_extractor"): value for key, value in flat.items()},
    "inner module": lambda flat: {
        name: {
            f"module.{key.removeprefix(name + '.')}": value for key, value in flat.items() if key.startswith(name + ".")
        }
        for name in NETWORKS
    },
}


@pytest.mark.parametrize("name", WRAPPINGS)
def test_wrappings(tmp_path: Path, flat: State, name: str) -> None:
    torch.save(WRAPPINGS[name](flat), tmp_path / "a.ckpt")
    same_as_published(tmp_path / "a.ckpt")


def test_what_a_trainer_adds_is_left_out(tmp_path: Path, flat: State) -> None:
    more = {"perceptual.slice1.0.weight": torch.zeros(1), "loss_scale": torch.ones(())}
    torch.save({**WRAPPINGS["lightning"]({**flat, **more}), "lr_schedulers": []}, tmp_path / "a.ckpt")
    same_as_published(tmp_path / "a.ckpt")
    checkpoint = read_checkpoint(tmp_path / "a.ckpt")
    assert checkpoint.epoch == 7
    assert {"perceptual", "loss_scale", "optimizer_states", "lr_schedulers"} <= set(checkpoint.left_out)
    assert "state_dict" not in checkpoint.left_out


@pytest.mark.parametrize("prefix", ["", "model.", "module."])
@pytest.mark.parametrize("metadata", [None, {"format": "pt", "author": "x"}])
def test_published_keys_in_safetensors(tmp_path: Path, flat: State, prefix: str, metadata: Any) -> None:
    path = tmp_path / "flat.safetensors"
    save_file({prefix + key: value.clone() for key, value in flat.items()}, path, metadata=metadata)
    same_as_published(path)
    convert(path, tmp_path / "converted.safetensors")
    converted = read_checkpoint(tmp_path / "converted.safetensors")
    assert converted.kind == "safetensors"
    assert converted.metadata.get("author") == (metadata or {}).get("author")


def test_our_keys_without_their_metadata(tmp_path: Path) -> None:
    convert(GOOD, tmp_path / "ours.safetensors")
    save_file(load_file(tmp_path / "ours.safetensors"), tmp_path / "again.safetensors", metadata={"format": "pt"})
    same_as_published(tmp_path / "again.safetensors")


def test_the_content_counts_and_not_the_name(tmp_path: Path) -> None:
    convert(GOOD, tmp_path / "ours.safetensors")
    (tmp_path / "ours.safetensors").rename(tmp_path / "a.pth.tar")
    same_as_published(tmp_path / "a.pth.tar")
    (tmp_path / "b.safetensors").write_bytes(GOOD.read_bytes())
    same_as_published(tmp_path / "b.safetensors")


def test_a_key_twice(tmp_path: Path, flat: State) -> None:
    torch.save({"state_dict": flat, "model": flat}, tmp_path / "a.ckpt")
    with pytest.raises(CheckpointError, match="comes twice"):
        read_checkpoint(tmp_path / "a.ckpt")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_types_of_numbers(tmp_path: Path, flat: State, dtype: torch.dtype) -> None:
    cast = {key: value.to(dtype) if value.is_floating_point() else value for key, value in flat.items()}
    torch.save(cast, tmp_path / "a.pth")
    save_file(cast, tmp_path / "a.safetensors")
    for name in ("a.pth", "a.safetensors"):
        model, expected = load_model(tmp_path / name), load_model(GOOD)
        for (key, value), other in zip(model.state_dict().items(), expected.state_dict().values(), strict=True):
            assert value.dtype == other.dtype, key
            rounded = other.to(dtype).to(other.dtype) if other.is_floating_point() else other
            assert torch.equal(value, rounded), key


# numpy


def with_numpy(published: dict[str, Any]) -> dict[str, Any]:
    return {
        **published,
        "epoch": np.int64(12),
        "best_loss": np.float32(0.25),
        "history": np.arange(6, dtype=">f4").reshape(2, 3),
        "order": np.asfortranarray(np.ones((2, 3), np.float64)),
        "names": np.array(["train", "test"]),
        "when": np.datetime64("2026-11-29"),
        "nothing": np.zeros((0, 4)),
        "flags": [np.bool_(True), {"rate": np.float64(1e-4)}],
    }


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("core", [b"numpy.core", b"numpy._core"])
def test_numpy_beside_the_weights(tmp_path: Path, published: dict[str, Any], legacy: bool, core: bytes) -> None:
    path = tmp_path / "a.pth.tar"
    torch.save(with_numpy(published), path, _use_new_zipfile_serialization=not legacy)
    with_core(path, core)
    assert core + b".multiarray" in path.read_bytes()
    same_as_published(path)
    checkpoint = read_checkpoint(path)
    assert checkpoint.epoch == 12
    assert {"best_loss", "history", "names", "flags"} <= set(checkpoint.left_out)
    content = read_pickle(path)
    assert content["best_loss"] == 0.25
    assert content["flags"][1]["rate"] == 1e-4
    for key, expected in with_numpy({}).items():
        if isinstance(expected, np.ndarray):
            np.testing.assert_array_equal(content[key].array, expected)


def with_core(path: Path, core: bytes) -> None:
    """Let a file call numpy's inner module as version 1 or 2 of it does."""
    inner = re.compile(rb"numpy\._?core(?=\.multiarray\n)")
    if not zipfile.is_zipfile(path):
        path.write_bytes(inner.sub(core, path.read_bytes()))
        return
    with zipfile.ZipFile(path) as archive:
        entries = {entry: inner.sub(core, archive.read(entry)) for entry in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)


def test_weights_as_arrays(tmp_path: Path, published: dict[str, Any]) -> None:
    arrays = {name: {key: value.numpy() for key, value in published[name].items()} for name in NETWORKS}
    torch.save(arrays, tmp_path / "a.pth")
    same_as_published(tmp_path / "a.pth")


class Bomb:
    def __reduce__(self) -> Any:
        return os.mkdir, ("executed",)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.array([{}, None], dtype=object), "no plain data"),
        (np.array([Bomb()], dtype=object), "no plain data|asks to run code"),
        (np.zeros(2, dtype=[("a", "f4"), ("b", "i4")]), "no plain data"),
        ([np.float32(1), Bomb()], "asks to run code"),
    ],
    ids=["objects", "code in an array", "records", "code beside a number"],
)
def test_numpy_that_is_refused(
    tmp_path: Path, published: dict[str, Any], value: Any, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({**published, "more": value}, "a.pth")
    with pytest.raises(CheckpointError, match=words):
        read_checkpoint("a.pth")
    assert not Path("executed").exists()


class Lying:
    """An array of four numbers that says it holds a billion."""

    def __reduce__(self) -> Any:
        function, arguments, (version, _, kind, fortran, data) = np.zeros(4, np.float32).__reduce__()
        return function, arguments, (version, (10**9,), kind, fortran, data)


def test_an_array_that_lies_about_its_size(tmp_path: Path, published: dict[str, Any]) -> None:
    torch.save({**published, "more": Lying()}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match="1000000000 values in 16 bytes"):
        read_checkpoint(tmp_path / "a.pth")


def test_torch_is_left_as_it_was(tmp_path: Path, published: dict[str, Any]) -> None:
    torch.save({**published, "loss": np.float32(1)}, tmp_path / "a.pth")

    class Own:
        pass

    with torch.serialization.safe_globals([Own]):
        threads = [Thread(target=read_checkpoint, args=(tmp_path / "a.pth",)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        known = torch.serialization.get_safe_globals()  # torch's own among them
        assert Own in known
        assert not set(NAMED) & set(known)
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / "a.pth", weights_only=True)


def test_shared_cases(shared: Path) -> None:
    for path in sorted((shared / "cases" / "checkpoints").iterdir()):
        assert load_model(path).num_parameters > 0


@pytest.mark.parametrize(
    "name",
    ["pytorch_lightning.utilities.parsing", "lightning.fabric.utilities.data", "lightning_fabric.utilities.data"],
)
def test_what_lightning_notes(tmp_path: Path, flat: State, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        monkeypatch.setitem(sys.modules, ".".join(parts[:end]), ModuleType(".".join(parts[:end])))
    noted = type("AttributeDict", (dict,), {"__module__": name})
    monkeypatch.setattr(sys.modules[name], "AttributeDict", noted, raising=False)
    settings = noted(lr=2e-4, data=Path("clips"), options=Namespace(size=256))
    torch.save({**WRAPPINGS["lightning"](flat), "hyper_parameters": settings}, tmp_path / "a.ckpt")
    for part in parts:
        monkeypatch.delitem(sys.modules, part, raising=False)
    same_as_published(tmp_path / "a.ckpt")
    assert "hyper_parameters" in read_checkpoint(tmp_path / "a.ckpt").left_out
