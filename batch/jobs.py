"""From a graph and a batch's values to jobs, one after the other, none of them held."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..fomm_core.errors import FommError, GraphError
from ..fomm_core.files import digest_of
from ..graph.model import Graph, Link
from ..graph.schemas import Schemas
from ..graph.settings import Target, target
from ..nodes.block_table import known_blocks
from ..nodes.hosts.headless.files import Folders
from ..nodes.hosts.names import check_inside
from .engine import InputFile, Job
from .ports import file_ports, matching_files
from .tables import Row, combined, table_rows

FOLDER = ".fomm"
"""Below the output folder: the manifest, its lock, files that are not finished, what workers said."""

OUTPUT_COLUMN = "output"
_FIELD = re.compile(r"\{([^{}]*)\}")
_EDGES = re.compile(r"^[\s.]+|[\s.]+$")
_UNFIT = re.compile(r'[\x00-\x1f<>:"/\\|?*]+')


@dataclass(frozen=True)
class Faulty:
    """A row of a table that can't become a job: it is reported, and the others go on."""

    id: str
    output: Path
    settings: Mapping[str, Any]
    message: str


@dataclass(frozen=True)
class Batch:
    """What is to be rendered.

    graph, name: the graph, and how its file is called. schemas: of its classes.
    settings: values by "NODE.PORT"; of a file's port, patterns below the input folders. All pairs, or `zipped`.
    table: a job table instead, or its rows, with a column for each such name, and maybe one "output".
    template: of output names below `output`: {NODE.PORT}, {job}, {graph}. Empty: chosen by what varies.
    """

    graph: Graph
    name: str
    schemas: Schemas
    folders: Folders
    output: Path
    settings: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    zipped: bool = False
    table: Path | Sequence[Row] | None = None
    template: str = ""


class Digests:
    """SHA-256 of files, read once as long as size and time stay. `known` may be a store that outlives us."""

    def __init__(self, known: Callable[[str], str | None], learn: Callable[[str, str], None]) -> None:
        self._known, self._learn = known, learn
        self._seen: dict[str, str] = {}

    def __call__(self, path: Path) -> str:
        """Hexadecimal."""
        stat = path.stat()
        state = f"{path.absolute()}:{stat.st_mtime_ns}:{stat.st_size}"
        if state not in self._seen:
            digest = self._known(state)
            if digest is None:
                with path.open("rb") as file:
                    digest = digest_of(file)
                self._learn(state, digest)
            self._seen[state] = digest
        return self._seen[state]


def plan(batch: Batch, digests: Digests, only: Container[str] | None = None) -> Iterator[Job | Faulty]:
    """The jobs of a batch, in the order of its table; the same ones at each call. only: leave out all other ids.

    Raises:
        GraphError: A graph that was read with errors, a node or port that is not there, no file for a pattern, a value
            that does not fit.
        FommError: Two jobs with the same output name; a broken table.
    """
    if faults := [f"  {problem}" for problem in batch.graph.problems if problem.severity == "error"]:
        raise GraphError("\n".join(["expected a graph whose nodes all make sense; this one can't run:", *faults]))
    return _Planner(batch, digests).jobs(only)


