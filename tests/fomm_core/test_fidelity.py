"""Reduced precision is used as far as the user's bound allows, and measured once for a file."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from fomm_nodes.fomm_core import fidelity
from fomm_nodes.fomm_core.errors import FommError, ImageError
from fomm_nodes.fomm_core.model import MotionModel
from fomm_nodes.fomm_core.shipped import ASSETS

from tests.support.nearness import near

CPU = torch.device("cpu")


@pytest.fixture
def measured(monkeypatch) -> list[torch.dtype]:
    """Formats that were measured; each reaches 50 dB."""
    seen: list[torch.dtype] = []
    monkeypatch.setattr(fidelity, "fast_dtype", lambda dtype, device: dtype)
    monkeypatch.setattr(fidelity, "fidelity", lambda model, dtype, device: seen.append(dtype) or 50.0)
    return seen


@pytest.fixture
def weights(tmp_path) -> Path:
    path = tmp_path / "own.safetensors"
    path.write_bytes(b"weights")
    return path


def test_the_worst_frame_counts(make, monkeypatch) -> None:
    exact = torch.full((4, 3, 8, 8), 0.5)
    reduced = exact.clone()
    reduced[1] += 0.01
    reduced[2] += 0.1
    frames = {torch.bfloat16: reduced, torch.float32: exact}
    monkeypatch.setattr(fidelity, "_frames", lambda model, source, clip, dtype, device: frames[dtype])
    near(fidelity.fidelity(make(), torch.bfloat16, CPU), 20.0)
    assert fidelity.fidelity(make(), torch.float32, CPU) == fidelity.MOST


def test_frames_come_from_the_models_own_session(make, monkeypatch) -> None:
    monkeypatch.setattr(fidelity, "AnimationSession", _Noisy)
    reached = fidelity.fidelity(make(), torch.bfloat16, CPU)
    assert 0 < reached < fidelity.MOST


class _Noisy(fidelity.AnimationSession):
    """In bfloat16, every frame's numbers are rounded to it; on any processor."""

    def __init__(self, model: MotionModel, *, device: torch.device, dtype: torch.dtype) -> None:
        super().__init__(model, device=device)
        self.rounded = dtype

    def render(self, *given, **more):
        for rendered in super().render(*given, **more):
            yield replace(rendered, images=rendered.images.to(self.rounded))


def test_frames_that_are_not_finite_reach_nothing(make, monkeypatch) -> None:
    def fail(*given: object) -> torch.Tensor:
        raise ImageError("NaN")

    monkeypatch.setattr(fidelity, "_frames", fail)
    assert fidelity.fidelity(make(), torch.float16, CPU) == 0


@pytest.mark.parametrize(("least", "dtype"), [(0, torch.bfloat16), (50, torch.bfloat16), (50.1, torch.float32)])
def test_the_bound_decides(least, dtype, make, measured, weights, caplog) -> None:
    with caplog.at_level(logging.WARNING, "fomm.session"):
        assert fidelity.bounded_dtype(make(), torch.bfloat16, CPU, least, weights=weights) == dtype
    assert ("bfloat16 reaches 50.0 dB, less than 50.1: float32 is used" in caplog.text) == (dtype == torch.float32)


def test_float32_is_not_measured(make, measured, weights) -> None:
    assert fidelity.bounded_dtype(make(), torch.float32, CPU, 99, weights=weights) == torch.float32
    assert not measured
    assert list(weights.parent.iterdir()) == [weights]


def test_a_file_is_measured_once_for_each_format(make, measured, weights) -> None:
    for _ in range(2):
        for dtype in (torch.bfloat16, torch.float16):
            assert fidelity.bounded_dtype(make(), dtype, CPU, 45, weights=weights) == dtype
    assert measured == [torch.bfloat16, torch.float16]
    kept = json.loads(weights.with_name("own.safetensors.precision.json").read_text())
    assert kept["decibels"] == {"bfloat16 on cpu": 50.0, "float16 on cpu": 50.0}


@pytest.mark.parametrize("change", ["weights", "torch", "damaged", "of another kind"])
def test_what_changed_is_measured_again(change, make, measured, weights, monkeypatch) -> None:
    def bounded() -> None:
        fidelity.bounded_dtype(make(), torch.bfloat16, CPU, 45, weights=weights)

    bounded()
    kept = weights.with_name("own.safetensors.precision.json")
    if change == "weights":
        weights.write_bytes(b"other ones")
    elif change == "torch":
        monkeypatch.setattr(torch, "__version__", "0")
    else:
        kept.write_text("{" if change == "damaged" else "[1]")
    bounded()
    bounded()
    assert len(measured) == 2


def test_nothing_is_kept_beside_models_of_the_package(make, measured) -> None:
    before = sorted(os.listdir(ASSETS))
    fidelity.bounded_dtype(make(), torch.bfloat16, CPU, 45, weights=ASSETS / "demo-128.safetensors")
    assert measured
    assert sorted(os.listdir(ASSETS)) == before


def test_a_folder_that_takes_no_file_is_no_obstacle(make, measured, weights, monkeypatch) -> None:
    def full(path: Path) -> None:
        raise OSError("no room")

    monkeypatch.setattr(fidelity, "atomic_path", full)
    assert fidelity.bounded_dtype(make(), torch.bfloat16, CPU, 45, weights=weights) == torch.bfloat16


@pytest.mark.parametrize("least", [-1.0, float("nan"), float("inf")])
def test_a_bound_that_is_none(least, make) -> None:
    with pytest.raises(FommError, match="expected a PSNR in dB"):
        fidelity.bounded_dtype(make(), torch.bfloat16, CPU, least)
