"""Runs graphs in a worker process without ever making its caller wait: `submit`, then `poll` from a timer."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import tempfile
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .process import Process

BEAT = 1.0
"""Seconds between a worker's signs of life."""

LOST_STEPS = {
    "missing": "{python} has no library {what!r}. Press Set Up Worker, here or in the add-on's preferences. Or choose "
    "another Python there.",
    "old": "{python} is {what}, but 3.10 or newer is needed. Choose another Python in the add-on's preferences.",
}


@dataclass(frozen=True)
class Settings:
    """How workers are started.

    python: the program. inputs, models: folders that graphs read in. device: 'auto', 'cpu', 'cuda', ... server: address
    of a ComfyUI that runs the graphs instead. shown: a folder for images to look at; None for a passing one.
    start_seconds, silent_seconds, cancel_seconds: how long a worker may take to start, be silent, and follow a cancel
    before it is given up.
    """

    python: str
    inputs: tuple[Path, ...] = ()
    models: tuple[Path, ...] = ()
    device: str = "auto"
    server: str = ""
    shown: Path | None = None
    start_seconds: float = 180.0
    silent_seconds: float = 30.0
    cancel_seconds: float = 5.0


@dataclass(frozen=True)
class Progress:
    """How far a job is: `done` of `total` steps (0 where nobody knows) of the node with the title `node`.

    preview: an image file of the work as it goes, written anew over and over.
    """

    node: str = ""
    done: int = 0
    total: int = 0
    preview: Path | None = None


@dataclass(frozen=True)
class Made:
    """A finished file.

    node: the id of the node that made it. shown: it is for looking at, and lies in a passing folder.
    """

    path: Path
    node: str
    shown: bool = False


@dataclass(frozen=True)
class Result:
    """What a job gave. reused: nodes whose result was still there from an earlier job."""

    files: tuple[Made, ...]
    frames: int
    reused: int
    seconds: float


@dataclass(frozen=True)
class Failure:
    """Why a job ended without a result: `message` for the user, `details` for a report. node: the title, if known."""

    message: str
    node: str = ""
    details: str = ""
    cancelled: bool = False


@dataclass(eq=False)
class Handle:
    """A job that was submitted."""

    id: str
    graph: Mapping[str, Any]
    output: Path
    on_progress: Callable[[Progress], None]
    on_done: Callable[[Result], None]
    on_error: Callable[[Failure], None]
    files: Mapping[str, Path] = field(default_factory=dict)
    folder: Path | None = None
    started: float = 0.0
    cancelled_at: float | None = None
    ended: bool = False
    progress: Progress = field(default_factory=Progress)

    def cancel(self) -> None:
        """Want it to end; `on_error` hears when it has (`Failure.cancelled`). Calling it twice does no harm."""
        if self.cancelled_at is None:
            self.cancelled_at = time.monotonic()


