"""Bytes on their way between machines: files here, and fsspec URLs such as `s3://bucket/clip.mp4`."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from ..fomm_core.errors import FommError
from ..fomm_core.files import atomic_path


def is_url(path: Path | str) -> bool:
    """Whether it is for fsspec."""
    return isinstance(path, str) and "://" in path


@contextlib.contextmanager
def reading(path: Path | str) -> Iterator[BinaryIO]:
    """The bytes of a file or URL; whatever is wrong with a storage comes as OSError."""
    if not is_url(path):
        with Path(path).open("rb") as file:
            yield file
        return
    system, place = _file_system(str(path))
    with _as_os_error(str(path)), system.open(place, "rb") as file:
        yield file


def download(source: Path | str, target: Path) -> None:
    """Copy a file or URL to a path here, which is complete or not there."""
    with reading(source) as content, atomic_path(target) as part, part.open("wb") as out:
        shutil.copyfileobj(content, out, 1 << 20)


def upload(source: Path, url: str) -> None:
    """Copy a file to a URL, where it is complete or not there."""
    system, place = _file_system(url)
    with _as_os_error(url):
        system.makedirs(place.rpartition("/")[0], exist_ok=True)
        part = f"{place}.part"
        system.put_file(str(source), part)
        system.mv(part, place)


def exists(url: str, size: int) -> bool:
    """Whether a file of that many bytes is there."""
    system, place = _file_system(url)
    with _as_os_error(url):
        return bool(system.exists(place)) and int(system.size(place) or -1) == size


def remove(url: str) -> None:
    """Remove a file or folder, if it is there."""
    system, place = _file_system(url)
    with contextlib.suppress(FileNotFoundError), _as_os_error(url):
        system.rm(place, recursive=True)


def _file_system(url: str) -> tuple[Any, str]:
    import fsspec

    try:
        system, place = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise FommError(f"cannot use {url}: {error}") from None
    return system, str(place)


@contextlib.contextmanager
def _as_os_error(url: str) -> Iterator[None]:
    """Each storage has exceptions of its own."""
    try:
        yield
    except (OSError, FommError):
        raise
    except Exception as error:
        raise OSError(f"{url}: {type(error).__name__}: {error}") from error
