"""Files that are either whole or not there, and names that stay inside their folder."""

import errno
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from .errors import ExistsError, FommError

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Full disk, full share of it, a file larger than the disk takes."""


def check_new(path: str | os.PathLike[str], *, overwrite: bool, folders: bool = False) -> None:
    """Raise ExistsError, before any work is done, if `path` exists and must not be overwritten. folders: may exist."""
    path = Path(path)
    if path.exists() and not overwrite and not (folders and path.is_dir()):
        raise ExistsError(f"expected a new name to write to; '{path}' exists already. Choose another, or overwrite it.")


@contextmanager
def atomic_path(target: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path beside `target`, with the same suffixes, that becomes `target` if the block succeeds.

    On any failure, Ctrl-C included, the temporary file or folder is removed and an older `target` stays as it was.
    Missing parent folders are made; the file gets the permissions that any new file here would get.

    Raises:
        OSError: there is no room, in whatever words the library that wrote has put it; names `target`.
    """
    target = Path(target)
    with naming_full_disk(target):
        yield from _beside(target)


@contextmanager
def naming_full_disk(target: Path) -> Iterator[None]:
    """Turns whatever says that there is no room into an OSError that names `target`."""
    try:
        yield
    except Exception as problem:
        code = _no_room(problem)
        if code is None or (isinstance(problem, OSError) and problem.filename == str(target)):
            raise
        raise OSError(code, os.strerror(code), str(target)) from problem


def _no_room(problem: BaseException) -> int | None:
    """The system's number for what is full; None where that is not the problem."""
    if isinstance(problem, FommError):
        return None
    seen: BaseException | None = problem
    for _ in range(8):
        if seen is None:
            break
        told = re.search(r"os error (\d+)", str(seen))  # as libraries in Rust have it
        number = seen.errno if isinstance(seen, OSError) else int(told[1]) if told else None
        if number in NO_ROOM:
            return number
        seen = seen.__cause__ or seen.__context__
    return None


def _beside(target: Path) -> Iterator[Path]:
    target.parent.mkdir(parents=True, exist_ok=True)
    suffixes = "".join(target.suffixes)
    stem = target.name.removesuffix(suffixes)
    temporary = target.with_name(f".{stem}.{secrets.token_hex(4)}.part{suffixes}")
    temporary.touch(exist_ok=False)
    usual_mode = temporary.stat().st_mode
    temporary.unlink()
    try:
        yield temporary
        if temporary.is_file():
            temporary.chmod(usual_mode)
        if target.is_dir() and temporary.is_dir():
            shutil.rmtree(target)
        os.replace(temporary, target)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)


def digest_of(file: IO[bytes]) -> str:
    """The SHA-256 of an open file from where it stands, in hexadecimal, read in pieces."""
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def is_inside(name: str) -> bool:
    """Whether a name from a stranger stays inside the folder that it is looked up in, on any system: not empty, not
    absolute, without a drive and without `..`.
    """
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    outside = posix.is_absolute() or windows.drive or windows.root or ".." in windows.parts or "\0" in name
    return bool(name.strip()) and not outside
