"""The local engine: runs graphs of our blocks and ComfyUI's core nodes in this process."""

from __future__ import annotations

import errno
import threading
import time
import traceback
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ...fomm_core.chunks import is_out_of_memory
from ...fomm_core.errors import FommError
from ...graph.model import Graph, Link, Node
from ...nodes.hosts.headless.devices import choose_device
from ...nodes.hosts.headless.host import HeadlessHost, JobSetting, Show
from ...nodes.spec import Absent
from ..engine import (
    CancelledError,
    ClosedError,
    Job,
    JobError,
    JobProgress,
    NoWorkersError,
    OnProgress,
    Outcome,
    Promises,
)
from ..outputs import Made, labels, publish
from ..passing import JOB_PREFIX, PassingFolder
from .kinds import Kind, content_key, kinds_of
from .memo import Memo
from .options import PREFIX, LocalOptions, Results


class LocalEngine:
    """An `Engine` in this process. Models, prepared sources and unchanged results stay from job to job."""

    def __init__(self, options: LocalOptions, show: Show | None = None) -> None:
        """show: gets the images that blocks show while they work."""
        self.options, self.show = options, show
        self.device = choose_device(options.device)
        self.memo = Memo(options.memory)
        self._passing = PassingFolder(PREFIX, options.temporary)
        self._closed = threading.Event()

    @property
    def promises(self) -> Promises:
        """A worker that is killed is this process."""
        return Promises(reuses=self.options.memory > 0, survives=False)

    @property
    def temporary(self) -> Path:
        """The folder for what nodes hand to each other; gone when the engine is closed."""
        return self._passing.path

    @property
    def workers(self) -> tuple[str, ...]:
        """This process alone."""
        return (self.options.name,)

    def run(self, job: Job, progress: OnProgress) -> Outcome:
        """See `Engine.run`."""
        started = time.monotonic()
        job.output.parent.mkdir(parents=True, exist_ok=True)
        with PassingFolder(JOB_PREFIX, job.output.parent, tidy=False) as folder:
            results = self.make(job, folder, progress)
            files = publish(job, results.made, results.frames, self.options.name)
        return Outcome(files, time.monotonic() - started, results.frames, self.options.name, results.reused)

    def make(self, job: Job, folder: Path, progress: OnProgress) -> Results:
        """Run a job with its files in `folder`, under passing names.

        Raises:
            JobError: What went wrong, in which node.
            NoWorkersError: The engine is closed.
        """
        if self._closed.is_set():
            raise NoWorkersError("the engine is closed.")

        def going_on(told: JobProgress) -> None:
            if self._closed.is_set():
                raise ClosedError
            progress(told)

        try:
            with torch.inference_mode():
                return _Run(self, job, folder, going_on).results()
        except JobError:
            if self._closed.is_set():  # its temporary files went while it used them
                raise ClosedError from None
            raise
        finally:
            if self._closed.is_set():
                self.close()

    def close(self) -> None:
        """Let go of models, results and temporary files; a job at work ends at its next step."""
        self._closed.set()
        self.memo.clear()
        self._passing.remove()

    def setting(self, job: Job, folder: Path, **hooks: Any) -> JobSetting:
        """What the nodes of a run share."""
        return JobSetting(
            folders=replace(self.options.folders, files={file.name: Path(file.path) for file in job.inputs}),
            limits=self.options.limits,
            device=self.device,
            made=folder,
            temporary=self.temporary,
            metadata={"prompt": dict(job.graph)},
            show=self.show,
            **hooks,
        )


