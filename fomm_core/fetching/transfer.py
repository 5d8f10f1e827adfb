"""One file over HTTP, resumed at the byte where it was broken off: within a call by obstore, across calls by a note.

obstore goes on by itself where the server names an ETag. All else is done here: servers without one, a connection that
breaks off more often than it puts up with, and the next call, which asks for the rest of what the last one left.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..errors import DownloadError
from ..files import atomic_path, naming_full_disk
from .faults import explained, is_beyond_end, is_fault

if TYPE_CHECKING:
    from obstore import GetResult
    from obstore.store import HTTPStore

PIECE = 1 << 18
OnBytes = Callable[[int, int], None]
"""Hears of progress: bytes that are there, bytes in all."""


@dataclass(frozen=True)
class Patience:
    """How long to wait for a server; seconds.

    connect, read: until it answers at all, and between two pieces. retries: of a request by obstore, after pauses that
    double from `pause` on. rounds: of requests that bring nothing new, before it is given up.
    """

    connect: float = 15.0
    read: float = 45.0
    retries: int = 6
    pause: float = 0.25
    rounds: int = 3


PATIENCE = Patience()


@dataclass(frozen=True)
class Remote:
    """A file as a server describes it.

    size: in bytes. etag, modified: what tells this version of it from others; empty where the server says nothing.
    """

    url: str
    size: int
    etag: str = ""
    modified: str = ""

    @property
    def is_recognisable(self) -> bool:
        """Whether a part of it can be told from a part of another version."""
        return bool(self.etag or self.modified)


def look(url: str, *, patience: Patience = PATIENCE) -> Remote:
    """Ask for the file's size and version. Raises DownloadError where there is no such file, or no answer."""
    return _run(_look(_store(url, replace(patience, retries=min(patience.retries, 2))), url), url)


def download(remote: Remote, part: Path, *, report: OnBytes | None = None, patience: Patience = PATIENCE) -> None:
    """Bring `part` up to the whole file, going on from what it holds where that is a part of the same version.

    Whatever ends this early, Ctrl-C included, leaves `part` and a note beside it for the next call.

    Raises:
        DownloadError: The server gave up, or sends something else than it said.
        OSError: The part can't be written, as on a full disk.
    """
    part.parent.mkdir(parents=True, exist_ok=True)
    with naming_full_disk(part):
        _run(_all_of(remote, part, report or (lambda done, total: None), patience), remote.url)


def forget(part: Path) -> None:
    """Remove a part and its note."""
    part.unlink(missing_ok=True)
    _note(part).unlink(missing_ok=True)


def held(part: Path, remote: Remote) -> int:
    """Bytes of `part` that can be gone on from; 0 where it is of another version, or none can be told."""
    if not part.is_file() or not remote.is_recognisable:
        return 0
    try:
        noted = Remote(**json.loads(_note(part).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return 0
    size = part.stat().st_size
    return size if noted == remote and size <= remote.size else 0


def _note(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _run(work: Any, url: str) -> Any:
    """In an event loop, so that Ctrl-C works while a server is silent; library errors become DownloadError."""
    try:
        return asyncio.run(work)
    except Exception as problem:
        if not is_fault(problem):
            raise
        raise DownloadError(explained(problem, url)) from problem


def _store(url: str, patience: Patience) -> HTTPStore:
    from obstore.store import HTTPStore

    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    if not whole:
        raise DownloadError(f"expected a URL that begins with https:// or http://; got '{url}'.")
    return HTTPStore(
        url,
        client_options={
            "allow_http": urlsplit(url).scheme == "http",
            "connect_timeout": timedelta(seconds=patience.connect),
            "read_timeout": timedelta(seconds=patience.read),
            "timeout": timedelta(days=7),  # of a whole request: no link is too slow
            "default_headers": {"Accept-Encoding": "identity"},
        },
        retry_config={
            "max_retries": patience.retries,
            "retry_timeout": timedelta(days=7),
            "backoff": {
                "init_backoff": timedelta(seconds=patience.pause),
                "max_backoff": timedelta(seconds=32 * patience.pause),
                "base": 2,
            },
        },
    )


async def _look(store: HTTPStore, url: str) -> Remote:
    """By a GET whose body is not read: the addresses that release pages lead to may be signed for GET alone."""
    return _described(await store.get_async(""), url)


def _described(answer: GetResult, url: str) -> Remote:
    kind = str(answer.attributes.get("Content-Type", "")).partition(";")[0].strip().lower()
    if kind in ("text/html", "application/xhtml+xml"):
        raise DownloadError(f"expected a file at {url}; the server sends a web page ({kind}).")
    modified = answer.meta["last_modified"]
    return Remote(
        url=url,
        size=answer.meta["size"],
        etag=answer.meta["e_tag"] or "",
        modified=modified.isoformat() if modified.timestamp() else "",  # 1970 stands for none
    )


async def _all_of(remote: Remote, part: Path, report: OnBytes, patience: Patience) -> None:
    store = _store(remote.url, patience)
    rounds, ranges = 0, True
    while True:
        start = held(part, remote) if ranges else 0
        report(start, remote.size)
        if start == remote.size > 0:
            return
        try:
            return await _rest_of(store, remote, part, start, report)
        except _NoRangesError:
            ranges = False
            continue
        except _ChangedError as problem:
            broken: Exception = DownloadError(f"expected one file at {remote.url}; {problem}.")
        except Exception as problem:
            if not is_fault(problem):
                raise
            broken = problem
            if is_beyond_end(problem):  # the server has less than it said: what is there can't be gone on from
                forget(part)
        rounds = 0 if held(part, remote) > start else rounds + 1
        if rounds >= patience.rounds:
            raise broken
        await asyncio.sleep(patience.pause * 2**rounds)
        remote = await _look(store, remote.url)


class _NoRangesError(Exception):
    """The server sends the whole file, whatever part of it is asked for."""


class _ChangedError(Exception):
    """Another version of the file has appeared."""


async def _rest_of(store: HTTPStore, remote: Remote, part: Path, start: int, report: OnBytes) -> None:
    from obstore.exceptions import NotSupportedError

    try:
        answer = await store.get_async("", options={"range": {"offset": start}} if start else {})
    except NotSupportedError:
        raise _NoRangesError from None
    if _described(answer, remote.url) != remote:
        raise _ChangedError("it changes while it is downloaded")
    if not start:
        forget(part)
        with atomic_path(_note(part)) as temporary:
            temporary.write_text(json.dumps(asdict(remote)), encoding="utf-8")
    done = start
    with part.open("ab" if start else "wb") as file:
        async for piece in answer.stream(min_chunk_size=PIECE):
            file.write(piece)
            file.flush()
            done += len(piece)
            report(done, remote.size)
        os.fsync(file.fileno())
    if done != remote.size:
        forget(part)
        raise DownloadError(f"expected {remote.size:,} bytes from {remote.url}; got {done:,}.")
