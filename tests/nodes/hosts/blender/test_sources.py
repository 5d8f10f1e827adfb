"""Blender's own images as sources, and results as strips: `FOMM_BPY_PYTHON` is a Python that has `bpy`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from inside_blender import checks_of, run_inside

INSIDE = Path(__file__).with_name("inside") / "sources.py"


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory, root: Path) -> dict[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("sources")
    for name in ("driving.mp4", "source.png"):
        shutil.copy(root / "fomm_core" / "assets" / name, folder)
    return run_inside(INSIDE, folder)


@pytest.mark.parametrize("name", checks_of(INSIDE))
def test_inside_blender(name: str, inside: dict[str, dict[str, Any]]) -> None:
    assert not inside[name]["error"], inside[name]["error"]
