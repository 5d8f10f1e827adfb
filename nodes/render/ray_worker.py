"""What runs in a Ray actor: one local engine, with its models, for as long as the actor lives."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
import threading
import traceback
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..hosts.headless_files import Folders
from ..hosts.names import check_inside
from .engine import CancelledError, Job, JobError, Progress
from .local import LocalEngine, LocalOptions
from .storage import download, is_url, upload
from .wire import error_to

INPUT_BYTES = 4 << 30
"""Inputs that a worker keeps for later jobs."""


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
    """What came of a task; `error` is a JobError as `wire` puts it, where it failed."""

    files: tuple[Sent, ...] = ()
    frames: int = 0
    reused: int = 0
    error: Mapping[str, Any] | None = None


class Worker:
    """The actor. `render` runs in one thread, `state` and `cancel` are called meanwhile from another."""

    def __init__(self, options: LocalOptions, models: tuple[str, ...], threads: int | None) -> None:
        """Make the engine; the folders of `options` are filled in here.

        models: folders on this machine, or URLs of folders, which are copied here.
        threads: for torch; None leaves it alone.
        """
        import torch

        if threads is not None:
            torch.set_num_threads(threads)
        self._base = Path(tempfile.mkdtemp(prefix="fomm-ray-"))
        self._inputs = self._base / "input"
        self._inputs.mkdir()
        folders = tuple(_folder_here(place, self._base / f"models{index}") for index, place in enumerate(models))
        self._engine = LocalEngine(replace(options, folders=Folders((self._inputs,), folders), temporary=None))
        self._held: OrderedDict[str, tuple[str, int]] = OrderedDict()
        self._now = Progress("", options.name)
        self._token = ""
        self._unwanted: set[str] = set()
        self._lock = threading.Lock()

    def where(self) -> str:
        """The machine's name."""
        return socket.gethostname()

    def process(self) -> int:
        """Its number on that machine."""
        return os.getpid()

    def state(self) -> Progress:
        """How far the job is."""
        return self._now

    def cancel(self, token: str) -> None:
        """End an attempt at its next step; it may not have begun."""
        with self._lock:
            self._unwanted.add(token)

    def close(self) -> None:
        """Remove this worker's files; it is ended right after."""
        self._engine.close()
        shutil.rmtree(self._base, ignore_errors=True)

    def render(self, task: Task, *sources: bytes | str) -> Reply:
        """Run a job; `sources` are, for each of its inputs, the content or a URL that has it.

        Failures of the job come in the reply.
        """
        folder = Path(tempfile.mkdtemp(prefix="job-", dir=self._base))
        self._token, self._now = task.token, Progress(task.job.id, self._now.worker)
        try:
            self._report(self._now)
            self._lay_out(task.job, sources)
            results = self._engine.make(task.job, folder, self._report)
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
            with self._lock:
                self._unwanted.discard(task.token)
        return Reply(files, results.frames, results.reused)

    def _report(self, progress: Progress) -> None:
        self._now = progress
        with self._lock:
            if self._token in self._unwanted:
                raise CancelledError("the job was cancelled")

    def _lay_out(self, job: Job, sources: Sequence[bytes | str]) -> None:
        """Have the job's inputs under their names; those of earlier jobs stay, as far as there is room."""
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
