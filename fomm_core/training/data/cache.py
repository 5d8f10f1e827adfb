"""Prepared clips: frames at the training size as memory-mapped files, so that reading a pair costs nothing."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ...errors import DataError, ImageError
from ...files import atomic_path
from ...video.pixels import Pixels
from ...wording import counted
from .clips import Clip, ClipSet, Label, LeftOut, gathered
from .points import Points

VERSION = 1
"""Of what is stored; a cache of another version is made anew."""


@dataclass(frozen=True, eq=False)
class PreparedClip(Clip):
    """A clip whose frames lie ready in a .npy file, uint8 [T, height, width, 3]."""

    path: Path
    count: int
    size: tuple[int, int]
    origin: Clip

    def __len__(self) -> int:
        return self.count

    def content_key(self) -> str:
        """The file's name, which is made from the key of what it was made from."""
        return str(self.path)

    def read(self, positions: Sequence[int], size: tuple[int, int]) -> Pixels:
        """See Clip. Raises DataError for another size than the prepared one."""
        return np.ascontiguousarray(self._open(size)[list(positions)])

    def frames(self, size: tuple[int, int]) -> Iterator[Pixels]:
        """See Clip."""
        yield from self._open(size)

    def points(self, size: tuple[int, int]) -> Points | None:
        """See Clip."""
        return self.origin.points(size)

    def _open(self, size: tuple[int, int]) -> Pixels:
        if size != self.size:
            raise DataError(f"expected the prepared size {self.size} (height, width) of {self.name}; got {size}.")
        try:
            return np.load(self.path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as problem:
            raise ImageError(f"expected prepared frames in {self.path}; they can't be read: {problem}.") from problem


def prepare(
    clips: ClipSet,
    size: tuple[int, int],
    folder: str | os.PathLike[str],
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> ClipSet:
    """Decode each clip once, at `size` (height, width), into `folder`; the same set, read from there.

    Its pairs equal those of the unprepared set bit for bit. Each clip is a file of its own, which appears when it is
    whole and is named by the clip's content, the size and the version of the format: an interrupted run goes on where
    it was, changed clips are made anew, and several sets and sizes share a folder. A clip that breaks off is kept as
    far as it goes where two frames are left, else it becomes one of `problems`.

    on_progress: hears (clips done, clips in all); what it raises ends the run, and nothing half-written is left.

    Raises DataError where the disk has too little room, the folder can't be written, or no clip is left.
    """
    folder = Path(folder)
    wanted: dict[Clip, Path] = {}
    for clip in clips:
        wanted.setdefault(clip, folder / _file_name(clip, size))
    missing = [clip for clip, path in wanted.items() if not path.is_file()]
    _check_room(missing, size, folder)
    made: dict[Clip, Clip | LeftOut] = {}
    for done, (clip, path) in enumerate(wanted.items(), 1):
        made[clip] = _prepared(clip, size, path)
        if on_progress is not None:
            on_progress(done, len(wanted))
    prepared = gathered((made[clip] for clip in clips), place=counted(len(clips), "clip"))
    return ClipSet(prepared.clips, (*clips.problems, *prepared.problems))


def prepared_bytes(clips: Iterable[Clip], size: tuple[int, int]) -> int:
    """What the frames of these clips take of the disk."""
    return sum(len(clip) for clip in clips) * size[0] * size[1] * 3


def _file_name(clip: Clip, size: tuple[int, int]) -> str:
    digest = hashlib.blake2b(clip.content_key().encode(), digest_size=16).hexdigest()
    return f"{size[1]}x{size[0]}-v{VERSION}/{digest[:2]}/{digest}.npy"


def _check_room(missing: list[Clip], size: tuple[int, int], folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
    except OSError as problem:
        raise DataError(
            f"expected a folder for prepared frames that can be written; {folder} can't be: {problem}. Name another."
        ) from problem
    if (needed := prepared_bytes(missing, size)) > free:
        raise DataError(
            f"expected {needed / 1e9:.1f} GB of room for prepared frames at {folder}; {free / 1e9:.1f} GB are free. "
            "Make room, name another folder, or go without the cache."
        )


def _prepared(clip: Clip, size: tuple[int, int], path: Path) -> Clip | LeftOut:
    """The clip's file, written where it is not there or not of this size."""
    label = Label(clip.name, clip.identity, clip.group)
    count = _stored_frames(path, size)
    if count is None:
        try:
            count = _write(clip, size, path)
        except ImageError as problem:
            return LeftOut(clip.name, str(problem))
    return PreparedClip(label, path, count, size, clip)


def _stored_frames(path: Path, size: tuple[int, int]) -> int | None:
    try:
        shape = np.load(path, mmap_mode="r", allow_pickle=False).shape
    except (OSError, ValueError):
        return None
    return shape[0] if shape[1:] == (*size, 3) else None


def _write(clip: Clip, size: tuple[int, int], path: Path) -> int:
    """Frame by frame, however long the clip; the header is written again when their number is known."""
    count = 0

    def header(file: BinaryIO) -> None:
        shape = {"descr": "|u1", "fortran_order": False, "shape": (count, *size, 3)}
        np.lib.format.write_array_header_1_0(file, shape)  # leaves room for the first number to grow

    with atomic_path(path) as temporary, temporary.open("wb") as file:
        header(file)
        for frame in clip.frames(size):
            file.write(frame.data)
            count += 1
        file.seek(0)
        header(file)
    return count
