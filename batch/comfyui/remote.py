"""A ComfyUI in place of the local engine, behind the same worker process."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...graph.model import Graph, Link
from ...nodes.hosts.headless.files import Folders
from ..engine import InputFile, Job, Report
from ..local.options import Results
from ..outputs import Made
from ..ports import file_ports
from ..render import local_schemas
from .engine import ComfyUIEngine

STEM = "result"


class RemoteEngine:
    """Jobs go to one server with their input files; what it makes comes back under passing names."""

    def __init__(self, url: str, folders: Folders) -> None:
        self._engine = ComfyUIEngine([url])
        self._folders = folders

    def make(self, job: Job, folder: Path, progress: Report) -> Results:
        """As `LocalEngine.make`."""
        given = {file.name: Path(file.path) for file in job.inputs}
        inputs = tuple(self._inputs(job.graph, replace(self._folders, files=given)))
        outcome = self._engine.run(replace(job, inputs=inputs, output=folder / STEM), progress)
        made = tuple(Made(path.stem.removeprefix(STEM).strip("_"), path) for path in outcome.files)
        return Results(made, outcome.frames, outcome.reused)

    def _inputs(self, data: Mapping[str, Any], folders: Folders) -> Iterator[InputFile]:
        """The files that core nodes name."""
        for port in file_ports(Graph.from_api(data), local_schemas(folders)):
            name = port.node.inputs[port.port]
            if isinstance(name, Link):
                continue
            path = folders.input_file(str(name))
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            yield InputFile(port.node.id, port.port, str(name), path, digest)
