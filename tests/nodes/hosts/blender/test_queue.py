"""The sequencer's queue: in a real Blender without a window, and its list alone."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fomm_nodes.nodes.hosts.blender.queued import PLACE, Entry, Queue
from inside_blender import SECONDS, checks_of, run_inside

INSIDE = Path(__file__).with_name("inside") / "queueing.py"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    folder = tmp_path_factory.mktemp("queue")
    for name in ("driving.mp4", "source.png"):
        shutil.copy(root / "fomm_core" / "assets" / name, folder)
    return folder


@pytest.fixture(scope="module")
def inside(files: Path) -> dict[str, dict[str, Any]]:
    return run_inside(INSIDE, files)


@pytest.mark.parametrize("name", checks_of(INSIDE))
def test_inside_blender(name: str, inside: dict[str, dict[str, Any]]) -> None:
    assert not inside[name]["error"], inside[name]["error"]


def test_what_is_told(inside: dict[str, dict[str, Any]]) -> None:
    assert "gone.safetensors" in inside["check_what_fails_is_told_and_tried_again"]["told"]["said"]
    assert "Select the stills" in inside["check_refusals"]["told"]["no movie"]


def blender(mode: str, files: Path) -> subprocess.CompletedProcess[str]:
    python = os.environ.get("FOMM_BPY_PYTHON")
    if not python:
        pytest.skip("needs bpy: set FOMM_BPY_PYTHON to a Python that has it (pip install bpy==5.0.1 'numpy<2')")
    environment = {**os.environ, "FOMM_PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    command = [python, str(INSIDE), mode, str(files)]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, env=environment, check=False)


def rows(folder: Path) -> dict[str, tuple[str, int]]:
    """State and attempts of each job that the driver has on record."""
    with sqlite3.connect(folder / ".fomm" / "manifest.sqlite") as file:
        return {
            name: (state, attempts) for name, state, attempts in file.execute("SELECT name, state, attempts FROM jobs")
        }


def test_blender_killed_in_the_middle_and_reopened_does_all_once(files: Path) -> None:
    killed = blender("kill", files)
    assert killed.returncode == -9, killed.stdout + killed.stderr
    folder = files / "fomm"
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.mp4")}
    assert 3 <= len(before) < 12
    again = blender("again", files)
    assert "@@reopened" in again.stdout, again.stdout[-1000:] + again.stderr[-2000:]
    after = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.mp4")}
    assert len(after) == 12
    assert {name: after[name] for name in before} == before, "not done again"
    states = list(rows(folder).values())
    assert len(states) == 12
    assert {state for state, _ in states} == {"done"}
    assert {attempts for _, attempts in states} == {1}


def entry(name: str, **values: Any) -> Entry:
    return Entry(name, name, {}, {}, name, {}, **values)


def test_the_list_outlives_its_program(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.add(
        [entry("a", state="running", share=0.5), entry("b", state="done", made=["b.mp4"]), entry("c", state="failed")]
    )
    again = Queue.load(tmp_path)
    assert [one.state for one in again.entries] == ["waiting", "done", "failed"]
    again.retry(again.entries)
    again.cancel(again.entries[:1])
    assert [one.state for one in Queue.load(tmp_path).entries] == ["cancelled", "done", "waiting"]
    again.clear()
    assert [one.id for one in Queue.load(tmp_path).entries] == ["c"]


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"entries": [1]}', '{"entries": [{"id": "a"}]}'])
def test_a_broken_list_says_so(tmp_path: Path, text: str) -> None:
    (tmp_path / PLACE).parent.mkdir()
    (tmp_path / PLACE).write_text(text)
    queue = Queue.load(tmp_path)
    assert "Delete it" in queue.problem
    assert queue.entries == []


def test_a_state_that_none_of_ours_has_is_refused(tmp_path: Path) -> None:
    Queue(tmp_path).add([entry("a")])
    told = json.loads((tmp_path / PLACE).read_text())
    told["entries"][0]["state"] = "sideways"
    (tmp_path / PLACE).write_text(json.dumps(told))
    assert "sideways" in Queue.load(tmp_path).problem
