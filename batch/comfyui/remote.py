"""A ComfyUI in place of the local engine, behind the same worker process."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...graph.model import Graph, Link
from ...nodes.hosts.headless.files import Folders
from ..engine import InputFile, Job, Report
from ..local.options import Results
from ..outputs import Made, labels
from ..ports import file_ports
from ..render import local_schemas
from .engine import ComfyUIEngine

STEM = "result"
SHOWING = ("PreviewImage", "MaskPreview", "PreviewAudio", "PreviewAny")
"""Classes that make files for looking at."""


def makers_of(graph: Mapping[str, Any], files: Sequence[Path]) -> list[str]:
    """The id of the node that made each file of a job, from its name (see `final_names`); empty where none fits.

    Where all come from one node, names don't say which: then it is the only one that saves, or shows.
    """
    words = {re.sub(r"[^A-Za-z0-9]+", "-", label).strip("-"): name for name, label in labels(graph).items()}
    saving = [name for name, node in graph.items() if "filename_prefix" in node["inputs"]]
    ends = saving or [name for name, node in graph.items() if node["class_type"] in SHOWING]
    alone = ends[0] if len(ends) == 1 else ""
    told = [re.sub(r"_\d{5}$", "", path.stem.removeprefix(STEM)).strip("_") for path in files]
    return [words.get(part, "") if part else alone for part in told]


def _only_shows(graph: Mapping[str, Any], node: str) -> bool:
    return bool(node) and graph[node]["class_type"] in SHOWING


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
        makers = makers_of(job.graph, outcome.files)
        made = tuple(
            Made(path.stem.removeprefix(STEM).strip("_"), path, _only_shows(job.graph, node), node)
            for path, node in zip(outcome.files, makers, strict=True)
        )
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
