"""Batches from end to end: plan, skip what is done, render the rest, report. For the command and for Python."""

from __future__ import annotations

import contextlib
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..fomm_core.errors import FommError
from ..graph.model import Graph, Link
from ..graph.reading import read_graph
from ..graph.schemas import Schemas, schemas_of
from ..nodes.block_table import known_blocks
from ..nodes.hosts.headless.files import Folders
from .driver import Callbacks, RetryPolicy, Runner
from .engine import Engine, InputFile
from .jobs import Batch, Digests, plan
from .local.options import LocalOptions
from .manifest import DONE, FAILED, PENDING, UNFINISHED, Counts, Entry, Manifest
from .passing import JOB_PREFIX, sweep
from .ports import file_ports
from .report import write_report
from .tables import Row

REPORT = "report.html"
MakeEngine = Callable[[Path], Engine]
"""From a folder on the output's disk, for files that are not finished."""


@dataclass(frozen=True)
class Summary:
    """How a batch stands. before: of those done, how many were done by an earlier call.

    seconds: of this call. failures: the jobs that failed, with their errors.
    """

    output: Path
    done: int
    failed: int
    left: int
    before: int
    seconds: float
    report: Path | None
    failures: tuple[Entry, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every job is done."""
        return self.failed == 0 and self.left == 0


def local_schemas(folders: Folders | None) -> Schemas:
    """The classes that the local engine runs. Without folders, lists of files are open to any choice."""
    return schemas_of(known_blocks(), None if folders is None else folders.choices)


def input_files(data: Mapping[str, Any], folders: Folders, digests: Digests) -> Iterator[InputFile]:
    """The files that the nodes of a graph in the API format name, each found in `folders`.

    Raises FommError or OSError where one is not there or can't be read.
    """
    for port in file_ports(Graph.from_api(data), local_schemas(folders)):
        name = port.node.inputs[port.port]
        if not isinstance(name, Link):
            path = folders.input_file(str(name))
            yield InputFile(port.node.id, port.port, str(name), path, digests(path))


def run_batch(
    batch: Batch,
    make_engine: MakeEngine,
    *,
    retry: RetryPolicy | None = None,
    callbacks: Callbacks | None = None,
    started: Callable[[Counts, Engine], None] = lambda counts, engine: None,
    report: bool = True,
) -> Summary:
    """Render what is missing of a batch; `started` hears what there is to do, before the engine begins.

    Raises:
        FommError: The batch can't be planned, another driver is at work there, or no worker is left.
        KeyboardInterrupt: Stopped by the user; the report says what is done.
    """
    name, began = uuid.uuid4().hex, time.monotonic()
    page = batch.output / REPORT if report else None
    with Manifest(batch.output) as manifest:
        digests = Digests(manifest.digest, manifest.learn)
        counts = manifest.register(plan(batch, digests), name)
        reused = manifest.numbers(name, DONE)
        with contextlib.ExitStack() as stack:
            engine = None
            if counts.pending:
                for place in manifest.folders():
                    sweep(place, JOB_PREFIX)
                folder = stack.enter_context(passing_folder(manifest.folder))
                engine = stack.enter_context(closing(make_engine(folder)))
                started(counts, engine)
            manifest.keep()
            try:
                if engine is not None:
                    runner = Runner(engine, manifest, name, retry or RetryPolicy(), callbacks or Callbacks())
                    runner.run(plan(batch, digests, only=manifest.numbers(name, PENDING)))
            finally:
                if page is not None:
                    write_report(manifest, name, page, title=f"{batch.name}: batch render", reused=reused)
        return _summary(manifest, name, batch.output, page, len(reused), time.monotonic() - began)


@contextlib.contextmanager
def passing_folder(parent: Path) -> Iterator[Path]:
    """For files that are not finished. What drivers left that were killed goes first: we hold the lock."""
    folder = parent / UNFINISHED
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def closing(engine: Engine) -> Iterator[Engine]:
    """An engine that is closed in the end, whatever happens."""
    try:
        yield engine
    finally:
        engine.close()


def _summary(manifest: Manifest, name: str, output: Path, page: Path | None, before: int, seconds: float) -> Summary:
    counts, failures = manifest.counts(name), tuple(manifest.entries(name, state=FAILED))
    return Summary(output, counts.done, counts.failed, counts.pending, before, seconds, page, failures)


def local_engine(options: LocalOptions, workers: int = 1) -> MakeEngine:
    """What makes the local engine of a batch; the networks' libraries are loaded with the first one.

    workers: processes, which may die without harm; 0 for this one, which may not.
    """

    def make(folder: Path) -> Engine:
        if workers:
            from .local.pool import LocalPool

            return LocalPool(options, workers, folder)
        from .local.engine import LocalEngine

        return LocalEngine(options)

    return make


def render(
    graph: str | Path | Mapping[str, Any] | Graph,
    inputs: Mapping[str, Any] | str | Path | Sequence[Row] = (),
    *,
    output: str | Path = "output",
    engine: Engine | str = "local",
    input_folder: str | Path | Sequence[str | Path] = ".",
    models: str | Path | Sequence[str | Path] = (),
    workers: int = 1,
    device: str = "auto",
    name: str = "",
    zipped: bool = False,
    retries: int = 1,
    timeout: float | None = None,
    callbacks: Callbacks | None = None,
    report: bool = True,
) -> Summary:
    """Render a saved graph over many inputs: what `fomm render` does.

    Args:
        graph: A file as ComfyUI saves it (see `graph.reading.read_graph`), or its API form.
        inputs: Values or lists of values by "NODE.PORT", of which all combinations are rendered; for a port that loads
            a file, patterns below the input folder. Or a job table: a file, or its rows.
        output: The folder of the results; a second call renders only what is missing or has changed.
        engine: "local", or an engine such as `ComfyUIEngine`, which is closed at the end.
        input_folder: The folders that the graph may read inputs from.
        models: The folders that the graph may read models from, laid out as ComfyUI's.
        workers: Processes of the local engine, which may die without harm; 0 renders in this process.
        device: "auto", "cpu", "cuda" or "mps", for the local engine.
        name: A template for output names: {NODE.PORT}, {job}, {graph}.
        zipped: Take the lists side by side instead of in all combinations.
        retries: How often a failed job is tried again.
        timeout: Seconds after which a job has failed; None for no limit.
        callbacks: They follow the progress.
        report: Write `report.html` beside the results.

    Returns:
        How the batch stands.

    Raises:
        FommError: The input is not suitable, which is checked before anything is rendered, or no worker is left.

    Example:
        >>> from fomm_nodes import render
        >>> from fomm_nodes.fomm_core.shipped import ASSETS
        >>> graph = {
        ...     "1": {"class_type": "LoadImage", "inputs": {"image": "source.png"}},
        ...     "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "copy"}},
        ... }
        >>> render(graph, output="copies", input_folder=ASSETS, workers=0).done
        1
    """
    folders = Folders(existing(input_folder), existing(models))
    schemas = local_schemas(folders)
    read, title = read_any(graph, schemas)
    settings, table = _inputs(inputs)
    batch = Batch(
        graph=read,
        name=title,
        schemas=schemas,
        folders=folders,
        output=Path(output),
        settings=settings,
        zipped=zipped,
        table=table,
        template=name,
    )
    if isinstance(engine, str) and engine != "local":
        raise FommError(f"expected the engine 'local', or one that was made; got {engine!r}.")
    local = LocalOptions(folders, device)
    make = local_engine(local, workers) if isinstance(engine, str) else lambda folder: engine
    return run_batch(batch, make, retry=RetryPolicy(retries, timeout), callbacks=callbacks, report=report)


def read_any(graph: str | Path | Mapping[str, Any] | Graph, schemas: Schemas) -> tuple[Graph, str]:
    """A graph however it is given, and a name for it."""
    if isinstance(graph, Graph):
        return graph, "graph"
    if isinstance(graph, Mapping):
        return Graph.from_api(graph), "graph"
    return read_graph(graph, schemas), Path(graph).stem


def _inputs(
    inputs: Mapping[str, Any] | str | Path | Sequence[Row],
) -> tuple[dict[str, Sequence[Any]], Path | Sequence[Row] | None]:
    if isinstance(inputs, Mapping):
        return {name: list(v) if isinstance(v, (list, tuple)) else [v] for name, v in inputs.items()}, None
    if isinstance(inputs, (str, Path)):
        return {}, Path(inputs)
    return {}, inputs or None


def existing(folders: str | Path | Sequence[str | Path]) -> tuple[Path, ...]:
    """Folders that are there; raises FommError for one that is not."""
    several = (folders,) if isinstance(folders, (str, Path)) else folders
    found = tuple(Path(folder) for folder in several)
    for folder in found:
        if not folder.is_dir():
            raise FommError(f"expected a folder; there is no '{folder}'.")
    return found
