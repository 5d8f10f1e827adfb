"""Runs a file of `check_...` functions inside Blender, in a child process of the Python that FOMM_BPY_PYTHON names."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SECONDS = 900
"""After which something hangs, also on a machine with much else to do."""


def checks_of(path: Path) -> list[str]:
    """The names of its checks."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return [node.name for node in body if isinstance(node, ast.FunctionDef) and node.name.startswith("check_")]


def run_inside(path: Path, folder: Path) -> dict[str, dict[str, Any]]:
    """What each check told; skips the test where there is no Blender. folder: for the checks' files."""
    python = os.environ.get("FOMM_BPY_PYTHON")
    if not python:
        pytest.skip("needs bpy: set FOMM_BPY_PYTHON to a Python that has it (pip install bpy==5.0.1 'numpy<2')")
    ran = subprocess.run(
        [python, str(path), str(folder)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env={**os.environ, "FOMM_PYTHON": sys.executable, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    lines = [line[2:] for line in ran.stdout.splitlines() if line.startswith("@@")]
    told = {entry["check"]: entry for entry in map(json.loads, lines)}
    assert set(told) == set(checks_of(path)), ran.stdout[-500:] + ran.stderr[-1000:]
    return told
