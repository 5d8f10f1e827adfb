"""Set Up Worker in a real Blender without a window."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from inside_blender import checks_of, run_inside
from small_wheel import quick_maker, write_wheel

INSIDE = Path(__file__).with_name("inside") / "setting_up.py"


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("set-up")
    (folder / "wheels").mkdir()
    write_wheel(folder / "wheels")
    Path(quick_maker(folder)).rename(folder / "maker")
    (folder / "list.txt").write_text("fomm-small-thing==1.0\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_CONFIG_FILE", os.devnull)
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(folder / "wheels"))
        return run_inside(INSIDE, folder)


@pytest.mark.parametrize("name", checks_of(INSIDE))
def test_inside_blender(name: str, inside: dict[str, dict[str, Any]]) -> None:
    assert not inside[name]["error"], inside[name]["error"]


def test_what_is_told(inside: dict[str, dict[str, Any]]) -> None:
    told = inside["check_a_failure_is_told"]["told"]
    assert "fomm-nothing-of-this-name==3.0 can't be had" in told["said"]
    assert "No matching distribution" in told["report"]
    assert "Allow Online Access" in inside["check_offline_is_respected"]["told"]["said"]
