"""ComfyUI's workflows in a real Blender: `FOMM_BPY_PYTHON` is a Python that has `bpy`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fomm_nodes.graph.schemas import schemas_from
from front_ends import is_as_the_front_end_has_it, real_workflows
from inside_blender import checks_of, run_inside

INSIDE = Path(__file__).with_name("inside") / "workflows.py"
TWO_WIRES = ["image_qwen_image_instantx_controlnet.json"]
"""Its subgraph has two wires into one output; a socket of Blender's takes one."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workflows")


@pytest.fixture(scope="module")
def inside(folder: Path) -> dict[str, dict[str, Any]]:
    return run_inside(INSIDE, folder)


@pytest.mark.parametrize("name", checks_of(INSIDE))
def test_inside_blender(name: str, inside: dict[str, dict[str, Any]]) -> None:
    assert not inside[name]["error"], inside[name]["error"]


def test_unknown_values_are_told_with_their_node(inside: dict[str, dict[str, Any]]) -> None:
    told = inside["check_unknown_values_are_told"]["told"]
    assert "“KSampler”" in told["said"]
    assert "Ask ComfyUI" in told["said"]
    assert told["chosen"]


def test_real_workflows(inside: dict[str, dict[str, Any]], folder: Path) -> None:
    """From a canvas to a tree and back, and on to what is run; against what the front end made."""
    if not real_workflows():
        pytest.skip("needs pairs of workflows and their conversions: name their folders in FOMM_WORKFLOWS")
    wrong, count = [], 0
    for named in real_workflows():
        info = schemas_from(named / "object_info.json")
        for path in sorted((named / "ui").glob("*.json")):
            count += 1
            made = json.loads((folder / named.name / path.name).read_text(encoding="utf-8"))
            if not is_as_the_front_end_has_it(made, path, info):
                wrong.append(path.name)
    assert count
    assert not wrong, f"{count - len(wrong)} of {count} identical; not: {wrong}"
    assert set(inside["check_real_workflows"]["told"]["changed"]) <= set(TWO_WIRES)
