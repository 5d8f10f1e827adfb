"""Files that are either whole or not there, and names that stay inside their folder."""

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO


@contextmanager
def atomic_path(target: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path beside `target`, with the same suffixes, that becomes `target` if the block succeeds.

    On any failure, Ctrl-C included, the temporary file or folder is removed and an older `target` stays as it was.
    Missing parent folders are made; the file gets the permissions that any new file here would get.
    """
    target = Path(target)
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
