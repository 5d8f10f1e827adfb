"""Points beside a clip: written, read, and refused where the file is another one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fomm_nodes.fomm_core.errors import DataError
from fomm_nodes.fomm_core.training.data.points import points_file, read_points, write_points
from safetensors.numpy import save_file


def test_points_come_back_as_they_were(tmp_path: Path) -> None:
    clip = tmp_path / "some one#d-2.5_x-0.mp4"
    points = np.random.default_rng(0).uniform(-5, 200, (7, 64, 2)).astype(np.float32)
    assert points_file(clip).name == "some one#d-2.5_x-0.points.safetensors"
    write_points(points_file(clip), points[:, :, ::-1], 160, 192)  # not contiguous
    read, size = read_points(points_file(clip))
    assert (read == points[:, :, ::-1]).all()
    assert read.dtype == np.float32
    assert size == (160, 192)
    before = points_file(clip).read_bytes()
    write_points(points_file(clip), read, 160, 192)
    assert points_file(clip).read_bytes() == before


@pytest.mark.parametrize("bad", [np.zeros((7, 63, 2)), np.zeros((64, 2)), np.full((1, 64, 2), np.nan)])
def test_other_shapes_are_not_written(tmp_path: Path, bad: np.ndarray) -> None:
    with pytest.raises(DataError, match="64"):
        write_points(tmp_path / "a.points.safetensors", bad.astype(np.float32), 8, 8)
    assert not list(tmp_path.iterdir())


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.points.safetensors"
    with pytest.raises(DataError, match="cannot be read"):
        read_points(path)
    path.write_bytes(b"no safetensors")
    with pytest.raises(DataError, match="cannot be read"):
        read_points(path)
    points, size = np.zeros((2, 64, 2), np.float32), np.array([8, 8])
    for said in ({}, {"format": "other"}):
        save_file({"points": points, "size": size}, path, said)
        with pytest.raises(DataError, match="fomm-points-1"):
            read_points(path)
    for arrays in ({"points": points}, {"size": size}, {"points": points, "size": np.array([8, 8, 8])}):
        save_file(arrays, path, {"format": "fomm-points-1"})
        with pytest.raises(DataError, match="cannot be read"):
            read_points(path)
    save_file({"points": points[:, :3].copy(), "size": size}, path, {"format": "fomm-points-1"})
    with pytest.raises(DataError, match="64"):
        read_points(path)
