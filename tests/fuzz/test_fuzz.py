"""Two thousand changed files of every kind: each is read, or refused with a FommError."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory as Linux tells it")
def test_changed_files_of_every_kind() -> None:
    """In a process of its own: one that ends says where it stood."""
    command = [sys.executable, "-m", "tests.fuzz.run", "--count", "2000", "--seed", "20261130"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert ran.returncode == 0, ran.stderr[-6000:]
    assert "2000 inputs" in ran.stdout
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    assert peak < 3 << 30
