"""Jobs whose graphs are given one by one, rendered by the batch driver behind standard input and output.

For a host that keeps a list of its own and may be killed at any moment: the same jobs, given again, are not done again.

Lines in: {"options": ..., "output": folder, "server": address or "", "jobs": [{"id", "graph", "files": {name: path},
"output": stem below the folder}, ...]} once, and at any time {"cancel": job id}. Lines out: {"progress": ...}, for each
job {"done": id, "files": [...], "frames": n, "before": whether an earlier call made it} or {"failed": id, "message",
"details", "cancelled"}, in the end {"over": ""}, or what stopped all of them. The end of standard input ends it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

from ..fomm_core.errors import FommError
from .comfyui.engine import ComfyUIEngine
from .driver import Callbacks, Finished, Runner
from .engine import CancelledError, Engine, Job, JobError, JobProgress, OnProgress, Outcome, Promises
from .jobs import Digests
from .local.options import LocalOptions
from .local.pool import LocalPool
from .local.wire import options_from, progress_to
from .manifest import DONE, PENDING, BusyError, Manifest
from .passing import JOB_PREFIX, sweep
from .render import closing, input_files, passing_folder

PATIENCE = 20.0
"""Seconds that another driver in the same folder has to end."""


def main() -> None:
    """Serve one list of jobs."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    _Queue(replies).serve()


class _Queue:
    def __init__(self, replies: TextIO) -> None:
        self._replies = replies
        self._writing = threading.Lock()
        self._cancelled: set[str] = set()
        self._engine: Engine | None = None

    def serve(self) -> None:
        first = json.loads(sys.stdin.buffer.readline())
        threading.Thread(target=self._listen, daemon=True).start()
        try:
            self._render(first)
            self._say({"over": ""})
        except FommError as problem:
            self._say({"over": str(problem)})
        except Exception as problem:
            traceback.print_exc()
            self._say({"over": f"{type(problem).__name__}: {problem}"})
        self._leave()

    def _render(self, first: Mapping[str, Any]) -> None:
        options, output, name = options_from(first["options"]), Path(first["output"]), uuid.uuid4().hex
        with _manifest(output) as manifest:
            digests = Digests(manifest.digest, manifest.learn)
            jobs = list(self._jobs(first["jobs"], options, digests))
            manifest.register(jobs, name)
            done, pending = manifest.numbers(name, DONE), manifest.numbers(name, PENDING)
            for entry in manifest.entries(name, state=DONE):
                files = [str(output / file) for file in entry.files]
                self._say({"done": entry.number, "files": files, "frames": entry.frames, "before": True})
            manifest.keep()
            if not pending:
                return
            for place in manifest.folders():
                sweep(place, JOB_PREFIX)
            with contextlib.ExitStack() as stack:
                folder = stack.enter_context(passing_folder(manifest.folder))
                server = first.get("server")
                engine = ComfyUIEngine([server]) if server else LocalPool(options, 1, folder)
                self._engine = stack.enter_context(closing(_Cancelling(engine, self._cancelled)))
                callbacks = Callbacks(progress=self._progress, finished=self._finished)
                Runner(self._engine, manifest, name, callbacks=callbacks).run(self._wanted(jobs, done))

    def _jobs(self, entries: list[Mapping[str, Any]], options: LocalOptions, digests: Digests) -> Iterator[Job]:
        for entry in entries:
            given = {name: Path(path) for name, path in entry["files"].items()}
            folders = replace(options.folders, files=given)
            try:
                inputs = tuple(input_files(entry["graph"], folders, digests))
            except (FommError, OSError) as problem:
                self._say({"failed": entry["id"], "message": str(problem), "details": "", "cancelled": False})
                continue
            told = [entry["graph"], sorted((file.name, file.digest) for file in inputs)]
            key = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
            yield Job(entry["id"], entry["graph"], inputs, Path(entry["output"]), key)

    def _wanted(self, jobs: list[Job], done: frozenset[str]) -> Iterator[Job]:
        """Those that are still to be done when it is their turn."""
        for job in jobs:
            if job.id in self._cancelled:
                self._say({"failed": job.id, "message": "cancelled.", "details": "", "cancelled": True})
            elif job.id not in done:
                yield job

    def _progress(self, progress: JobProgress) -> None:
        self._say({"progress": progress_to(progress)})

    def _finished(self, told: Finished) -> None:
        name = told.job.id
        if told.outcome is not None:
            files = [str(path) for path in told.outcome.files]
            self._say({"done": name, "files": files, "frames": told.outcome.frames, "before": False})
        elif told.error is not None:
            words = {"message": str(told.error), "details": told.error.details, "cancelled": name in self._cancelled}
            self._say({"failed": name, **words})

    def _listen(self) -> None:
        """Until the host is gone; then nothing is worth finishing."""
        with contextlib.suppress(OSError, ValueError):
            for line in sys.stdin.buffer:
                order = json.loads(line)
                if isinstance(order, dict) and isinstance(order.get("cancel"), str):
                    self._cancelled.add(order["cancel"])
        self._leave()

    def _leave(self) -> None:
        """At once; worker processes end with us, and the next call clears what they leave."""
        if self._engine is not None:
            with contextlib.suppress(Exception):
                self._engine.close()
        os._exit(0)

    def _say(self, message: Mapping[str, Any]) -> None:
        try:
            with self._writing:
                self._replies.write(json.dumps(message) + "\n")
                self._replies.flush()
        except OSError:
            self._leave()


def _manifest(output: Path) -> Manifest:
    """Of a folder whose last driver may be about to end: its host was killed a moment ago."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return Manifest(output)
        except BusyError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


class _Cancelling:
    """An engine whose jobs may be cancelled one by one; `wanted_no_more` holds their ids."""

    def __init__(self, engine: Engine, wanted_no_more: set[str]) -> None:
        self._engine, self._cancelled = engine, wanted_no_more

    @property
    def promises(self) -> Promises:
        return self._engine.promises

    @property
    def workers(self) -> tuple[str, ...]:
        return self._engine.workers

    def run(self, job: Job, progress: OnProgress) -> Outcome:
        def checked(told: JobProgress) -> None:
            if job.id in self._cancelled:
                raise CancelledError("cancelled.")
            progress(told)

        try:
            return self._engine.run(job, checked)
        except CancelledError:
            if job.id in self._cancelled:
                raise JobError("cancelled.", retryable=False) from None
            raise

    def close(self) -> None:
        self._engine.close()
