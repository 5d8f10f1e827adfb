"""The add-on inside Blender: `bpy_suite.py` in a child process of the Python that FOMM_BPY_PYTHON names."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fomm_nodes.batch.render import local_schemas
from fomm_nodes.graph.reading import read_graph
from fomm_nodes.nodes.hosts.headless.files import Folders

ROOT = Path(__file__).resolve().parents[4]
SUITE = Path(__file__).with_name("bpy_suite.py")
CHECKS = [
    node.name
    for node in ast.parse(SUITE.read_text(encoding="utf-8")).body
    if isinstance(node, ast.FunctionDef) and node.name.startswith("check_")
]
TIME_OUT = 900


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("blender")


@pytest.fixture(scope="module")
def told(folder: Path) -> dict[str, dict[str, str]]:
    """How each check went."""
    python = os.environ.get("FOMM_BPY_PYTHON")
    if not python:
        pytest.skip('no Blender: set FOMM_BPY_PYTHON to a Python that has bpy (pip install "bpy==5.0.1" "numpy<2")')
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    ran = subprocess.run(
        [python, str(SUITE), str(ROOT), sys.executable, str(folder)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIME_OUT,
    )
    lines = [json.loads(line[6:]) for line in ran.stdout.splitlines() if line.startswith("CHECK ")]
    assert ran.returncode == 0, ran.stdout
    return {line["name"]: {**line, "said": ran.stdout} for line in lines}


@pytest.mark.parametrize("name", CHECKS)
def test_inside(told: dict[str, dict[str, str]], name: str) -> None:
    assert name in told, "it was not reached"
    assert not told[name]["fault"], told[name]["fault"]


def test_what_blender_exports_is_what_fomm_makes_of_the_same_canvas(
    told: dict[str, dict[str, str]], folder: Path
) -> None:
    schemas = local_schemas(Folders(()))
    for path in sorted((ROOT / "workflows").glob("*.json")):
        exported = json.loads((folder / f"api-{path.name}").read_text(encoding="utf-8"))
        assert exported == read_graph(path, schemas).to_api(), path.name
