"""The local engine spread over a Ray cluster: one actor for each GPU, or for so many cores."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ... import __version__
from .. import storage
from ..engine import (
    ClosedError,
    InputFile,
    Job,
    JobError,
    JobProgress,
    NoWorkersError,
    OnProgress,
    Outcome,
    Promises,
    WorkerLostError,
)
from ..local.options import LocalOptions
from ..local.wire import error_from, options_to
from ..outputs import Made, publish
from ..passing import JOB_PREFIX, PassingFolder
from .cluster import Cluster, actor_class, cause
from .worker import Reply, Task, Worker

log = logging.getLogger("fomm.render")

TICK = 0.25
"""Seconds for which a job is waited for at a time."""

STARTS = 3
"""How often an actor may end at its start before it is given up."""

CLOSE_SECONDS = 2.0

CANCEL_SECONDS = 5.0
"""How long a cancelled job may take to its next step before its actor is ended."""

HELD_BYTES = 1 << 30
"""Inputs that stay in Ray's memory for later jobs."""


@dataclass(frozen=True)
class RayOptions:
    """How to spread jobs.

    address: of a cluster ("host:6379", "ray://host:10001", "auto" for the one that this machine is in); None takes
        RAY_ADDRESS of the environment, or starts one here, which ends with the engine.
    workers: how many actors; None takes as many as the cluster has GPUs, or cores for.
    cores: of each actor; torch uses as many threads. gpus: of each actor; None is 1 where the cluster has any.
    storage: fsspec URL of a folder that all machines reach, such as "s3://bucket/fomm", for inputs and results;
        without one they travel through Ray, which suits all but large files.
    models: folders as each machine sees them, or fsspec URLs of folders, which each actor copies once.
    runtime_env: Ray's description of what the actors need, if the package is not installed everywhere.
    patience: seconds to wait for an actor to come up, where there is no other.
    """

    address: str | None = None
    workers: int | None = None
    cores: float = 1
    gpus: float | None = None
    storage: str | None = None
    models: tuple[str, ...] = ()
    runtime_env: Mapping[str, Any] = field(default_factory=dict)
    patience: float = 300.0