class _Planner:
    def __init__(self, batch: Batch, digests: Digests) -> None:
        self.batch, self.digests = batch, digests
        self.ports: dict[str, Target] = {}
        self.names: dict[str, str] = {}
        self.files = {(port.node.id, port.port): port for port in file_ports(batch.graph, batch.schemas)}
        self.template = batch.template
        self.found: dict[str, tuple[Path, str]] = {}
        self.weights: dict[tuple[str, str], str] = {}
        self.inside: set[Path] = set()

    def jobs(self, only: Container[str] | None) -> Iterator[Job | Faulty]:
        if self.batch.table is not None:
            table = self.batch.table
            rows: Iterator[Row] = self._with_settings(table_rows(table) if isinstance(table, Path) else iter(table))
            self.template = self.template or "{graph}_{job}"
        else:
            lists = {column: self._values(column, values) for column, values in self.batch.settings.items()}
            varied = [column for column, values in lists.items() if len(values) > 1]
            self.template = self.template or "_".join(f"{{{column}}}" for column in varied) or "{graph}"
            rows = combined(lists, zipped=self.batch.zipped)
        for number, row in enumerate(rows, 1):
            if only is None or f"{number:05d}" in only:
                yield self._job(f"{number:05d}", row)

    def _with_settings(self, rows: Iterator[Row]) -> Iterator[Row]:
        """A table's rows with what was set for all of them."""
        fixed = {}
        for column, values in self.batch.settings.items():
            found = self._values(column, values)
            if len(found) != 1:
                raise FommError(f"expected one value of '{column}' beside a job table; got {len(found)}.")
            fixed[column] = found[0]
        return ({**fixed, **row} for row in rows)

    def _values(self, column: str, values: Sequence[Any]) -> list[Any]:
        port = self._port(column)
        if not port.is_file:
            return [port.typed(value) for value in values]
        return [name for value in values for name in matching_files(port, str(value), self.batch.folders.inputs)]

    def _port(self, column: str) -> Target:
        if column not in self.ports:
            self.ports[column] = target(self.batch.graph, column, self.batch.schemas)
        return self.ports[column]

    def _job(self, number: str, row: Row) -> Job | Faulty:
        told = {column: value for column, value in row.items() if column != OUTPUT_COLUMN}
        ports = {column: self._port(column) for column in told}
        output = self._output(number, row, ports)
        try:
            values = {(ports[c].node.id, ports[c].port): ports[c].typed(value) for c, value in told.items()}
            graph = self.batch.graph.replaced(values)
            inputs = tuple(self._inputs(graph))
        except (FommError, OSError) as problem:
            if self.batch.table is None:
                raise
            return Faulty(number, output, told, str(problem))
        return Job(number, graph.to_api(), inputs, output, self._key(graph, inputs), told)

    def _inputs(self, graph: Graph) -> Iterator[InputFile]:
        for (node, port), known in self.files.items():
            name = graph.nodes[node].inputs[port]
            if isinstance(name, Link):
                continue
            if not isinstance(name, str):
                raise GraphError(f"{known.name}: expected the name of a file; got {str(name)[:80]!r}.")
            if name not in self.found:
                try:
                    path = self.batch.folders.input_file(name)
                except FommError as problem:
                    raise GraphError(f"{known.name}: {problem}") from None
                self.found[name] = path, self.digests(path)
            yield InputFile(node, port, name, *self.found[name])

    def _key(self, graph: Graph, inputs: tuple[InputFile, ...]) -> str:
        """Of what the result depends on: names of files don't count, their content does."""
        content = {(file.node, file.port): file.digest for file in inputs}
        told = [
            [node.id, node.type, {port: content.get((node.id, port), value) for port, value in node.inputs.items()}]
            for node in graph.nodes.values()
        ]
        text = json.dumps([told, list(self._models(graph))], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    def _models(self, graph: Graph) -> Iterator[str]:
        """Digests of the weights and performances that our blocks name, as far as they lie here."""
        blocks = known_blocks()
        for node in graph.nodes.values():
            for port in blocks[node.type]["inputs"] if node.type in blocks else ():
                listed, choice = port.get("list"), node.inputs.get(port["name"])
                if listed is not None and isinstance(choice, str):
                    if (listed, choice) not in self.weights:
                        self.weights[listed, choice] = self._weights(listed, choice)
                    yield self.weights[listed, choice]

    def _weights(self, listed: str, choice: str) -> str:
        try:
            return self.digests(self.batch.folders.find(listed, choice))
        except (FommError, OSError):
            return ""  # on a server, or missing: the run will say

    def _output(self, number: str, row: Row, ports: Mapping[str, Target]) -> Path:
        name = row.get(OUTPUT_COLUMN) or _FIELD.sub(
            lambda field: self._filled(field[1], number, row, ports), self.template
        )
        try:
            check_inside(str(name))
        except FommError as problem:
            raise FommError(f"output name of job {number}: {problem}") from None
        parts = [part for part in str(name).replace("\\", "/").split("/") if part not in ("", ".")]
        if parts and parts[0].rstrip(" .").casefold() == FOLDER:
            raise FommError(
                f"output name of job {number}: '{name}' is in '{FOLDER}', where the record of jobs is kept. Choose "
                "another name."
            )
        path = self.batch.output.joinpath(*str(name).replace("\\", "/").split("/"))
        if path.parent not in self.inside and path.parent.resolve().is_relative_to(self.batch.output.resolve()):
            self.inside.add(path.parent)
        if path.parent not in self.inside:
            raise FommError(
                f"output name of job {number}: '{name}' is behind a link that leads out of the output folder."
            )
        known = self.names.setdefault(str(path).casefold(), number)
        if known != number:
            raise FommError(
                f"expected an output name for each job; the jobs {known} and {number} would both write '{name}'. Put "
                "{job}, or more of what differs, into --name."
            )
        return path

    def _filled(self, name: str, number: str, row: Row, ports: Mapping[str, Target]) -> str:
        if name == "job":
            return number
        if name == "graph":
            return _UNFIT.sub("_", self.batch.name)
        if name in row:
            value, is_file = row[name], name in ports and ports[name].is_file
        else:
            port = target(self.batch.graph, name, self.batch.schemas)
            value, is_file = port.node.inputs.get(port.port), port.is_file
        return _EDGES.sub("", _UNFIT.sub("_", Path(str(value)).stem if is_file else str(value))) or "_"
