"""Processes that are spoken to through pipes."""

from __future__ import annotations

import contextlib
from subprocess import Popen


def end_process(process: Popen[bytes]) -> None:
    """Kill it, wait for its end, and close its pipes."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
