"""A worker process: the local engine behind standard input and output. Ends with its driver.

Lines in: {"options": ...} once, then {"job": ..., "folder": ...}. Lines out: {"ready": pid}, {"progress": ...}, and for
each job {"done": ...} or {"failed": ...}. What libraries print goes to standard error.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import traceback
from pathlib import Path
from typing import Any, TextIO

from .engine import JobError, Progress
from .local import LocalEngine
from .wire import error_to, job_from, options_from, progress_to, results_to


def main() -> None:
    """Serve until standard input ends."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(lines,), daemon=True).start()
    engine = LocalEngine(options_from(json.loads(lines.get())["options"]))
    _say(replies, {"ready": os.getpid()})
    while True:
        order = json.loads(lines.get())
        _say(replies, _serve(engine, order, replies))


def _listen(lines: queue.SimpleQueue[str]) -> None:
    """When nobody listens any more, nothing is worth finishing: not even a job in the middle."""
    for line in sys.stdin:
        lines.put(line)
    os._exit(0)


def _serve(engine: LocalEngine, order: dict[str, Any], replies: TextIO) -> dict[str, Any]:
    def report(progress: Progress) -> None:
        _say(replies, {"progress": progress_to(progress)})

    try:
        return {"done": results_to(engine.make(job_from(order["job"]), Path(order["folder"]), report))}
    except JobError as error:
        return {"failed": error_to(error)}
    except Exception as problem:
        details = traceback.format_exc()
        return {"failed": error_to(JobError(f"{type(problem).__name__}: {problem}", details=details))}


def _say(replies: TextIO, message: dict[str, Any]) -> None:
    try:
        replies.write(json.dumps(message) + "\n")
        replies.flush()
    except OSError:  # the driver is gone
        os._exit(0)
