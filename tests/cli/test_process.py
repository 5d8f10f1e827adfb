"""`fomm` as a program of its own: what it loads, and how it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from children import INTERRUPTIBLE

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = f"""
import importlib.util, sys
spec = importlib.util.spec_from_file_location(
    "fomm_nodes", {str(ROOT / "__init__.py")!r}, submodule_search_locations=[{str(ROOT)!r}])
module = sys.modules["fomm_nodes"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
from fomm_nodes.cli.main import main
code = main(sys.argv[1:])
heavy = {{"torch", "cv2", "av", "rich", "numpy"}}
print("loaded:", *sorted(heavy & set(sys.modules)), file=sys.stderr)
sys.exit(code)
"""
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


def start(*arguments: str, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, stdout=pipe, stderr=pipe, text=True, **INTERRUPTIBLE)


@pytest.mark.parametrize("arguments", [["--help"], ["animate", "--help"], ["--version"], ["animate"]])
def test_help_loads_nothing_heavy(tmp_path: Path, arguments: list[str]) -> None:
    with start(*arguments, folder=tmp_path) as process:
        _, err = process.communicate(timeout=400)
    assert err.splitlines()[-1] == "loaded:"


def test_planning_a_batch_loads_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("Animate to Video.strength\n0.5\n1\n")
    graph = ROOT / "workflows" / "animate.json"
    with start("render", str(graph), "--jobs", "table.csv", "--dry-run", folder=tmp_path) as process:
        _, err = process.communicate(timeout=400)
    assert "2 jobs; nothing was rendered" in err
    assert err.splitlines()[-1] == "loaded:"


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "out.mp4").write_text("precious")
    arguments = ["animate", "--example", "-o", "out.mp4", "-y", "--occlusion", "mask.mp4", "--size", "256"]
    with start(*arguments, folder=tmp_path) as process:
        assert process.stderr is not None
        heard = next(line for line in process.stderr if re.search(r"detecting keypoints: 46 of 46", line))
        process.send_signal(number)
        _, rest = process.communicate(timeout=400)
    assert process.returncode == 1, heard + rest
    assert "fomm: stopped" in rest
    assert "Traceback" not in rest
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    assert (tmp_path / "out.mp4").read_text() == "precious"


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_terminal_gets_bars(tmp_path: Path) -> None:
    import pty

    shown, terminal = pty.openpty()
    arguments = ["animate", "--example", "-o", "out.mp4", "--size", "model", "--frames", "5"]
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=tmp_path,
        env={**ENVIRONMENT, "TERM": "xterm", "COLUMNS": "110"},
        stdout=subprocess.PIPE,
        stderr=terminal,
        text=True,
    ) as process:
        os.close(terminal)
        heard = b""
        while chunk := _read(shown):
            heard += chunk
        out, _ = process.communicate(timeout=400)
    os.close(shown)
    assert process.returncode == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", heard.decode(errors="replace"))
    assert re.search(r"detecting keypoints +\S+ +5/5", text)
    assert re.search(r"rendering +\S+ +5/5 +[\d.]+ fps +\d+:\d+:\d+", text)
    assert "out.mp4: 5 frames" in out


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # the other side was closed
        return b""


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX pipes")
def test_a_reader_that_leaves_is_no_defect(tmp_path: Path) -> None:
    with start("inspect", "--json", *["demo-128"] * 40, folder=tmp_path) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(1)
        process.stdout.close()
        err = process.stderr.read()
        process.wait(400)
    assert "Traceback" not in err
    assert "Exception ignored" not in err
