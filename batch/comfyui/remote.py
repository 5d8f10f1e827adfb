"""A ComfyUI in place of the local engine, behind the same worker process."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ...nodes.hosts.headless.files import Folders
from ..engine import Job, OnProgress
from ..jobs import Digests
from ..local.options import Results
from ..outputs import Made, publish
from ..render import input_files
from .engine import ComfyUIEngine


class RemoteEngine:
    """Jobs go to one server with their input files; what it makes comes back under passing names."""

    def __init__(self, url: str, folders: Folders) -> None:
        self._engine = ComfyUIEngine([url], publish=self._keep)
        self._folders = folders
        self._digests = Digests(lambda state: None, lambda state, digest: None)
        self._made: tuple[Made, ...] = ()

    def make(self, job: Job, folder: Path, progress: OnProgress) -> Results:
        """As `LocalEngine.make`."""
        given = {file.name: Path(file.path) for file in job.inputs}
        inputs = tuple(input_files(job.graph, replace(self._folders, files=given), self._digests))
        outcome = self._engine.run(replace(job, inputs=inputs, output=folder / "result"), progress)
        return Results(self._made, outcome.frames, outcome.reused)

    def _keep(self, job: Job, made: Sequence[Made], frames: int, worker: str) -> tuple[Path, ...]:
        """All of a job's files, previews too, each with the node that made it."""
        if not made:
            return publish(job, made, frames, worker)  # which says what is missing
        kept = [replace(file, path=job.output.with_name(file.path.name)) for file in made]
        for before, after in zip(made, kept, strict=True):
            os.replace(before.path, after.path)
        self._made = tuple(kept)
        return tuple(file.path for file in kept)
