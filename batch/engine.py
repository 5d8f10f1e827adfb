"""What an engine is: something that runs one job of a batch at a time in each of its workers.

Standard library only: the driver, the engines and their workers all speak in these values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ..fomm_core.errors import FommError


@dataclass(frozen=True)
class InputFile:
    """A file that a job reads, and where its graph names it.

    node, port: the input of the graph that holds the name.
    name: the value there, relative to the input folder, with forward slashes.
    path: where the file lies on this machine (or an fsspec URL, for engines that take one).
    digest: SHA-256 of its content, hexadecimal.
    """

    node: str
    port: str
    name: str
    path: Path | str
    digest: str


@dataclass(frozen=True)
class Job:
    """One run of a graph with all its values filled in.

    id: unique in its batch, in the order of the table: "00001".
    graph: ComfyUI's API format: {node id: {"class_type": ..., "inputs": {...}, "_meta": {"title": ...}}}.
    inputs: the files that the graph names (images, videos, sounds).
    output: folder and stem of what the job makes; suffixes come with the files (see `outputs.publish`).
    key: hash of the graph, the content of its inputs and of its models: the same key means the same result.
    settings: what makes this job differ from its neighbours, for tables and reports: {"Load Image.image": "a.png"}.
    note: where the names of its files are written down just before they appear; None for nowhere.
    """

    id: str
    graph: Mapping[str, Any]
    inputs: tuple[InputFile, ...]
    output: Path
    key: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    note: Path | None = None


@dataclass(frozen=True)
class JobProgress:
    """How far a job is. `done` of `total` are frames or steps of the node at work; total 0 where nobody knows."""

    job: str
    worker: str
    node: str = ""
    done: int = 0
    total: int = 0


@dataclass(frozen=True)
class Outcome:
    """What a job gave: its files, complete and under their final names.

    frames: images that were written, over all files.
    reused: nodes whose result was still there from an earlier job.
    """

    files: tuple[Path, ...]
    seconds: float
    frames: int
    worker: str
    reused: int = 0


class JobError(FommError):
    """A job failed.

    retryable: false where another try would give the same (an unknown node, a value that does not fit).
    node: title of the node that failed, where it is known.
    details: the traceback, or what a server said, for the report.
    """

    def __init__(self, message: str, *, retryable: bool = True, node: str = "", details: str = "") -> None:
        super().__init__(message)
        self.retryable = retryable
        self.node = node
        self.details = details


class WorkerLostError(JobError):
    """The worker (a process, a server, an actor) went away in the middle of the job; the job itself may be sound."""


class ClosedError(WorkerLostError):
    """The engine was closed in the middle of the job."""

    def __init__(self) -> None:
        super().__init__("the engine was closed while the job ran")


class NoWorkersError(FommError):
    """An engine has no worker left: the batch stops, what is not done stays to be done."""


class CancelledError(FommError):
    """The user, or a time limit, wants the job to end now. Raised by `progress`, never by an engine of its own."""


OnProgress = Callable[[JobProgress], None]


@dataclass(frozen=True)
class Promises:
    """What an engine's users may count on beyond `run`; the tests hold each engine to its promises.

    reuses: a node whose inputs did not change takes its result from an earlier job of the same worker. False where
        others decide on that: a ComfyUI server reuses what it has, unless it was started without a cache.
    survives: a worker that is killed costs its job alone. False where the worker is this process.
    """

    reuses: bool
    survives: bool


class Engine(Protocol):
    """Runs jobs. The driver calls `run` from at most `len(workers)` threads at once."""

    @property
    def promises(self) -> Promises:
        """What this kind of engine promises."""
        ...

    @property
    def workers(self) -> tuple[str, ...]:
        """A name for each job that can run at the same time, known at the start; those that were lost later go."""
        ...

    def run(self, job: Job, progress: OnProgress) -> Outcome:
        """Run a job on a free worker and wait for its end.

        Files appear at `job.output` only when they are complete. `progress` hears of each node that runs, however
        quick, and of the steps within one as they come, where several came at once of the last; and at least once a
        second while the engine waits. What it raises (CancelledError) ends the job within seconds and is passed on.

        Raises:
            JobError: The job failed; `retryable` says whether another try makes sense.
            WorkerLostError: Its worker went away: the driver gives the job to another.
            ClosedError: The engine was closed meanwhile.
            NoWorkersError: There is no worker left at all, or the engine is closed.
        """
        ...

    def close(self) -> None:
        """End the workers that this engine started, whatever they do, with their passing files.

        May be called twice, and while jobs run.
        """
        ...