class _Slot:
    """A place for an actor, which may change."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.actor: Any = None
        self.coming: Any = None
        """Resolves once the actor is there; None afterwards."""
        self.busy = False
        self.failures = 0
        self.trouble = ""


class RayEngine:
    """Runs jobs in actors that keep their models; see `engine.Engine`. An actor that dies is replaced."""

    def __init__(self, options: RayOptions, local: LocalOptions) -> None:
        """Join the cluster and ask for the actors.

        local: for each of them; its folders do not matter.

        Raises:
            FommError: Ray is not installed, or there is no such cluster.
            NoWorkersError: The cluster is too small for a single actor.
        """
        self._cluster = Cluster(options.address, options.runtime_env)
        self._ray = ray = self._cluster.ray
        self.options = options
        self._local = local
        self._class = ray.remote(actor_class())
        resources = ray.cluster_resources()
        has_gpus = resources.get("GPU", 0) >= 1
        self._gpus = options.gpus if options.gpus is not None else float(has_gpus)
        count = options.workers
        if count is None:
            room = [resources.get("CPU", 0) // options.cores]
            room += [resources.get("GPU", 0) // self._gpus] if self._gpus else []
            count = int(min(room))
        if count < 1:
            self._cluster.leave()
            raise NoWorkersError(
                f"expected a cluster with {options.cores:g} cores and {self._gpus:g} GPUs for each worker; "
                f"it has {resources.get('CPU', 0):g} cores and {resources.get('GPU', 0):g} GPUs in all"
            )
        self._slots = [_Slot(f"ray-{index + 1}") for index in range(count)]
        self._lock = threading.RLock()
        self._closed = threading.Event()
        self._held: OrderedDict[str, tuple[Any, int]] = OrderedDict()
        for slot in self._slots:
            self._spawn(slot)

    @property
    def promises(self) -> Promises:
        """Each actor is a local engine in a process of its own."""
        return Promises(reuses=self._local.memory > 0, survives=True)

    @property
    def workers(self) -> tuple[str, ...]:
        """Names of the actors, less those that do not come up."""
        return tuple(slot.name for slot in self._slots if slot.failures < STARTS)

    def run(self, job: Job, progress: OnProgress) -> Outcome:
        """Run a job on an actor that is free; see `engine.Engine.run`."""
        slot = self._take(job, progress)
        try:
            began = time.monotonic()
            token = uuid.uuid4().hex
            results = f"{self.options.storage}/results/{token}" if self.options.storage else None
            try:
                task = Task(token, job, results)
                reply = self._render(slot, task, [self._source(file) for file in job.inputs], progress)
                return self._finish(slot, job, reply, began)
            finally:
                if results is not None:
                    self._tidy(results)
        finally:
            slot.busy = False

    def close(self) -> None:
        """End the actors, and leave the cluster if this engine joined it."""
        with self._lock:
            if self._closed.is_set():
                return
            self._closed.set()
        there = [self._ask(slot, "close") for slot in self._slots if self._has_come(slot)]
        if there:
            self._ray.wait(there, num_returns=len(there), timeout=CLOSE_SECONDS)
        for slot in self._slots:
            self._ray.kill(slot.actor)
        deadline = time.monotonic() + CANCEL_SECONDS
        while any(slot.busy for slot in self._slots) and time.monotonic() < deadline:
            time.sleep(0.05)
        self._cluster.leave()

    def __enter__(self) -> RayEngine:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # ----- actors

    def _spawn(self, slot: _Slot) -> None:
        """Ask for an actor; one that dies is not made again by Ray but by us, so that we know of it."""
        make = self._class.options(
            num_cpus=self.options.cores, num_gpus=self._gpus, max_concurrency=4, max_restarts=0, max_task_retries=0
        )
        options = options_to(replace(self._local, name=slot.name))
        threads = None if self._gpus else max(1, int(self.options.cores))
        slot.actor = make.remote(Worker.__module__, __version__, options, self.options.models, threads)
        slot.coming = self._ask(slot, "where")

    def _again(self, slot: _Slot) -> None:
        """End an actor, and ask for another in its place."""
        with self._lock:
            if not self._closed.is_set():
                self._ray.kill(slot.actor)
                self._spawn(slot)

    def _ask(self, slot: _Slot, method: str, *arguments: Any) -> Any:
        """A reference to what that method of its `Worker` will give."""
        return slot.actor.call.remote(method, *arguments)

    def _take(self, job: Job, progress: OnProgress) -> _Slot:
        give_up = time.monotonic() + self.options.patience
        while True:
            if self._closed.is_set():
                raise NoWorkersError("the engine is closed.")
            progress(JobProgress(job.id, ""))
            with self._lock:
                alive = [slot for slot in self._slots if slot.failures < STARTS]
                for slot in alive:
                    if not slot.busy and self._is_there(slot):
                        slot.busy = True
                        return slot
                if any(slot.busy for slot in self._slots):
                    give_up = time.monotonic() + self.options.patience
            if not alive or time.monotonic() > give_up:
                raise NoWorkersError(
                    "no Ray worker came up: "
                    + ("; ".join({s.trouble for s in self._slots if s.trouble}) or "the cluster has no room for them")
                )
            waiting = [slot.coming for slot in alive if slot.coming is not None and not slot.busy]
            if waiting:
                self._ray.wait(waiting, timeout=TICK)
            else:
                time.sleep(TICK / 5)

    def _has_come(self, slot: _Slot) -> bool:
        """Whether it has answered, or has failed to."""
        return slot.coming is None or bool(self._ray.wait([slot.coming], timeout=0)[0])

    def _is_there(self, slot: _Slot) -> bool:
        if slot.coming is None:
            return True
        if not self._has_come(slot):
            return False
        try:
            log.info("%s runs on %s", slot.name, self._ray.get(slot.coming))
        except self._ray.exceptions.RayError as error:
            slot.trouble = f"{slot.name} ended at its start: {cause(error)}"
            slot.failures += 1
            log.warning(slot.trouble)
            if slot.failures < STARTS:
                self._again(slot)
            return False
        slot.coming, slot.trouble, slot.failures = None, "", 0
        return True

    def _render(self, slot: _Slot, task: Task, sources: list[Any], progress: OnProgress) -> Reply:
        ray = self._ray
        running, hearing = self._ask(slot, "render", task, *sources), None
        last = JobProgress(task.job.id, slot.name)
        try:
            progress(last)
            while True:
                ready, _ = ray.wait([running] if hearing is None else [running, hearing], timeout=TICK)
                self._check_open()
                if running in ready:
                    reply = ray.get(running)
                    for told in reply.told:
                        progress(told)
                    return reply
                told_now: tuple[JobProgress, ...] = (last,)
                if hearing in ready:
                    told_now, hearing = ray.get(hearing) or told_now, None
                for last in told_now:
                    progress(last)
                hearing = hearing or self._ask(slot, "hear", task.token, TICK)
        except ray.exceptions.RayTaskError as error:
            self._check_open()
            raise JobError(f"{slot.name}: {cause(error)}", details=str(error)) from None
        except ray.exceptions.RayError as error:  # it died, its machine is gone, or has too little memory
            self._check_open()
            self._again(slot)
            raise WorkerLostError(f"{slot.name} went away: {cause(error)}") from None
        except BaseException:
            if not self._closed.is_set():
                self._cancel(slot, task.token, running)
            raise

    def _cancel(self, slot: _Slot, token: str, running: Any) -> None:
        try:
            self._ask(slot, "cancel", token)
            if self._ray.wait([running], timeout=CANCEL_SECONDS)[0]:
                return
        except self._ray.exceptions.RayError:
            pass
        self._again(slot)

    # ----- files

    def _source(self, file: InputFile) -> Any:
        """A URL, or Ray's reference to the content; each content is sent once."""
        if storage.is_url(file.path):
            return file.path
        try:
            size = Path(file.path).stat().st_size
            if self.options.storage:
                url = f"{self.options.storage}/inputs/{file.digest}{Path(file.path).suffix}"
                with self._lock:
                    if not storage.exists(url, size):
                        storage.upload(Path(file.path), url)
                return url
            with self._lock:
                if file.digest not in self._held:
                    self._held[file.digest] = self._ray.put(Path(file.path).read_bytes()), size
                self._held.move_to_end(file.digest)
                reference = self._held[file.digest][0]
                while len(self._held) > 1 and sum(held for _, held in self._held.values()) > HELD_BYTES:
                    self._held.popitem(last=False)
                return reference
        except OSError as error:
            raise JobError(f"cannot send {file.name}: {error.strerror or error}", retryable=False) from None

    def _finish(self, slot: _Slot, job: Job, reply: Reply, began: float) -> Outcome:
        if reply.error is not None:
            raise error_from(reply.error)
        try:
            job.output.parent.mkdir(parents=True, exist_ok=True)
            with PassingFolder(JOB_PREFIX, job.output.parent, tidy=False) as folder:
                made = []
                for index, sent in enumerate(reply.files):
                    path = folder / f"{index}{sent.suffix}"
                    if isinstance(sent.content, str):
                        storage.download(sent.content, path)
                    else:
                        path.write_bytes(sent.content)
                    made.append(Made(sent.title, path, sent.preview))
                files = publish(job, made, reply.frames, slot.name)
        except OSError as error:
            raise JobError(f"cannot write to {job.output.parent}: {error.strerror or error}") from None
        return Outcome(files, time.monotonic() - began, reply.frames, slot.name, reply.reused)

    def _tidy(self, url: str) -> None:
        try:
            storage.remove(url)
        except OSError as error:
            log.warning("%s stays: %s", url, error)

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise ClosedError