class Client:
    """One worker process, started with the first job and again after it died; jobs run one after the other.

    All callbacks are called by `poll`, in the thread that calls it.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.choices: dict[str, list[str]] = {}
        self.process: Process | None = None
        self._scratch = Path(tempfile.mkdtemp(prefix="fomm-blender-"))
        self._numbers = itertools.count(1)
        self._waiting: deque[Handle] = deque()
        self._running: Handle | None = None
        self._told_cancel = False
        self._ready = False
        self._heard_at = 0.0

    @property
    def busy(self) -> bool:
        """Whether any job runs or waits."""
        return self._running is not None or bool(self._waiting)

    @property
    def inputs(self) -> Path:
        """A folder of this client for input files: workers find names below it."""
        folder = self._scratch / "input"
        folder.mkdir(exist_ok=True)
        return folder

    def submit(
        self,
        graph: Mapping[str, Any],
        *,
        output: Path | None = None,
        files: Mapping[str, Path] | None = None,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        on_done: Callable[[Result], None],
        on_error: Callable[[Failure], None],
    ) -> Handle:
        """Queue a graph in the API format.

        Args:
            graph: see ComfyUI's API JSON.
            output: folder and stem of the files that are kept: "clips/anna" gives clips/anna.mp4; files that are there
                already are replaced when the new ones are complete. None puts them into a passing folder.
            files: input files that lie elsewhere than in the input folders, by the names that the graph has for them.
            on_progress: hears of each step. on_done, on_error: one of them is called, once.
        """
        number = f"{next(self._numbers):05d}"
        target = output or self._scratch / "results" / number / "result"
        handle = Handle(number, graph, Path(target), on_progress, on_done, on_error, dict(files or {}))
        self._waiting.append(handle)
        return handle

    def describe(self) -> None:
        """Ask the worker what it offers; `choices` holds it some polls later. Starts a worker where there is none."""
        if self.process is None:
            self._start()
        if self.process is not None:
            self.process.say({"describe": True})

    def poll(self) -> bool:
        """Look after the jobs; returns whether there is anything left to look after."""
        while self.process is not None and not self.process.heard.empty():
            self._hear(self.process.heard.get())
        self._drop_cancelled()
        if self._running is None and self._waiting:
            self._begin(self._waiting.popleft())
        if self.process is not None:
            self._look_after(time.monotonic())
        return self.busy

    def close(self) -> None:
        """End the worker and everything that waits; no callback is called any more."""
        self._waiting.clear()
        running, self._running = self._running, None
        if self.process is not None:
            self.process.kill()
            self.process = None
        if running is not None:
            _clear(running)
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _drop_cancelled(self) -> None:
        for handle in [handle for handle in self._waiting if handle.cancelled_at is not None]:
            self._waiting.remove(handle)
            self._fail(handle, Failure("cancelled.", cancelled=True))

    def _start(self) -> None:
        first = {
            "options": {
                "folders": {
                    "inputs": [str(path) for path in (self.inputs, *self.settings.inputs)],
                    "models": [str(path) for path in self.settings.models],
                },
                "device": self.settings.device,
                "limits": {},
                "temporary": str(self._scratch),
                "previews": True,
            },
            "beat": BEAT,
            "previews": str(self._scratch),
            "server": self.settings.server,
        }
        self._ready, self._heard_at = False, time.monotonic()
        with contextlib.suppress(OSError):
            self.process = Process(self.settings.python, self._scratch / "worker.log", first)

    def _begin(self, handle: Handle) -> None:
        if self.process is None:
            self._start()
        if self.process is None:
            where = f"{self.settings.python!r} can't be run" if self.settings.python else "no Python was chosen"
            self._fail(handle, Failure(f"{where}. Press Set Up Worker, here or in the add-on's preferences."))
            return
        self._running, self._told_cancel = handle, False
        handle.started = time.monotonic()
        try:
            handle.output.parent.mkdir(parents=True, exist_ok=True)
            handle.folder = Path(tempfile.mkdtemp(prefix=".fomm-", dir=handle.output.parent))
        except OSError as problem:
            self._fail(handle, Failure(f"the results can't be written: {problem}. Choose another output folder."))
            return
        inputs = [
            {"node": "", "port": "", "name": name, "path": str(path), "digest": ""}
            for name, path in handle.files.items()
        ]
        job = {"id": handle.id, "graph": dict(handle.graph), "inputs": inputs, "output": str(handle.output), "key": ""}
        self.process.say({"job": {**job, "settings": {}}, "folder": str(handle.folder)})

    def _hear(self, message: dict[str, Any] | None) -> None:
        self._heard_at = time.monotonic()
        if message is None:
            self._lost("The worker ended by itself ({how}); the next run starts it again. ")
        elif "refused" in message:
            why, what = message["refused"], message.get("what", "")
            steps = LOST_STEPS[why].format(python=self.settings.python, what=what) if why in LOST_STEPS else why
            self._lost(f"No worker: {steps}")
        elif "ready" in message:
            self._ready = True
        elif "described" in message:
            self.choices = message["described"]["choices"]
        elif (handle := self._running) is None:
            return
        elif "progress" in message:
            told = message["progress"]
            preview = Path(message["preview"]) if "preview" in message else handle.progress.preview
            handle.progress = Progress(told["node"], told["done"], told["total"], preview)
            handle.on_progress(handle.progress)
        elif "failed" in message:
            told = message["failed"]
            failure = Failure(told["message"], told["node"], told["details"], told.get("cancelled", False))
            self._fail(handle, failure)
        elif "done" in message:
            self._finish(handle, message["done"])

    def _look_after(self, now: float) -> None:
        assert self.process is not None
        handle = self._running
        patience = self.settings.silent_seconds if self._ready else self.settings.start_seconds
        if now - self._heard_at > patience:
            self._lost(f"The worker gave no sign of life for {patience:g} seconds and was ended. ")
        elif handle is not None and handle.cancelled_at is not None:
            if not self._told_cancel:
                self._told_cancel = True
                self.process.say({"cancel": handle.id})
            elif now - handle.cancelled_at > self.settings.cancel_seconds:
                self._lost("Cancelled; the worker did not listen and was ended. ", cancelled=True)

    def _lost(self, words: str, *, cancelled: bool = False) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        how = process.end()
        said = process.last_words()
        if (handle := self._running) is not None:
            last = said.splitlines()[-1] if said and not self._ready else ""
            self._fail(handle, Failure(f"{words.format(how=how)}{last}".strip(), "", said, cancelled))

    def _fail(self, handle: Handle, failure: Failure) -> None:
        self._release(handle)
        handle.on_error(failure)

    def _finish(self, handle: Handle, told: Mapping[str, Any]) -> None:
        try:
            files = self._published(handle, told["made"])
        except OSError as problem:
            self._fail(handle, Failure(f"the results can't be written: {problem}."))
            return
        seconds = time.monotonic() - handle.started
        self._release(handle)
        handle.on_done(Result(files, told["frames"], told["reused"], seconds))

    def _published(self, handle: Handle, made: list[dict[str, Any]]) -> tuple[Made, ...]:
        folder = Path(tempfile.mkdtemp(prefix="shown-", dir=self.settings.shown or self._scratch))
        names = iter(_names(handle.output, [file for file in made if not file["preview"]]))
        found: list[Made] = []
        for file in made:
            number = 1 + sum(other.shown and other.node == file["node"] for other in found)
            shown = folder / f"{file['node'].replace(':', '-')}_{number:05d}{Path(file['path']).suffix}"
            target = shown if file["preview"] else next(names)
            (shutil.move if file["preview"] else os.replace)(file["path"], target)
            found.append(Made(target, file["node"], file["preview"]))
        return tuple(found)

    def _release(self, handle: Handle) -> None:
        handle.ended = True
        if self._running is handle:
            self._running = None
        _clear(handle)


def _clear(handle: Handle) -> None:
    if handle.folder is not None:
        shutil.rmtree(handle.folder, ignore_errors=True)


def _names(output: Path, made: list[dict[str, Any]]) -> list[Path]:
    """`stem.mp4` for an only file, `stem_LABEL.mp4` for those of several nodes, `..._00001.png` for several of one."""
    labels = [str(file["title"]) for file in made]
    names: list[Path] = []
    for index, (file, label) in enumerate(zip(made, labels, strict=True)):
        word = re.sub(r"[^A-Za-z0-9]+", "-", label).strip("-") if len(set(labels)) > 1 else ""
        number = f"{labels[: index + 1].count(label):05d}" if labels.count(label) > 1 else ""
        stem = "_".join(part for part in (output.name, word, number) if part)
        path = output.with_name(stem + Path(file["path"]).suffix)
        names.append(path if path not in names else path.with_name(f"{path.stem}_{index}{path.suffix}"))
    return names
