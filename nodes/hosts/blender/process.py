"""A worker process under the Python that the user chose: its pipes, its life, its last words."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

STARTER = Path(__file__).with_name("start_worker.py")
BLENDERS_OWN = ("OCIO", "PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONNOUSERSITE")
"""What Blender sets for its own Python, and no other should see."""

LAST_WORDS = 3000
"""Characters of a worker's standard error that are told when it ends."""


class Process:
    """A worker: `say` never waits, `heard` holds what it answers, and None at its end."""

    def __init__(self, python: str, log: Path, first: Mapping[str, Any], module: str = "worker") -> None:
        """module: of `render`, what it runs. Raises OSError where `python` can't be run."""
        self.heard: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._log = log
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        environment = {name: value for name, value in os.environ.items() if name not in BLENDERS_OWN}
        alone: dict[str, Any] = {"start_new_session": True}  # Ctrl-C in Blender's terminal isn't for the worker
        if sys.platform == "win32":
            alone = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [python, "-u", str(STARTER), module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                **alone,
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        threading.Thread(target=_write, args=(self._process.stdin, self._lines), daemon=True).start()
        threading.Thread(target=_read, args=(self._process.stdout, self.heard), daemon=True).start()
        self.say(first)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def say(self, message: Mapping[str, Any]) -> None:
        """Send a line; one to a dead worker is lost."""
        self._lines.put(json.dumps(message).encode() + b"\n")

    def last_words(self) -> str:
        """The end of what it wrote to standard error."""
        try:
            return self._log.read_text(encoding="utf-8", errors="replace")[-LAST_WORDS:].strip()
        except OSError:
            return ""

    def end(self) -> str:
        """Make sure that it is gone; returns how it went, in words."""
        code = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(0.2)  # its pipe closes a moment before it ends
        if code is None:
            self._process.kill()
            self._process.wait()
        self._lines.put(None)
        if code is None:
            return "it was ended"
        return f"killed by signal {-code}" if code < 0 else f"exit code {code}"

    def kill(self) -> None:
        """At once."""
        self._process.kill()
        self._process.wait()
        self._lines.put(None)


def _write(pipe: IO[bytes], lines: queue.SimpleQueue[bytes | None]) -> None:
    with contextlib.suppress(OSError, ValueError):
        while (line := lines.get()) is not None:
            pipe.write(line)
            pipe.flush()
    with contextlib.suppress(OSError):
        pipe.close()


def _read(pipe: IO[bytes], heard: queue.SimpleQueue[dict[str, Any] | None]) -> None:
    """A line that is no message comes from a program that is no worker of ours; it's in nobody's interest."""
    with contextlib.suppress(OSError, ValueError), pipe:
        for line in pipe:
            with contextlib.suppress(ValueError):
                message = json.loads(line)
                if isinstance(message, dict):
                    heard.put(message)
    heard.put(None)
