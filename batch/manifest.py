"""What a batch has done, in a SQLite file beside its output: survives the end of whoever writes it, at any moment."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..fomm_core.errors import FommError
from .engine import Job, Outcome
from .jobs import FOLDER, Faulty

LOCK, RECORD, UNFINISHED = "lock", "manifest.sqlite", "unfinished"
PENDING, DONE, FAILED = "pending", "done", "failed"

_TABLES = """
CREATE TABLE IF NOT EXISTS jobs (
    name TEXT PRIMARY KEY, number TEXT, key TEXT, state TEXT, attempts INTEGER, worker TEXT, seconds REAL,
    frames INTEGER, reused INTEGER, files TEXT, error TEXT, details TEXT, settings TEXT, strip BLOB, batch TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS digests (state TEXT PRIMARY KEY, digest TEXT) WITHOUT ROWID;
"""


class BusyError(FommError):
    """Another driver is at work in the folder."""


@dataclass(frozen=True)
class Entry:
    """A job as the manifest knows it. name: its output below the folder. strip: a JPEG of its frames, for the report.

    files: names below the folder, with their sizes in bytes.
    """

    name: str
    number: str
    key: str
    state: str
    attempts: int = 0
    worker: str = ""
    seconds: float = 0.0
    frames: int = 0
    reused: int = 0
    files: Mapping[str, int] = field(default_factory=dict)
    error: str = ""
    details: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    strip: bytes = b""


class Manifest:
    """The jobs of an output folder. One driver at a time; its lock ends with its process, however that ends.

    A write-ahead log makes each job's line cheap: what the system was told outlives a killed process, and a power cut
    costs the last lines, never the file. Held exclusively, it needs no shared memory, which network folders lack.
    One that is new and closed before `keep()`, with no job done, goes, with the folders that were made for it.
    """

    def __init__(self, output: Path) -> None:
        """Raises BusyError where another driver is at work there, FommError where the file is of another kind."""
        self.output = output
        self.folder = output / FOLDER
        made = [folder for folder in (output, *output.parents) if not folder.exists()]
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self.folder / LOCK, timeout=0)
        try:
            self._lock.acquire()
        except Timeout:
            raise BusyError(
                f"another `fomm render` is at work in '{output}'. Wait for its end, or choose another --output."
            ) from None
        try:
            self._file = sqlite3.connect(self.folder / RECORD, isolation_level=None, check_same_thread=False)
            self._file.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._file.execute("PRAGMA journal_mode = WAL")
            self._file.execute("PRAGMA synchronous = NORMAL")
            self._file.executescript(_TABLES)
            is_new = self._file.execute("SELECT 1 FROM jobs LIMIT 1").fetchone() is None
        except sqlite3.DatabaseError as problem:
            with contextlib.suppress(AttributeError):  # it was not even opened
                self._file.close()
            self._lock.release()
            raise self._said(problem) from problem
        self._passing: list[Path] | None = made if is_new else None

    def __enter__(self) -> Manifest:
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the folder."""
        self._file.close()
        self._lock.release()
        if self._passing is None:
            return
        for name in (LOCK, *(f"{RECORD}{end}" for end in ("", "-wal", "-shm", "-journal"))):
            (self.folder / name).unlink(missing_ok=True)
        for folder in (self.folder, *self._passing):
            with contextlib.suppress(OSError):  # somebody else has put something there
                folder.rmdir()

    def keep(self) -> None:
        """The batch makes sense and an engine is there: from now on the record stays."""
        self._passing = None

    def note_of(self, job: Job) -> Path:
        """Where a job's files are noted until they are on record; see `outputs.publish`."""
        name = hashlib.sha256(self.name_of(job.output).encode()).hexdigest()
        return self.folder / f"made-{name[:32]}.json"

    def name_of(self, output: Path) -> str:
        """A job's output below the folder."""
        return output.relative_to(self.output).as_posix()

    def register(self, jobs: Iterable[Job | Faulty], batch: str) -> Counts:
        """Note what is to be done: jobs that are done already stay so where their content is the same and their files
        are there; all others are pending. What isn't of this batch (any more) stays on record, but isn't reported.
        """
        counts = Counts()
        with self._whole(), self._together():
            self._file.execute("UPDATE jobs SET batch = ''")
            for job in jobs:
                counts.add(self._register(job, batch))
        return counts

    def _register(self, job: Job | Faulty, batch: str) -> str:
        name = self.name_of(job.output)
        row = self._file.execute("SELECT key, state, files FROM jobs WHERE name = ?", (name,)).fetchone()
        if isinstance(job, Faulty):
            self._put(Entry(name, job.id, "", FAILED, error=job.message, settings=job.settings), batch)
            return FAILED
        if row and row[1] == DONE and row[0] == job.key and self._complete(_table(row[2])):
            self._file.execute("UPDATE jobs SET batch = ?, number = ? WHERE name = ?", (batch, job.id, name))
            return DONE
        self._put(Entry(name, job.id, job.key, PENDING, settings=job.settings), batch)
        return PENDING

    def _complete(self, files: Mapping[str, int]) -> bool:
        for name, size in files.items():
            try:
                if (self.output / name).stat().st_size != size:
                    return False
            except (OSError, ValueError):  # a name that no file can have
                return False
        return bool(files)

    def _put(self, entry: Entry, batch: str) -> None:
        values = (
            *(entry.name, entry.number, entry.key, entry.state, entry.attempts, entry.worker, entry.seconds),
            *(entry.frames, entry.reused, json.dumps(entry.files), entry.error, entry.details),
            *(json.dumps(entry.settings, default=str), entry.strip, batch),
        )
        with self._whole():
            self._file.execute(f"INSERT OR REPLACE INTO jobs VALUES ({', '.join('?' * len(values))})", values)

    def finish(self, job: Job, batch: str, outcome: Outcome, *, attempts: int, strip: bytes) -> None:
        """Note that a job's files are there, complete; what is done is never forgotten."""
        self.keep()
        files = {self.name_of(path): path.stat().st_size for path in outcome.files}
        self._put(
            Entry(
                name=self.name_of(job.output),
                number=job.id,
                key=job.key,
                state=DONE,
                attempts=attempts,
                worker=outcome.worker,
                seconds=outcome.seconds,
                frames=outcome.frames,
                reused=outcome.reused,
                files=files,
                settings=job.settings,
                strip=strip,
            ),
            batch,
        )
        self.note_of(job).unlink(missing_ok=True)

    def fail(self, job: Job, batch: str, *, error: str, details: str, attempts: int, seconds: float) -> None:
        """Note why a job could not be done."""
        name = self.name_of(job.output)
        self._put(
            Entry(
                name=name,
                number=job.id,
                key=job.key,
                state=FAILED,
                attempts=attempts,
                seconds=seconds,
                error=error,
                details=details,
                settings=job.settings,
            ),
            batch,
        )

    def folders(self) -> Iterator[Path]:
        """Where the outputs of all jobs on record lie, those of earlier batches included, as far as they are there."""
        names = self._file.execute("SELECT DISTINCT name FROM jobs")
        for folder in sorted({(self.output / name).parent for (name,) in names}):
            if folder.is_dir() and folder.resolve().is_relative_to(self.output.resolve()):
                yield folder

    def counts(self, batch: str) -> Counts:
        """How the jobs of a batch stand."""
        with self._whole():
            return self._counts(batch)

    def _counts(self, batch: str) -> Counts:
        rows = self._file.execute("SELECT state, COUNT(*) FROM jobs WHERE batch = ? GROUP BY state", (batch,))
        found = dict(rows)
        if strange := set(found) - {PENDING, DONE, FAILED}:
            raise _DamagedError(f"a row of it is in the state {sorted(map(str, strange))[0][:60]!r}")
        return Counts(**found)

    def workers(self, batch: str) -> list[tuple[str, int, int, float]]:
        """(name, jobs, frames, seconds) of each worker, over the jobs of a batch that are done."""
        with self._whole():
            return self._file.execute(
                "SELECT worker, COUNT(*), SUM(frames), SUM(seconds) FROM jobs WHERE batch = ? AND state = ? GROUP BY 1",
                (batch, DONE),
            ).fetchall()

    def numbers(self, batch: str, state: str) -> frozenset[str]:
        """The jobs of a batch in a state, by their ids."""
        with self._whole():
            rows = self._file.execute("SELECT number FROM jobs WHERE batch = ? AND state = ?", (batch, state))
            return frozenset(number for (number,) in rows)

    def entries(self, batch: str, *, state: str | None = None) -> Iterator[Entry]:
        """The jobs of a batch, or those in a state, in their order, a few in memory at a time."""
        with self._whole():
            yield from self._entries(batch, state)

    def _entries(self, batch: str, state: str | None) -> Iterator[Entry]:
        columns = [column.name for column in fields(Entry)]
        rows = self._file.execute(
            f"SELECT {', '.join(columns)} FROM jobs WHERE batch = ? AND state LIKE ? ORDER BY length(number), number",
            (batch, state or "%"),
        )
        for row in rows:
            values = dict(zip(columns, row, strict=True))
            yield Entry(**{**values, **{name: _table(values[name]) for name in ("files", "settings")}})

    def digest(self, state: str) -> str | None:
        """The digest of a file in a certain state, as far as it was ever made."""
        with self._whole():
            row = self._file.execute("SELECT digest FROM digests WHERE state = ?", (state,)).fetchone()
        return row[0] if row else None

    def learn(self, state: str, digest: str) -> None:
        """Keep a digest."""
        with self._whole():
            self._file.execute("INSERT OR REPLACE INTO digests VALUES (?, ?)", (state, digest))

    @contextlib.contextmanager
    def _whole(self) -> Iterator[None]:
        """Whatever is wrong with the file, or full, as a FommError that says what to do."""
        try:
            yield
        except FommError:
            raise
        except (sqlite3.DatabaseError, _DamagedError) as problem:
            raise self._said(problem) from problem

    def _said(self, problem: Exception) -> FommError:
        if isinstance(problem, sqlite3.OperationalError):
            return FommError(
                f"could not write the record of jobs in '{self.folder}' ({problem}). Is the disk full? Make room: what "
                "is done stays, and the same command goes on."
            )
        return FommError(
            f"expected the record of earlier jobs in '{self.folder}'; it can't be read ({problem}). Delete that folder "
            "to render all jobs again."
        )

    def _together(self) -> sqlite3.Connection:
        """All changes of the block at once, or none."""
        self._file.execute("BEGIN")
        return self._file


class _DamagedError(Exception):
    """A row holds what none of ours does."""


def _table(text: Any) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (TypeError, ValueError, RecursionError) as problem:
        raise _DamagedError(f"a row of it is no JSON: {problem}") from problem
    if not isinstance(found, dict):
        raise _DamagedError(f"a row of it holds {str(text)[:60]!r}")
    return found


@dataclass
class Counts:
    """How many jobs stand how."""

    pending: int = 0
    done: int = 0
    failed: int = 0

    @property
    def all(self) -> int:
        """In any state."""
        return self.pending + self.done + self.failed

    def add(self, state: str) -> None:
        """Count one more."""
        setattr(self, state, getattr(self, state) + 1)
