"""A command of `fomm` in the worker's Python, without waiting for it: its lines, its end, its cancel. No bpy."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import threading
from collections.abc import Sequence

from .environment import end_process
from .process import BLENDERS_OWN, STARTER

NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)


class Command:
    """One at work in a thread of its own.

    words: its last line. share: 0..1 where a line says "12 MB of 700 MB". code: its exit code; None as long as it runs.
    output: what it printed, without its messages.
    """

    def __init__(self, python: str, arguments: Sequence[str]) -> None:
        """Raises OSError where `python` can't be run."""
        self.words, self.share, self.output = "Starting", 0.0, ""
        self.code: int | None = None
        environment = {name: value for name, value in os.environ.items() if name not in BLENDERS_OWN}
        alone = {"start_new_session": True} if sys.platform != "win32" else {"creationflags": NO_WINDOW}
        self._process = subprocess.Popen(
            [python, "-u", str(STARTER), "cli", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**environment, "PYTHONIOENCODING": "utf-8"},
            **alone,
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._printed = threading.Thread(target=self._read, daemon=True)
        self._printed.start()
        self._listener.start()

    def cancel(self) -> None:
        """End it; what a download has fetched is kept for the next one."""
        end_process(self._process)

    def wait(self, seconds: float | None = None) -> int | None:
        """Until it has ended, at most so many seconds; returns its exit code."""
        self._listener.join(seconds)
        return self.code

    def _read(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(OSError, ValueError), self._process.stdout as pipe:
            self.output = pipe.read().decode("utf-8", "replace")

    def _listen(self) -> None:
        assert self._process.stderr is not None
        with contextlib.suppress(OSError, ValueError), self._process.stderr as pipe:
            for line in pipe:
                if text := line.decode("utf-8", "replace").strip():
                    self.words = text
                    self.share = share_in(text) or self.share
        self._printed.join()
        self.code = self._process.wait()


def share_in(text: str) -> float | None:
    """0.5 for "vox-cpk.pth.tar: 365 MB of 730 MB"."""
    found = re.search(r"([\d,.]+) MB of ([\d,.]+) MB", text)
    if found is None:
        return None
    done, total = (float(number.replace(",", "")) for number in found.groups())
    return min(1.0, done / total) if total else None
