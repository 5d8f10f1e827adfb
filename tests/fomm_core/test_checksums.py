"""Flipped bits are noticed, in every kind of file that we write and in those that torch writes; old files load."""

from __future__ import annotations

import random
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from fomm_nodes.fomm_core import checksums
from fomm_nodes.fomm_core.checkpoints import convert, load_model, read_checkpoint, save_model
from fomm_nodes.fomm_core.checksums import CHECKSUM, check_archive, checksum_of
from fomm_nodes.fomm_core.config import MotionModelConfig
from fomm_nodes.fomm_core.errors import CheckpointError, FommError
from fomm_nodes.fomm_core.geometry import Keypoints
from fomm_nodes.fomm_core.model import MotionModel
from fomm_nodes.fomm_core.motion.performance import load_keypoints, save_keypoints
from fomm_nodes.fomm_core.region import load_region, save_region
from fomm_nodes.fomm_core.region.region import Region
from safetensors import safe_open
from safetensors.torch import save_file

FLIPS = 40


def published(path: Path, config: MotionModelConfig) -> None:
    save_model(MotionModel(config), path.parent / "own.safetensors")
    convert(path.parent / "own.safetensors", path)


def flipped(data: bytes, seed: str, start: int = 0) -> Iterator[bytes]:
    """With one bit changed each, behind `start`."""
    rng = random.Random(seed)
    for _ in range(FLIPS):
        at = rng.randrange(start, len(data))
        yield data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]


def silently(read: Callable[[Path], Any], path: Path, same: Callable[[Any], bool], start: int = 0) -> int:
    """How many of the changed files are read, and give something else."""
    data, wrong = path.read_bytes(), 0
    for changed in flipped(data, path.suffix, start):
        path.write_bytes(changed)
        try:
            wrong += not same(read(path))
        except FommError:
            continue
    return wrong


def same_as(expected: dict[str, torch.Tensor]) -> Callable[[MotionModel], bool]:
    def same(model: MotionModel) -> bool:
        got = model.state_dict()
        return all(torch.equal(got[key], value) for key, value in expected.items())

    return same


def test_flipped_bits_in_a_published_checkpoint(tmp_path: Path, small_config: MotionModelConfig) -> None:
    path = tmp_path / "a.pth.tar"
    published(path, small_config)
    assert silently(load_model, path, same_as(load_model(path).state_dict())) == 0


def test_flipped_bits_in_safetensors(tmp_path: Path, small_config: MotionModelConfig) -> None:
    path = tmp_path / "a.safetensors"
    model = MotionModel(small_config)
    save_model(model, path, metadata={"note": "x" * 1000})
    assert silently(load_model, path, same_as(load_model(path).state_dict())) == 0


def test_a_changed_configuration_in_safetensors_is_noticed(tmp_path: Path, small_config: MotionModelConfig) -> None:
    path = tmp_path / "a.safetensors"
    save_model(MotionModel(small_config), path)
    path.write_bytes(path.read_bytes().replace(rb"temperature\": 0.1", rb"temperature\": 0.2"))
    with pytest.raises(CheckpointError, match=r"damaged.*checksum"):
        load_model(path)


def test_flipped_bits_in_keypoints_and_regions(tmp_path: Path) -> None:
    keypoints, region = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    save_keypoints(keypoints, Keypoints(torch.rand(20, 10, 2)), metadata={"note": "x" * 500})
    first = load_keypoints(keypoints)
    assert (
        silently(
            load_keypoints,
            keypoints,
            lambda got: (
                torch.equal(got.keypoints.position, first.keypoints.position) and got.metadata == first.metadata
            ),
        )
        == 0
    )
    centre = torch.rand(30, 2).double() * 50 + 20
    save_region(region, Region(centre, torch.full((30,), 9.0).double(), torch.zeros(30).double(), 100, 100))
    whole = load_region(region)
    assert silently(load_region, region, lambda got: torch.equal(got.centre, whole.centre)) == 0


def test_files_without_a_checksum_are_read(tmp_path: Path, small_config: MotionModelConfig) -> None:
    path = tmp_path / "a.safetensors"
    save_model(MotionModel(small_config), path)
    with safe_open(path, framework="pt") as file:
        notes, tensors = file.metadata(), {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    assert notes[CHECKSUM] == checksum_of(tensors, notes)
    for text in (None, "sha1024:of-the-future"):
        kept = {key: value for key, value in notes.items() if key != CHECKSUM}
        save_file(tensors, path, metadata=kept if text is None else {**kept, CHECKSUM: text})
        assert load_model(path).config == small_config


def test_torch_without_checksums_is_read(tmp_path: Path, small_config: MotionModelConfig) -> None:
    """Where its user switched them off, zeros stand in their place."""
    path = tmp_path / "a.pth"
    torch.serialization.set_crc32_options(False)
    try:
        published(path, small_config)
    finally:
        torch.serialization.set_crc32_options(True)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is not None
    assert read_checkpoint(path).config.num_channels == small_config.num_channels


def test_an_archive_that_unpacks_to_far_more_than_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", bytes(1 << 20))
    monkeypatch.setattr(checksums, "MOST_UNPACKED", 1 << 16)
    with pytest.raises(CheckpointError, match="unpacks to"):
        check_archive(path)