class _Run:
    """One job at work."""

    def __init__(self, engine: LocalEngine, job: Job, folder: Path, progress: OnProgress) -> None:
        self.memo = engine.memo
        self.worker = engine.options.name
        self.job = job
        self.progress = progress
        self.title = self.node = ""
        self.previews = engine.options.previews
        self.made: list[Made] = []
        self.frames = 0
        self.setting = engine.setting(job, folder, keep=self._keep, report=self._report)
        self.graph = Graph.from_api(job.graph)
        self.labels = labels(job.graph)

    def results(self) -> Results:
        try:
            order, kinds = kinds_of(self.graph, previews=self.previews)
        except JobError:
            raise
        except FommError as problem:
            raise JobError(str(problem), retryable=False) from problem
        keys = self._keys(order, kinds)
        values, todo = self._from_memo(order, kinds, keys)
        uses = Counter(link.node for name in todo for _, link in self.graph.nodes[name].links())
        for name in todo:
            node = self.graph.nodes[name]
            values[name] = self._run_node(node, kinds[name], values)
            key = keys[name]
            if key is not None:
                self.memo.put(key, values[name])
            for _, link in node.links():
                uses[link.node] -= 1
                if not uses[link.node]:
                    del values[link.node]  # what nobody needs any more makes room
        return Results(tuple(self.made), self.frames, len(order) - len(todo))

    def _keys(self, order: tuple[str, ...], kinds: Mapping[str, Kind]) -> dict[str, str | None]:
        keys: dict[str, str | None] = {}
        for name in order:
            node = self.graph.nodes[name]
            try:
                state = None if kinds[name].is_output else kinds[name].state(self._host(node), node)
            except (ValueError, TypeError, KeyError, AttributeError, OSError):
                state = None  # the run will say what is wrong
            keys[name] = content_key(node, state, keys)
        return keys

    def _from_memo(
        self, order: tuple[str, ...], kinds: Mapping[str, Kind], keys: Mapping[str, str | None]
    ) -> tuple[dict[str, tuple[Any, ...]], list[str]]:
        """The results that are still there, as far as needed, and the nodes that have to run."""
        values: dict[str, tuple[Any, ...]] = {}
        todo: set[str] = set()
        waiting = [name for name in order if kinds[name].is_output]
        while waiting:
            name = waiting.pop()
            if name in todo or name in values:
                continue
            key = keys[name]
            kept = None if key is None else self.memo.get(key)
            if kept is not None:
                values[name] = kept
            else:
                todo.add(name)
                waiting += [link.node for _, link in self.graph.nodes[name].links()]
        return values, [name for name in order if name in todo]

    def _run_node(self, node: Node, kind: Kind, values: Mapping[str, tuple[Any, ...]]) -> tuple[Any, ...]:
        self.title, self.node = node.title, node.id
        self._report(0, 0)
        inputs = {port: self._input(node, port, value, values) for port, value in node.inputs.items()}
        try:
            outputs = kind.run(self._host(node), inputs)
        except (CancelledError, JobError):
            raise
        except Exception as problem:
            raise failure(node, problem) from problem
        if len(outputs) != len(kind.outputs):
            raise RuntimeError(f"{node.type} returned {len(outputs)} outputs for {len(kind.outputs)} ports")
        return outputs

    def _input(self, node: Node, port: str, value: Any, values: Mapping[str, tuple[Any, ...]]) -> Any:
        if not isinstance(value, Link):
            return value
        given = values[value.node][value.slot]
        if isinstance(given, Absent):
            raise JobError(f"{node.name}: nothing comes to “{port}”: {given.reason}", retryable=False, node=node.title)
        return given

    def _host(self, node: Node) -> HeadlessHost:
        return HeadlessHost(self.setting, self.labels.get(node.id, node.title))

    def _report(self, done: int, total: int) -> None:
        self.progress(JobProgress(self.job.id, self.worker, self.title, done, total))

    def _keep(self, path: Path, *, title: str, preview: bool, frames: int) -> None:
        self.made.append(Made(title, path, preview, self.node))
        self.frames += frames


def failure(node: Node, problem: Exception) -> JobError:
    """What a node raised, as the job's error. Another try makes sense where the machine is to blame, not the graph or
    its files: a decoder's OSError has no number of the system's.
    """
    words = f"{problem}"
    machine = isinstance(problem, OSError) and problem.errno in errno.errorcode
    if isinstance(problem, OSError) and problem.errno == errno.ENOSPC:
        words = f"{problem}. The disk is full: make room, or write elsewhere."
    elif isinstance(problem, MemoryError) or (isinstance(problem, RuntimeError) and is_out_of_memory(problem)):
        words, machine = "out of memory, even for one frame at a time. Choose a smaller size, or another device.", True
    elif not isinstance(problem, ValueError):
        words = f"{type(problem).__name__}: {problem}"
        machine = machine or isinstance(problem, RuntimeError)
    return JobError(
        f"{node.name}: {words}",
        retryable=machine,
        node=node.title,
        details="".join(traceback.format_exception(problem)),
    )
