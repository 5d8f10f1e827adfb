"""What is made, and how it is put down: clips that are whole or not there, an index, and where all of it comes from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from fomm_nodes.fomm_core.errors import DataError
from fomm_nodes.fomm_core.files import atomic_path
from fomm_nodes.fomm_core.training.data.points import points_file, write_points
from fomm_nodes.fomm_core.video import VideoWriter

from .sources import PACKAGES
from .splits import Split

Pixels = npt.NDArray[np.uint8]
FPS = 25
QUALITY = 90
INDEX = "index.json"


@dataclass(frozen=True, eq=False)
class Take:
    """The frames of a clip, [height, width, 3] each, none where it turns out to be of no use. points: [frames, 64, 2],
    where mouth and eyes are, in the order of `fomm_core.training.data.points`; None where that is not known.
    """

    frames: Sequence[Pixels]
    points: npt.NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Planned:
    """A clip to be made.

    part: emoji ("fluent"), "ai" or "portrait"; identity: never on both sides of the split.
    number: tells clips of one identity apart. origin: the file that it is made from.
    take: makes it.
    """

    part: str
    split: Split
    identity: str
    number: int | str
    origin: str
    take: Callable[[], Take]

    @property
    def file(self) -> str:
        """Its place in the folder; what stands before the `#` is read as the identity by `fomm train`."""
        return f"{self.split}/{self.part}/{self.identity}#{self.number}.mp4"


@dataclass(frozen=True)
class Entry:
    """A clip that was made, or left out, as the index names it."""

    file: str
    part: str
    identity: str
    origin: str
    left_out: bool = False


class Folder:
    """The folder of clips. What was made or left out before, in an interrupted run for instance, is not tried again.

    settings: whatever decides on pixels. Raises DataError where the folder was begun with others.
    """

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        self.path = path
        self.settings = settings
        self._entries: dict[str, Entry] = {}
        if (path / INDEX).is_file():
            self._read()

    def _read(self) -> None:
        known = json.loads((self.path / INDEX).read_text(encoding="utf-8"))
        if known["settings"] != self.settings:
            raise DataError(
                f"expected {self.path} to be made with {self.settings}; it was begun with {known['settings']}. "
                "Take those settings, or another folder."
            )
        self._entries = {entry["file"]: Entry(**entry) for entry in known["clips"]}

    def make(self, planned: Planned) -> Entry:
        """Make a clip, unless it is there or was left out before."""
        before = self._entries.get(planned.file)
        target = self.path / planned.file
        if before is not None and (before.left_out or target.is_file()):
            return before
        take = Take([]) if target.is_file() else planned.take()
        if len(take.frames) > 0:
            if take.points is not None:
                height, width = take.frames[0].shape[:2]
                write_points(points_file(target), take.points, height, width)
            with VideoWriter(target, fps=FPS, quality=QUALITY) as writer:
                for frame in take.frames:
                    writer.write(frame)
        entry = Entry(planned.file, planned.part, planned.identity, planned.origin, not target.is_file())
        self.add(entry)
        return entry

    def add(self, entry: Entry) -> None:
        """Note what came of a clip."""
        self._entries[entry.file] = entry

    def entries(self) -> list[Entry]:
        """All of them, in the order of their names."""
        return [self._entries[file] for file in sorted(self._entries)]

    def clips(self) -> list[Entry]:
        """The clips that are there."""
        return [entry for entry in self.entries() if not entry.left_out]

    def write_index(self) -> None:
        """Put down `index.json` and `LICENSES.md`."""
        index = {"settings": self.settings, "clips": [asdict(entry) for entry in self.entries()]}
        for name, text in ((INDEX, json.dumps(index, indent=1)), ("LICENSES.md", licences(self.clips()))):
            with atomic_path(self.path / name) as temporary:
                temporary.write_text(text, encoding="utf-8")


def reduced(picture: Pixels, side: int) -> Pixels:
    """A square image at a smaller size, averaged."""
    import cv2

    return np.asarray(cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def make_all(folder: Folder, planned: Iterable[Planned], limit: int | None = None) -> int:
    """Make the clips of a plan, up to `limit` that are of use; returns how many there are. The index is written at
    the end, however it comes.
    """
    try:
        return sum(1 for _ in islice((entry for entry in map(folder.make, planned) if not entry.left_out), limit))
    finally:
        folder.write_index()


def licences(clips: Sequence[Entry]) -> str:
    """What the clips come from, as a page."""
    lines = ["# Where the clips come from", ""]
    lines += ["| package | version | licence | what |", "|---|---|---|---|"]
    lines += [f"| {p.registry} `{p.name}` | {p.version} | {p.licence} | {p.holds} |" for p in PACKAGES]
    lines += ["", "The licence is the one that the package states. Files that clips were made from:", ""]
    for part in sorted({clip.part for clip in clips}):
        origins = sorted({clip.origin for clip in clips if clip.part == part})
        lines.append(f"- {part}: {', '.join(f'`{origin}`' for origin in origins)}")
    return "\n".join(lines) + "\n"
