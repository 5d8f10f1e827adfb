"""A list of animations that outlives Blender: kept in a file, rendered by the batch driver in a process beside it."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from .client import LOST_STEPS, Settings
from .process import Process

WAITING, RUNNING, DONE, FAILED, CANCELLED = "waiting", "running", "done", "failed", "cancelled"
STATES = (WAITING, RUNNING, DONE, FAILED, CANCELLED)
PLACE = Path(".fomm") / "queue.json"
"""Of the list, below the folder of its results."""


@dataclass
class Entry:
    """One animation.

    id: unique in the list. title: for the user. graph, files: see `Client.submit`. output: folder and stem.
    place: where the result goes. share: 0..1 of it. message: why it failed. made: its files. shown: it is on the
    timeline.
    """

    id: str
    title: str
    graph: dict[str, Any]
    files: dict[str, str]
    output: str
    place: dict[str, Any]
    state: str = WAITING
    share: float = 0.0
    message: str = ""
    made: list[str] = field(default_factory=list)
    frames: int = 0
    shown: bool = False


class Queue:
    """The list of a folder. Each change is on the disk when the method returns."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entries: list[Entry] = []
        self.problem = ""
        self._process: Process | None = None

    @classmethod
    def load(cls, folder: Path) -> Queue:
        """The list that an earlier Blender left; an empty one where there is none. `problem` tells of a broken one."""
        queue = cls(folder)
        try:
            told = json.loads((folder / PLACE).read_text(encoding="utf-8"))
            queue.entries = [_entry(one) for one in told["entries"]]
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError, KeyError) as problem:
            queue.problem = f"The queue in {folder / PLACE} can't be read ({problem}). Delete it to begin anew."
        for entry in queue.entries:
            if entry.state == RUNNING:
                entry.state = WAITING
        return queue

    def save(self) -> None:
        """Write it, whole or not at all."""
        path = self.folder / PLACE
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps({"entries": [asdict(entry) for entry in self.entries]}), encoding="utf-8")
        os.replace(part, path)

    @property
    def running(self) -> bool:
        """Whether its process is at work."""
        return self._process is not None

    @property
    def left(self) -> list[Entry]:
        """What is still to be done."""
        return [entry for entry in self.entries if entry.state in (WAITING, RUNNING)]

    def add(self, entries: Iterable[Entry]) -> None:
        """At the end of the list."""
        self.entries += entries
        self.save()

    def start(self, settings: Settings) -> None:
        """Render what waits, where nothing is at work. What is done already is not done again, whoever was killed."""
        waiting = [entry for entry in self.entries if entry.state == WAITING]
        if self._process is not None or not waiting:
            return
        self.problem = ""
        jobs = [{name: getattr(entry, name) for name in ("id", "graph", "files", "output")} for entry in waiting]
        folders = {"inputs": [str(path) for path in settings.inputs], "models": [str(path) for path in settings.models]}
        options = {"folders": folders, "device": settings.device, "limits": {}, "temporary": None}
        first = {"options": options, "output": str(self.folder), "server": settings.server, "jobs": jobs}
        log = self.folder / PLACE.parent / "queue.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._process = Process(settings.python, log, first, "queued")
        except OSError as problem:
            self.problem = f"The worker can't be started ({problem}). Press Set Up Worker, or choose another Python."

    def poll(self) -> list[Entry]:
        """Hear what the process has to say; returns the entries that were finished since."""
        finished: list[Entry] = []
        while self._process is not None and not self._process.heard.empty():
            message = self._process.heard.get()
            if message is None or "over" in message or "refused" in message:
                self._ended(message or {})
            else:
                finished += self._hear(message)
        if finished:
            self.save()
        return finished

    def cancel(self, entries: Iterable[Entry]) -> None:
        """Of those that wait or run. What runs ends within seconds."""
        for entry in entries:
            if entry.state not in (WAITING, RUNNING):
                continue
            if self._process is not None:
                self._process.say({"cancel": entry.id})
            if entry.state == WAITING:
                entry.state = CANCELLED
        self.save()

    def retry(self, entries: Iterable[Entry]) -> None:
        """Those that failed or were cancelled wait again."""
        for entry in entries:
            if entry.state in (FAILED, CANCELLED):
                entry.state, entry.message, entry.share = WAITING, "", 0.0
        self.save()

    def clear(self) -> None:
        """Forget all that has ended; their files stay."""
        self.entries = self.left
        self.save()

    def close(self) -> None:
        """End the process; what it has not done waits for the next start."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            self._pause()

    def _hear(self, message: Mapping[str, Any]) -> list[Entry]:
        told = message.get("progress", {}).get("job") or message.get("done") or message.get("failed")
        entry = next((entry for entry in self.entries if entry.id == told), None)
        if entry is None:
            return []
        if "progress" in message:
            progress = message["progress"]
            entry.state = RUNNING if entry.state == WAITING else entry.state
            entry.share = min(1.0, progress["done"] / progress["total"]) if progress["total"] else entry.share
            return []
        if "done" in message:
            entry.state, entry.made, entry.frames, entry.share = DONE, message["files"], message["frames"], 1.0
        else:
            entry.state, entry.message = CANCELLED if message["cancelled"] else FAILED, message["message"]
        return [entry]

    def _ended(self, message: Mapping[str, Any]) -> None:
        process, self._process = self._process, None
        assert process is not None
        how = process.end()
        if "refused" in message:
            why, what = message["refused"], message.get("what", "")
            self.problem = LOST_STEPS[why].format(python="The Python", what=what) if why in LOST_STEPS else why
        elif message.get("over"):
            self.problem = message["over"]
        elif "over" not in message:
            last = process.last_words().splitlines()[-1:]
            self.problem = f"The queue's process ended by itself ({how}). {''.join(last)} Press Go On."
        self._pause()

    def _pause(self) -> None:
        for entry in self.entries:
            if entry.state == RUNNING:
                entry.state = WAITING
        with contextlib.suppress(OSError):
            self.save()


def _entry(told: Mapping[str, Any]) -> Entry:
    if not isinstance(told, Mapping):
        raise ValueError(f"an entry of it is {str(told)[:40]!r}")
    names = {one.name for one in fields(Entry)}
    entry = Entry(**{name: value for name, value in told.items() if name in names})
    if entry.state not in STATES or not isinstance(entry.graph, dict) or not isinstance(entry.files, dict):
        raise ValueError(f"an entry of it is in the state {str(entry.state)[:40]!r}")
    return entry
