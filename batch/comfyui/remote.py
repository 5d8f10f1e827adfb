"""A ComfyUI in place of the local engine, behind the same worker process."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...nodes.hosts.headless.files import Folders
from ..engine import Job, OnProgress
from ..jobs import Digests
from ..local.options import Results
from ..outputs import Made, labels
from ..render import input_files
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
        self._digests = Digests(lambda state: None, lambda state, digest: None)

    def make(self, job: Job, folder: Path, progress: OnProgress) -> Results:
        """As `LocalEngine.make`."""
        given = {file.name: Path(file.path) for file in job.inputs}
        inputs = tuple(input_files(job.graph, replace(self._folders, files=given), self._digests))
        outcome = self._engine.run(replace(job, inputs=inputs, output=folder / STEM), progress)
        makers = makers_of(job.graph, outcome.files)
        made = tuple(
            Made(path.stem.removeprefix(STEM).strip("_"), path, _only_shows(job.graph, node), node)
            for path, node in zip(outcome.files, makers, strict=True)
        )
        return Results(made, outcome.frames, outcome.reused)
