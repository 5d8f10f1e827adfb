"""A worker process: the local engine behind standard input and output. Ends with its driver, or at a broken line.

Lines in: {"options": ...} once, then {"job": ..., "folder": ...} or {"describe": true}, and at any time
{"cancel": job id}. Lines out: {"ready": pid}, {"progress": ...}, and for each job {"done": ...} or {"failed": ...},
for each question {"described": ...}. Where the options do not fit this machine, {"refused": why} is all that comes.
What libraries print goes to standard error.

The first line may ask for more: "beat": n, a {"beat": ...} every n seconds; "previews": a folder, where the image at
work is shown as a file, named in {"progress": ..., "preview": path}; "server": the address of a ComfyUI that runs the
jobs instead.
"""

from __future__ import annotations

import _thread
import contextlib
import json
import os
import queue
import shutil
import signal
import sys
import threading
import traceback
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from ...fomm_core.errors import FommError
from ...nodes.spec import LISTS
from ..engine import CancelledError, JobError, JobProgress
from .engine import LocalEngine
from .preview import PreviewFile
from .wire import error_to, job_from, options_from, progress_to, results_to

if TYPE_CHECKING:
    from ..comfyui.remote import RemoteEngine


def main() -> None:
    """Serve until standard input ends."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    _Worker(replies).serve()


class _Worker:
    def __init__(self, replies: TextIO) -> None:
        self._replies = replies
        self._writing = threading.Lock()
        self._orders: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._job = ""  # the one at work
        self._folder: Path | None = None
        self._cancelled: set[str] = set()
        self._breakable = False  # whether a cancel may end what the main thread is at
        self._previews: PreviewFile | None = None
        self._engine: LocalEngine | None = None

    def serve(self) -> None:
        signal.signal(signal.SIGINT, self._interrupted)
        threading.Thread(target=self._listen, daemon=True).start()
        try:
            self._serve()
        except Exception:
            traceback.print_exc()
            self._leave(1)

    def _serve(self) -> None:
        first = self._orders.get()
        if seconds := first.get("beat"):
            threading.Thread(target=self._beat, args=(float(seconds),), daemon=True).start()
        if folder := first.get("previews"):
            self._previews = PreviewFile(Path(folder))
        try:
            self._engine = engine = LocalEngine(options_from(first["options"]), show=self._previews)
        except FommError as problem:
            self._say({"refused": str(problem)})
            self._leave(1)
        remote = _remote(first["server"], engine) if first.get("server") else None
        self._say({"ready": os.getpid(), "device": str(engine.device)})
        while True:
            order = self._orders.get()
            if "describe" in order:
                self._say(_described(engine))
            else:
                self._say(self._served(remote or engine, order))

    def _listen(self) -> None:
        """Until the driver is gone: then nothing is worth finishing, not even a job in the middle. A line that is none
        of a driver's is its end too: it died while it wrote.
        """
        with contextlib.suppress(OSError):
            for line in sys.stdin.buffer:
                order = _order(line)
                if order is None:
                    break
                if "cancel" not in order:
                    self._orders.put(order)
                    continue
                self._cancelled.add(order["cancel"])
                if order["cancel"] == self._job:
                    _thread.interrupt_main()
        self._leave()

    def _leave(self, code: int = 0) -> NoReturn:
        """End at once, whatever other threads are at, and leave nothing behind."""
        folders = [self._folder, self._previews.path.parent if self._previews else None]
        folders.append(self._engine.temporary if self._engine else None)
        for folder in folders * 10:  # other threads may be about to write one more file
            if folder is not None and folder.exists():
                shutil.rmtree(folder, ignore_errors=True)
        sys.stderr.flush()
        os._exit(code)

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        """In the main thread, between two steps of whatever it is at; at once where that does no harm."""
        if self._breakable:
            self._check()

    def _served(self, engine: LocalEngine | RemoteEngine, order: dict[str, Any]) -> dict[str, Any]:
        self._folder, self._job = Path(order["folder"]), order["job"]["id"]
        try:
            try:
                self._breakable = True
                self._check()
                results = engine.make(job_from(order["job"]), self._folder, self._report)
            finally:
                self._breakable = False
            return {"done": results_to(results)}
        except Exception as problem:
            if self._job in self._cancelled:  # broken off anywhere, it may come out as anything
                return {"failed": {**error_to(JobError("cancelled.", retryable=False)), "cancelled": True}}
            return {"failed": error_to(_as_job_error(problem))}
        finally:
            self._breakable = False
            self._cancelled.discard(self._job)
            self._job, self._folder = "", None

    def _check(self) -> None:
        if self._job in self._cancelled:
            raise CancelledError("cancelled.")

    def _report(self, progress: JobProgress) -> None:
        message: dict[str, Any] = {"progress": progress_to(progress)}
        if self._previews is not None and (shown := self._previews.newest()):
            message["preview"] = str(shown)
        self._breakable = False
        self._say(message)
        self._breakable = True
        self._check()

    def _beat(self, seconds: float) -> None:
        pause = threading.Event()
        while not pause.wait(seconds):
            self._say({"beat": self._job})

    def _say(self, message: dict[str, Any]) -> None:
        try:
            with self._writing:
                self._replies.write(json.dumps(message) + "\n")
                self._replies.flush()
        except OSError:  # the driver is gone
            self._leave()


def _order(line: bytes) -> dict[str, Any] | None:
    """What a line asks for; None where it is broken."""
    try:
        order = json.loads(line) if line.endswith(b"\n") else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(order, dict):
        return None
    job = order.get("job")
    is_job = isinstance(job, dict) and isinstance(job.get("id"), str) and isinstance(order.get("folder"), str)
    known = is_job or "options" in order or "describe" in order or isinstance(order.get("cancel"), str)
    return order if known else None


def _as_job_error(problem: Exception) -> JobError:
    if isinstance(problem, JobError):
        return problem
    if isinstance(problem, FommError):
        return JobError(str(problem))
    return JobError(f"{type(problem).__name__}: {problem}", details=traceback.format_exc())


def _remote(url: str, local: LocalEngine) -> RemoteEngine:
    from ..comfyui.remote import RemoteEngine

    return RemoteEngine(url, local.options.folders)


def _described(engine: LocalEngine) -> dict[str, Any]:
    """What there is to choose from."""
    choices = {name: list(engine.options.folders.choices(name)) for name in sorted(LISTS)}
    return {"described": {"choices": choices, "device": str(engine.device)}}
