"""Regions from strangers' files: squares so long that their crop would take all memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from fomm_nodes.cli.main import main
from fomm_nodes.fomm_core.errors import RegionError
from fomm_nodes.fomm_core.region import Cropper, Region, crop, crop_pixels, load_region, save_region
from fomm_nodes.fomm_core.video import write_image


def square(side: float, at: float = 32.0) -> Region:
    values = torch.tensor([side], dtype=torch.float64)
    return Region(torch.full((1, 2), at, dtype=torch.float64), values, torch.zeros(1), 64, 64)


@pytest.mark.parametrize("size", [0, -1, 16_385, 10**9, 10**300])
def test_crops_that_no_memory_has_room_for(size: int) -> None:
    frame = np.zeros((64, 64, 3), np.uint8)
    for make in (
        lambda: crop_pixels(frame, square(40), size),
        lambda: Cropper(square(40), size),
        lambda: crop(torch.zeros(1, 3, 64, 64), square(40), size),
    ):
        with pytest.raises(RegionError, match=r"expected a crop of 1 to 16,384 pixels"):
            make()


@pytest.mark.parametrize("side", [1e9, 1e300])
@pytest.mark.parametrize("command", ["crop", "animate"])
def test_a_file_with_an_endless_square(
    side: float, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = save_region(tmp_path / "r.safetensors", square(side))
    assert len(load_region(path)) == 1
    write_image(tmp_path / "a.png", np.zeros((64, 64, 3), np.uint8))
    given = [str(tmp_path / "a.png"), *([str(tmp_path / "a.png")] if command == "animate" else [])]
    out = tmp_path / ("b.png" if command == "crop" else "b.mp4")
    assert main([command, *given, "-o", str(out), "--crop", str(path), "-q"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("fomm: error: expected a crop of 1 to 16,384 pixels")
    assert not out.exists()
