"""Decoding in a process of its own: a file that brings a decoder down, or keeps it busy, costs nothing else."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

from .boot import start
from .processes import end_process

STRIP_SECONDS, CHECK_SECONDS = 60.0, 300.0
TICK = 0.2
LARGEST_PICTURE = 200_000_000
"""Pixels; Pillow takes twice as many before it refuses."""


class Inspector:
    """Looks at files, one at a time. Its process starts with the first, and again after it died.

    Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._one = threading.Lock()

    def check(self, path: Path, tick: Callable[[], None] = lambda: None) -> int:
        """See `contents.check`; `tick` is called meanwhile, and what it raises is passed on."""
        from .contents import ContentError

        answer = self._ask({"check": str(path.absolute())}, CHECK_SECONDS, tick)
        if "frames" not in answer:
            raise ContentError(answer["wrong"])
        return int(answer["frames"])

    def strip(self, files: Sequence[Path]) -> bytes:
        """See `strips.strip_of`."""
        if not files:
            return b""
        answer = self._ask({"strip": [str(path.absolute()) for path in files]}, STRIP_SECONDS, lambda: None)
        return base64.b64decode(answer.get("strip", ""))

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            end_process(process)

    def _ask(self, question: dict[str, Any], seconds: float, tick: Callable[[], None]) -> dict[str, Any]:
        while not self._one.acquire(timeout=TICK):
            tick()
        try:
            return self._answer(question, time.monotonic() + seconds, tick)
        except BaseException:
            self.close()  # it may still be at it
            raise
        finally:
            self._one.release()

    def _answer(self, question: dict[str, Any], deadline: float, tick: Callable[[], None]) -> dict[str, Any]:
        process = self._started()
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            process.stdin.write(json.dumps(question).encode() + b"\n")
            process.stdin.flush()
        while True:
            with contextlib.suppress(queue.Empty):
                answer = self._answers.get(timeout=TICK)
                if answer is not None:
                    return answer
                self.close()
                return {"wrong": "the decoder broke down over it"}
            if time.monotonic() > deadline:
                self.close()
                return {"wrong": "decoding it does not come to an end"}
            tick()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = start("inspector", subprocess.DEVNULL, {"OMP_NUM_THREADS": "1"})
            self._answers = queue.SimpleQueue()
            assert self._process.stdout is not None
            threading.Thread(target=_hear, args=(self._process.stdout, self._answers), daemon=True).start()
        return self._process


def _hear(lines: IO[bytes], answers: queue.SimpleQueue[dict[str, Any] | None]) -> None:
    with contextlib.suppress(OSError, ValueError):
        for line in lines:
            answers.put(json.loads(line))
    answers.put(None)


def main() -> None:
    """Serve until standard input ends, or brings a broken line."""
    from PIL import Image

    from .contents import ContentError, check
    from .strips import strip_of

    Image.MAX_IMAGE_PIXELS = LARGEST_PICTURE
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin.buffer:
        try:
            question = json.loads(line)
        except ValueError:
            return
        if "check" in question:
            try:
                answer: dict[str, Any] = {"frames": check(Path(question["check"]))}
            except (ContentError, OSError, MemoryError) as problem:
                answer = {"wrong": str(problem) or type(problem).__name__}
        else:
            try:
                strip = strip_of([Path(name) for name in question["strip"]])
            except Exception:  # a report without an image is still one
                strip = b""
            answer = {"strip": base64.b64encode(strip).decode()}
        replies.write(json.dumps(answer) + "\n")
        replies.flush()
