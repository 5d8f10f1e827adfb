"""Folders for passing files. Each belongs to a living process; what a killed one left goes with the next."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import tempfile
from pathlib import Path

from filelock import FileLock, Timeout

LOCK = ".fomm-lock"


JOB_PREFIX = ".fomm-job-"
"""Of folders beside a job's output, for its files until they are complete."""


class PassingFolder:
    """A new folder in `parent` (None: the system's for temporary files), gone with `remove` or at the block's end.

    Its process holds a lock inside, and only that: a process that is killed lets go of it, and the next folder with
    the same prefix in the same place removes the old one.
    """

    def __init__(self, prefix: str, parent: Path | None = None, *, tidy: bool = True) -> None:
        """tidy: remove old ones first, which takes a look at all names in the place."""
        place = Path(tempfile.gettempdir()) if parent is None else parent
        if tidy:
            sweep(place, prefix)
        while True:
            self.path = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
            self._lock = FileLock(self.path / LOCK)
            try:
                self._lock.acquire(timeout=0)
                return
            except Timeout:  # a sweep came in between
                continue
            except OSError:  # without its lock nobody would know whose it is
                shutil.rmtree(self.path, ignore_errors=True)
                raise

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *problem: object) -> None:
        self.remove()

    def remove(self) -> None:
        """Let go of it. May be called twice, and while somebody still writes there."""
        self._lock.release(force=True)
        shutil.rmtree(self.path, ignore_errors=True)


def sweep(place: Path, prefix: str) -> None:
    """Remove the folders of processes that are gone: those alone in which a lock lies that nobody holds."""
    for folder in place.glob(f"{glob.escape(prefix)}*"):
        lock = folder / LOCK
        if folder.is_symlink() or not lock.is_file() or not _ours(folder):
            continue
        with contextlib.suppress(Timeout, OSError), FileLock(lock).acquire(timeout=0):
            shutil.rmtree(folder, ignore_errors=True)


def _ours(folder: Path) -> bool:
    """The system's folder for temporary files is everybody's."""
    return not hasattr(os, "getuid") or folder.stat().st_uid == os.getuid()
