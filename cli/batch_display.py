"""How a batch goes, live: counts, what each worker does, frames per second, time left."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .terminal import LINE_EVERY, say

if TYPE_CHECKING:
    from ..batch.driver import Finished
    from ..batch.engine import Engine, Job, JobError, JobProgress
    from ..batch.manifest import Counts

REFRESHES = 4
"""Per second."""


def batch_display(*, quiet: bool) -> BatchDisplay:
    """A table on a terminal, lines elsewhere, only failures where quiet."""
    if quiet:
        return BatchDisplay()
    return LiveTable() if sys.stderr.isatty() else BatchLines()


@dataclass
class WorkerState:
    """What a worker does, and how fast it was."""

    job: str = ""
    node: str = ""
    done: int = 0
    total: int = 0
    jobs: int = 0
    frames: int = 0
    seconds: float = 0.0

    @property
    def rate(self) -> str:
        """Frames per second over its finished jobs."""
        return f"{self.frames / self.seconds:.1f}" if self.seconds and self.frames else ""


@dataclass
class BatchDisplay:
    """Hears of a batch, as `runner.Callbacks` wants it; says failures and nothing else."""

    before: int = 0
    done: int = 0
    failed: int = 0
    left: int = 0
    retried: int = 0
    workers: dict[str, WorkerState] = field(default_factory=dict)
    started_at: float = 0.0

    def __enter__(self) -> BatchDisplay:
        return self

    def __exit__(self, *problem: object) -> None:
        return None

    def started(self, counts: Counts, engine: Engine) -> None:
        """What there is to do."""
        self.before, self.failed, self.left = counts.done, counts.failed, counts.pending
        self.workers = {name: WorkerState() for name in engine.workers}
        self.started_at = time.monotonic()

    def progress(self, progress: JobProgress) -> None:
        """A worker is a step further."""
        if progress.worker:
            state = self.workers.setdefault(progress.worker, WorkerState())
            state.job, state.node = progress.job, progress.node
            state.done, state.total = progress.done, progress.total
        self.tick()

    def finished(self, finished: Finished) -> None:
        """A job is done, or has failed for good."""
        self.left -= 1
        if finished.outcome is None:
            self.failed += 1
            self.tell(f"failed: {finished.job.output.name}: {finished.error}")
        else:
            self.done += 1
            outcome = finished.outcome
            state = self.workers.setdefault(outcome.worker, WorkerState())
            state.jobs += 1
            state.frames += outcome.frames
            state.seconds += outcome.seconds
            state.job = state.node = ""
        self.tick()

    def again(self, job: Job, error: JobError) -> None:
        """A job will be tried again."""
        self.retried += 1
        self.tell(f"will try again: {job.output.name}: {error}")

    def tick(self) -> None:
        """Now and then."""

    def tell(self, message: str) -> None:
        """A line that stays."""
        say(message)

    @property
    def seconds_left(self) -> float | None:
        """A guess from the jobs so far; None before the first."""
        finished = self.done
        return (time.monotonic() - self.started_at) / finished * self.left if finished else None

    @property
    def summary(self) -> str:
        """Counts in a line."""
        parts = [f"{self.before + self.done} done", f"{self.failed} failed", f"{self.left} left"]
        if self.retried:
            parts.append(f"{self.retried} tried again")
        if (seconds := self.seconds_left) and self.left:
            parts.append(f"about {clock(seconds)} to go")
        return ", ".join(parts)


class BatchLines(BatchDisplay):
    """A line every few seconds, for logs."""

    shown = 0.0

    def tick(self) -> None:
        """Print a line where the last one is old."""
        now = time.monotonic()
        if now - self.shown >= LINE_EVERY:
            self.shown = now
            say(self.summary)


class LiveTable(BatchDisplay):
    """A table that is redrawn in place."""

    _live: Any = None

    def __enter__(self) -> LiveTable:
        from rich.console import Console
        from rich.live import Live

        self._live = Live(console=Console(stderr=True), refresh_per_second=REFRESHES, get_renderable=self._table)
        self._live.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self._live.stop()

    def tell(self, message: str) -> None:
        """Above the table."""
        self._live.console.print(f"fomm: {message}", markup=False, highlight=False)

    def _table(self) -> Any:
        from rich.table import Table

        table = Table(title=self.summary, title_justify="left", box=None, pad_edge=False, expand=False)
        for name in ("worker", "job", "node", "progress", "jobs", "frames/s"):
            table.add_column(name, justify="right" if name in ("jobs", "frames/s") else "left", no_wrap=True)
        for name, state in self.workers.items():
            share = f"{state.done}/{state.total}" if state.job and state.total else ""
            table.add_row(name, state.job, state.node, share, str(state.jobs), state.rate)
        return table


def clock(seconds: float) -> str:
    """Such as "1:02:03" or "4:05"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
