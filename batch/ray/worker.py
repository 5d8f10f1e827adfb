"""What runs in a Ray actor: one local engine, with its models, for as long as the actor lives."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
import threading
import traceback
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...nodes.hosts.headless.files import Folders
from ...nodes.hosts.names import check_inside
from ..engine import CancelledError, Job, JobError, JobProgress
from ..local.engine import LocalEngine
from ..local.wire import error_to, options_from
from ..passing import PassingFolder
from ..storage import download, is_url, upload

INPUT_BYTES = 4 << 30
"""Inputs that a worker keeps for later jobs."""

CLOSE_SECONDS = 1.0
"""How long `close` waits for a job to come to its next step."""


@dataclass(frozen=True)
class Task:
    """A job on its way to a worker.

    token: of this attempt.
    results: URL of the folder for what it makes; None to send that back.
    """

    token: str
    job: Job
    results: str | None


@dataclass(frozen=True)
class Sent:
    """A file that a job made: its content, or the URL that has it."""

    title: str
    suffix: str
    preview: bool
    content: bytes | str


@dataclass(frozen=True)
class Reply:
    """What came of a task; `error` is a JobError as `wire` puts it, where it failed.

    told: the progress that nobody has asked for yet.
    """

    files: tuple[Sent, ...] = ()
    frames: int = 0
    reused: int = 0
    error: Mapping[str, Any] | None = None
    told: tuple[JobProgress, ...] = ()


class Worker:
    """What an actor does. `render` runs in one thread, `hear` and `cancel` are called meanwhile from others."""

    def __init__(self, options: Mapping[str, Any], models: tuple[str, ...], threads: int | None) -> None:
        """Make the engine.

        options: `LocalOptions` as `wire` puts them; their folders are filled in here.
        models: folders on this machine, or URLs of folders, which are copied here.
        threads: for torch; None leaves it alone.
        """
        if threads is not None:
            _use_threads(threads)
        self._passing = PassingFolder("fomm-ray-")
        self._base = self._passing.path
        self._inputs = self._base / "input"
        self._inputs.mkdir()
        folders = tuple(_folder_here(place, self._base / f"models{index}") for index, place in enumerate(models))
        local = replace(options_from(options), folders=Folders((self._inputs,), folders), temporary=self._base)
        self._engine = LocalEngine(local)
        self._held: OrderedDict[str, tuple[str, int]] = OrderedDict()
        self._news = threading.Condition()  # guards what follows
        self._token = ""
        self._told: list[JobProgress] = []
        self._ended: deque[str] = deque(maxlen=64)
        self._unwanted: set[str] = set()

    def where(self) -> str:
        """The machine's name."""
        return socket.gethostname()

    def process(self) -> int:
        """Its number on that machine."""
        return os.getpid()

    def hear(self, token: str, seconds: float) -> tuple[JobProgress, ...]:
        """The progress of an attempt over the next `seconds`, or until its end.

        Answering each step at once would cost a core 6 % where a job makes 40 steps a second.
        """
        with self._news:
            self._news.wait_for(lambda: token in self._ended, seconds)
            return self._untold() if self._token == token else ()

    def cancel(self, token: str) -> None:
        """End an attempt at its next step; it may not have begun."""
        with self._news:
            if token not in self._ended:
                self._unwanted.add(token)

    def close(self) -> None:
        """End the job and remove this worker's files; it is ended right after."""
        self._engine.close()
        with self._news:
            self._news.wait_for(lambda: not self._token, CLOSE_SECONDS)
        self._passing.remove()

    def render(self, task: Task, *sources: bytes | str) -> Reply:
        """Run a job; `sources` are, for each of its inputs, the content or a URL that has it.

        Failures of the job come in the reply.
        """
        with self._news:
            self._token, self._told = task.token, []
        try:
            reply = self._render(task, sources)
        finally:
            with self._news:
                told = self._untold()
                self._token = ""
                self._ended.append(task.token)
                self._unwanted.discard(task.token)
                self._news.notify_all()
        return replace(reply, told=told)

    def _render(self, task: Task, sources: Sequence[bytes | str]) -> Reply:
        folder = Path(tempfile.mkdtemp(prefix="job-", dir=self._base))
        try:
            self._report(JobProgress(task.job.id, self._engine.options.name))
            job = self._lay_out(task.job, sources)
            results = self._engine.make(job, folder, self._report)
            files = tuple(_send(index, made, task) for index, made in enumerate(results.made))
        except JobError as error:
            return Reply(error=error_to(error))
        except CancelledError as error:
            return Reply(error=error_to(JobError(str(error))))
        except Exception as problem:
            message = f"{type(problem).__name__} on {socket.gethostname()}: {problem}"
            return Reply(error=error_to(JobError(message, details=traceback.format_exc())))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return Reply(files, results.frames, results.reused)

    def _report(self, progress: JobProgress) -> None:
        with self._news:
            if self._token in self._unwanted:
                raise CancelledError("the job was cancelled")
            if self._told and self._told[-1].node == progress.node:
                self._told[-1] = progress  # of several steps of a node, the last
            else:
                self._told.append(progress)

    def _untold(self) -> tuple[JobProgress, ...]:
        told, self._told = tuple(self._told), []
        return told

    def _lay_out(self, job: Job, sources: Sequence[bytes | str]) -> Job:
        """Have the job's inputs under their names; those of earlier jobs stay, as far as there is room.

        Returns the job with its inputs where they lie here. What lies at the driver's paths here, if anything, may be
        something else.
        """
        for file, source in zip(job.inputs, sources, strict=True):
            name = plain_name(file.name)
            check_inside(name)
            target = self._inputs / name
            if self._held.get(name, ("", 0))[0] != file.digest:
                if isinstance(source, str):
                    download(source, target)
                else:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(source)
                self._held[name] = file.digest, target.stat().st_size
            self._held.move_to_end(name)
        wanted = {plain_name(file.name) for file in job.inputs}
        for name in [name for name in self._held if name not in wanted]:
            if sum(size for _, size in self._held.values()) <= INPUT_BYTES:
                break
            del self._held[name]
            with contextlib.suppress(OSError):
                (self._inputs / name).unlink()
        here = tuple(replace(file, path=self._inputs / plain_name(file.name)) for file in job.inputs)
        return replace(job, inputs=here)


def _use_threads(count: int) -> None:
    """As many threads as the actor has cores, in all libraries that would take as many as the machine has."""
    import cv2
    import torch
    from threadpoolctl import threadpool_limits

    threadpool_limits(count)
    torch.set_num_threads(count)
    cv2.setNumThreads(count)


def plain_name(name: str) -> str:
    """A file of the input folder without ComfyUI's mark."""
    return name.removesuffix(" [input]")


def _send(index: int, made: Any, task: Task) -> Sent:
    suffix = made.path.suffix
    content: bytes | str
    if task.results is None:
        content = made.path.read_bytes()
    else:
        content = f"{task.results}/{index}{suffix}"
        upload(made.path, content)
    return Sent(made.title, suffix, made.preview, content)


def _folder_here(place: str, target: Path) -> Path:
    """A folder of models: as it is, or copied from a URL."""
    if not is_url(place):
        return Path(place)
    import fsspec

    system, path = fsspec.core.url_to_fs(place)
    system.get(path.rstrip("/") + "/", str(target) + "/", recursive=True)
    return target
