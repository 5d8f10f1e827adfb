"""The local engine in worker processes: one that dies, hangs or runs out of memory takes only its job with it."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from ...fomm_core.errors import FommError
from ..boot import start
from ..engine import (
    ClosedError,
    Job,
    JobError,
    JobProgress,
    NoWorkersError,
    OnProgress,
    Outcome,
    Promises,
    WorkerLostError,
)
from ..outputs import publish
from ..passing import sweep
from ..processes import end_process
from .options import PREFIX, LocalOptions
from .wire import error_from, job_to, options_to, progress_from, results_from

HEARTBEAT = 0.25
"""Seconds between looks at whether the job shall go on."""

CLOSE_SECONDS = 5.0
"""How long `close` waits for the threads that are in `run`."""

LAST_WORDS = 3000
"""Characters of a dead worker's standard error that go into the report."""


CRASHES = {-getattr(signal, name, 0) for name in ("SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT")} | {
    *(0xC0000005, 0xC000001D, 0xC0000374, 0xC0000409)
}
"""Exit codes of a process whose own code went wrong; Windows has numbers of its own."""


class LocalPool:
    """An `Engine` of several processes on this machine, each with its models.

    They share the CPU's cores evenly. One that died starts again with its next job.
    """

    def __init__(self, options: LocalOptions, workers: int, folder: Path) -> None:
        """Start the first worker, the others with their first job.

        folder: on the disk of the output, for files that are not finished and for what workers say.

        Raises:
            FommError: The options do not fit this machine.
        """
        if workers < 1:
            raise FommError(f"expected at least one worker; got {workers}.")
        folder = folder.absolute()
        self._folder = folder
        threads = max(1, (os.cpu_count() or 1) // workers)
        environment = {"OMP_NUM_THREADS": str(threads)} if workers > 1 else {}
        self._workers = [
            _Worker(replace(options, name=f"worker-{number}", temporary=folder), environment)
            for number in range(1, workers + 1)
        ]
        self._free: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        for worker in self._workers:
            self._free.put(worker)
        self._closed = False
        try:
            self._workers[0].begin()
        except BaseException:
            self.close()
            raise

    @property
    def promises(self) -> Promises:
        """Each worker is a process of its own."""
        return Promises(reuses=self._workers[0].options.memory > 0, survives=True)

    @property
    def workers(self) -> tuple[str, ...]:
        """worker-1, worker-2, ..."""
        return tuple(worker.name for worker in self._workers)

    @property
    def processes(self) -> dict[str, int]:
        """The process ids of those that run."""
        return {worker.name: process.pid for worker in self._workers if (process := worker.process) is not None}

    def run(self, job: Job, progress: OnProgress) -> Outcome:
        """See `Engine.run`."""
        worker = self._take(job, progress)
        made = Path(tempfile.mkdtemp(prefix="job-", dir=self._folder))
        started = time.monotonic()
        try:
            results = worker.make(job, made, progress)
            files = publish(job, results.made, results.frames, worker.name)
        except BaseException as problem:
            if not (isinstance(problem, JobError) and worker.idle):
                worker.kill()  # it may still be at it
            raise
        finally:
            shutil.rmtree(made, ignore_errors=True)
            self._free.put(worker)
        return Outcome(files, time.monotonic() - started, results.frames, worker.name, results.reused)

    def _take(self, job: Job, progress: OnProgress) -> _Worker:
        while True:
            if self._closed:
                raise NoWorkersError("the engine is closed.")
            with contextlib.suppress(queue.Empty):
                return self._free.get(timeout=HEARTBEAT)
            progress(JobProgress(job.id, ""))

    def close(self) -> None:
        """Kill all processes, and remove what they leave."""
        self._closed = True
        for worker in self._workers:
            worker.end()
        deadline = time.monotonic() + CLOSE_SECONDS
        while self._free.qsize() < len(self._workers) and time.monotonic() < deadline:
            time.sleep(HEARTBEAT / 10)
        sweep(self._folder, PREFIX)
        for worker in self._workers:
            worker.log.unlink(missing_ok=True)


class _Worker:
    def __init__(self, options: LocalOptions, environment: Mapping[str, str]) -> None:
        self.options, self.environment = options, environment
        self.name = options.name
        self.process: subprocess.Popen[bytes] | None = None
        self.idle = True
        self._starting = threading.Lock()
        self._ended = False
        self._messages: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        assert options.temporary is not None
        self.log = options.temporary / f"{self.name}.log"

    def begin(self) -> None:
        """Start it, and wait until it is ready."""
        self._running()
        message = self._messages.get()
        if message is None:
            raise self._lost("at its start")
        if "refused" in message:
            raise FommError(message["refused"])

    def make(self, job: Job, folder: Path, progress: OnProgress) -> Any:
        process = self._running()
        self.idle = False
        last = JobProgress(job.id, self.name)
        progress(last)
        self._send(process, {"job": job_to(job), "folder": str(folder)})
        while True:
            try:
                message = self._messages.get(timeout=HEARTBEAT)
            except queue.Empty:
                progress(last)
                continue
            if message is None:
                raise self._lost()
            if "progress" in message:
                last = progress_from(message["progress"])
                progress(last)
            elif "ready" not in message:
                self.idle = True
                if "failed" in message:
                    raise error_from(message["failed"])
                if "refused" in message:
                    raise NoWorkersError(message["refused"])
                return results_from(message["done"])

    def _running(self) -> subprocess.Popen[bytes]:
        with self._starting:
            if self._ended:
                raise NoWorkersError("the engine is closed.")
            return self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        if self.process is not None and self.process.poll() is None:
            return self.process
        self.kill()
        with self.log.open("ab") as log:
            self.process = start("local.worker", log, self.environment)
        self._messages = queue.SimpleQueue()
        assert self.process.stdout is not None
        threading.Thread(target=_hear, args=(self.process.stdout, self._messages), daemon=True).start()
        self._send(self.process, {"options": options_to(self.options)})
        return self.process

    def _send(self, process: subprocess.Popen[bytes], message: dict[str, Any]) -> None:
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(message).encode() + b"\n")
            process.stdin.flush()
        except OSError:
            raise self._lost() from None

    def _lost(self, when: str = "in the middle of the job") -> JobError:
        process, self.process = self.process, None
        code = None
        if process is not None:
            process.kill()
            code = process.wait()
        if self._ended:
            return ClosedError()
        how = f"killed by signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        said = self.log.read_text(encoding="utf-8", errors="replace")[-LAST_WORDS:] if self.log.is_file() else ""
        if code is not None and code in CRASHES:
            return JobError(
                f"a library that {self.name} uses broke down over the job ({how}). An input file may be damaged: does "
                "another program read it?",
                details=said,
            )
        return WorkerLostError(
            f"{self.name} ended {when} ({how}). Where that happens again, the machine may have too "
            "little memory: try fewer --workers.",
            details=said,
        )

    def end(self) -> None:
        """Kill it, and have it never started again."""
        with self._starting:
            self._ended = True
            self.kill()

    def kill(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            end_process(process)
        self.idle = True


def _hear(lines: IO[bytes], messages: queue.SimpleQueue[dict[str, Any] | None]) -> None:
    """Pass on what a worker says; None at its end."""
    with contextlib.suppress(OSError, ValueError):
        for line in lines:
            messages.put(json.loads(line))
    messages.put(None)
