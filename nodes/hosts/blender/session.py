"""The one worker of a running Blender: jobs for it, looked after by a timer, and what is told about them."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bpy

from . import nodes
from .blocks import blocks
from .client import Client, Failure, Handle, Progress, Result, Settings
from .preferences import worker_settings
from .tree import redraw

TICK = 0.1
"""Seconds between looks at the worker."""

EDITORS = ("NODE_EDITOR", "SEQUENCE_EDITOR")


@dataclass
class Session:
    """The worker and the job at work.

    handle: of the job that runs or waits; words, progress: what there is to say of it. settings: None asks the
    preferences before each job.
    """

    settings: Settings | None = None
    client: Client | None = None
    handle: Handle | None = None
    words: str = ""
    progress: Progress = field(default_factory=Progress)

    @property
    def factor(self) -> float:
        """How far the node at work is, 0 to 1."""
        return self.progress.done / self.progress.total if self.progress.total else 0.0

    def submit(
        self,
        graph: Mapping[str, Any],
        *,
        output: Path | None = None,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        on_done: Callable[[Result], None],
        on_error: Callable[[Failure], None],
    ) -> Handle:
        """As `Client.submit`; files that the graph names by a full path, or by "//", are brought to the worker."""
        client = self.ready()

        def told(progress: Progress) -> None:
            self.progress, self.words = progress, progress.node
            on_progress(progress)
            self._redraw()

        def done(result: Result) -> None:
            self._end(f"done in {result.seconds:.1f} s")
            on_done(result)

        def failed(failure: Failure) -> None:
            self._end(failure.message)
            on_error(failure)

        staged = {name: _staged(entry, client.inputs) for name, entry in graph.items()}
        self.words, self.progress = "starting", Progress()
        self.handle = client.submit(staged, output=output, on_progress=told, on_done=done, on_error=failed)
        self.wake()
        return self.handle

    def cancel(self) -> None:
        """End the job at work; the worker stays."""
        if self.handle is not None:
            self.handle.cancel()

    def ready(self) -> Client:
        """A client with the settings of now."""
        settings = self.settings or worker_settings(Path(bpy.app.tempdir) if bpy.app.tempdir else None)
        if self.client is not None and self.client.settings != settings and not self.client.busy:
            self.client.close()
            self.client = None
        if self.client is None:
            self.client = Client(settings)
            self.client.describe()
        return self.client

    def wake(self) -> None:
        """Have the timer look after the jobs."""
        if not bpy.app.timers.is_registered(self.tick):
            bpy.app.timers.register(self.tick, first_interval=TICK, persistent=True)

    def tick(self) -> float | None:
        """What the timer calls; None ends it. Where Blender runs no timers (a script), call it in a loop."""
        if self.client is None:
            return None
        busy = self.client.poll()
        nodes.known_choices.update(self.client.choices)
        return TICK if busy else None

    def close(self) -> None:
        """End the worker and the timer."""
        if bpy.app.timers.is_registered(self.tick):
            bpy.app.timers.unregister(self.tick)
        if self.client is not None:
            self.client.close()
        self.client = self.handle = None

    def _end(self, words: str) -> None:
        self.handle, self.words, self.progress = None, words, Progress()
        self._redraw()

    def _redraw(self) -> None:
        for kind in EDITORS:
            redraw(kind)


SESSION = Session()
"""Blender has one Python and no place of its own for what lives as long as it does."""


def _staged(entry: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """An API node whose files lie below the worker's folder."""
    block = blocks().get(entry["class_type"])
    inputs = dict(entry["inputs"])
    for port in block.widgets if block else ():
        value = inputs.get(port.name)
        if port.upload and isinstance(value, str) and (value.startswith("//") or os.path.isabs(value)):
            inputs[port.name] = stage(Path(bpy.path.abspath(value)), folder)
    return {**entry, "inputs": inputs}


def stage(path: Path, folder: Path) -> str:
    """Bring a file below `folder`; returns its name there, the same as long as the file is. A missing one is left."""
    if not path.is_file():
        return str(path)
    stat = path.stat()
    key = hashlib.sha1(f"{path}:{stat.st_mtime_ns}:{stat.st_size}".encode()).hexdigest()[:16]
    target = folder / key / path.name
    if not target.exists():
        target.parent.mkdir(exist_ok=True)
        try:
            os.link(path, target)
        except OSError:  # another disk
            passing = Path(tempfile.mkdtemp(dir=folder)) / path.name
            shutil.copyfile(path, passing)
            os.replace(passing, target)
            passing.parent.rmdir()
    return f"{key}/{path.name}"
