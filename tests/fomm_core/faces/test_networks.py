"""The face networks against LiteRT's numbers for MediaPipe's own files (tools/face_weights.py stores them)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from fomm_nodes.fomm_core.errors import CheckpointError
from fomm_nodes.fomm_core.faces import weights
from fomm_nodes.fomm_core.shipped import ASSETS, builtin_models
from nearness import near
from PIL import Image

# The detector is stored as float16 by MediaPipe too: what remains is the order of float32 sums (1e-6 of the largest
# value was seen). The weights of mesh and eyes were float32: each is now off by up to 2**-11 of itself, 5e-4.
TOLERANCE = {"detector": 1e-5, "mesh": 1e-3, "eyes": 1e-3}


@pytest.fixture(scope="module")
def networks() -> weights.FaceNetworks:
    return weights.load_networks()


@pytest.mark.parametrize("part", TOLERANCE)
def test_networks_give_litert_numbers(part: str, networks: weights.FaceNetworks, root: Path) -> None:
    numbers = np.load(root / "tests/data/faces/litert.npz")
    x, y, side = numbers[f"{part}.cut"]
    photograph = np.asarray(Image.open(ASSETS / "source.png").convert("RGB"))[y : y + side, x : x + side]
    picture = torch.from_numpy(photograph.astype(np.float32)).permute(2, 0, 1)[None]
    picture = picture / 127.5 - 1 if part == "detector" else picture / 255
    with torch.inference_mode():
        found = getattr(networks, part)(picture.expand(2, -1, -1, -1))
    for index, ours in enumerate(found):
        theirs = torch.from_numpy(numbers[f"{part}.{index}"])
        assert ours.shape == (2, *theirs.shape[1:])
        near(ours, theirs.expand_as(ours), TOLERANCE[part])


def test_weights_are_small_and_no_built_in_model() -> None:
    assert weights.FACE_WEIGHTS.stat().st_size < 3_000_000
    assert weights.FACE_WEIGHTS not in builtin_models().values()


def test_missing_weights_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(weights, "FACE_WEIGHTS", tmp_path / "none.safetensors")
    with pytest.raises(CheckpointError, match="Install fomm-nodes again"):
        weights.load_networks()
    (tmp_path / "none.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(CheckpointError, match="cannot be read"):
        weights.load_networks()
