"""Two thousand changed files of every kind: each is read, or refused with a FommError."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory as Linux tells it")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: one that ends says where it stood."""
    command = [sys.executable, "-m", "tests.fuzz.run", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)


def test_changed_files_of_every_kind() -> None:
    """It fails by itself where memory, time, files, processes or connections are not as they should be."""
    ran = run("--count", "2000", "--seed", "20261130")
    assert ran.returncode == 0, ran.stderr[-6000:]
    assert "2000 inputs" in ran.stdout
    for kind, count, refused in re.findall(r"^  (.+): (\d+), (\d+) refused$", ran.stdout, re.MULTILINE):
        assert 0 < int(refused) < int(count), f"{kind}: those that are all alike show little"
