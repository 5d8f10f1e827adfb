"""Trees as people change them, in a real Blender: `FOMM_BPY_PYTHON` is a Python that has `bpy`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from inside_blender import checks_of, run_inside

INSIDE = Path(__file__).with_name("inside") / "editing.py"


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    return run_inside(INSIDE, tmp_path_factory.mktemp("editing"))


@pytest.mark.parametrize("name", checks_of(INSIDE))
def test_inside_blender(name: str, inside: dict[str, dict[str, Any]]) -> None:
    assert not inside[name]["error"], inside[name]["error"]


def test_takes_are_numbered_and_letters_of_any_script_stay(inside: dict[str, dict[str, Any]]) -> None:
    names = inside["check_takes_are_kept"]["told"]["names"]
    assert names == ["hero_001.png", "Ä_001.png", "Ä_002.png", "Ö_001.png", "Ö_002.png"]


def test_a_file_that_is_gone_is_named_once_with_its_node(inside: dict[str, dict[str, Any]]) -> None:
    told = inside["check_a_file_that_is_gone_is_named"]["told"]
    assert told["said"].count("gone.png") == 1
    assert "“Load Image”" in told["said"]
    assert told["chosen"]
