"""What the commands show: results on standard output; messages and progress on standard error."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ..fomm_core.wording import counted
from .flags import with_flags

if TYPE_CHECKING:
    from ..fomm_core.pipeline import Progress

LINE_EVERY = 5.0
"""Seconds between lines of progress where standard error is no terminal."""

TITLES = {
    "track": "tracking the face",
    "detect": "detecting keypoints",
    "render": "rendering",
    "rebuild": "reconstructing clips",
}


def say(message: str) -> None:
    """A message for the user, on standard error."""
    print(f"fomm: {with_flags(message)}", file=sys.stderr, flush=True)


def progress_display(*, quiet: bool) -> ProgressDisplay:
    """Bars on a terminal, lines elsewhere, nothing where quiet."""
    if quiet:
        return ProgressDisplay()
    return Bars() if sys.stderr.isatty() else Lines()


class ProgressDisplay:
    """Hears of progress, stage by stage; used in a `with` block. This one shows nothing."""

    def __enter__(self) -> ProgressDisplay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def __call__(self, progress: Progress) -> None:
        """Show where the work stands."""


class Speed:
    """Frames per second of a stage so far, and the seconds that it will still take."""

    def __init__(self) -> None:
        self.stage = ""
        self.started = 0.0
        self.done_before = 0

    def restart(self, progress: Progress) -> None:
        """A new stage has begun; its first chunk, which warms up, is left out of the speed."""
        self.stage, self.started, self.done_before = progress.stage, time.monotonic(), progress.done

    def fps(self, progress: Progress) -> float | None:
        """None until there is something to measure."""
        seconds, frames = time.monotonic() - self.started, progress.done - self.done_before
        return frames / seconds if frames > 0 and seconds > 0 else None

    def text(self, progress: Progress) -> str:
        """Such as "12.3 fps"; empty until known."""
        fps = self.fps(progress)
        return "" if fps is None else f"{fps:.1f} fps"


class Bars(ProgressDisplay):
    """One bar per stage."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self._bars = RichProgress(
            TextColumn("{task.description:<18}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]:>10}", markup=False),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=Console(stderr=True),
        )
        self._task: Any = None
        self._speed = Speed()

    def __enter__(self) -> Bars:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._finish_task()
        self._bars.stop()

    def __call__(self, progress: Progress) -> None:
        """Move the bar of the stage."""
        if progress.stage != self._speed.stage:
            self._finish_task()
            self._task = self._bars.add_task(TITLES[progress.stage], total=progress.total, speed="")
            self._speed.restart(progress)
        self._bars.update(self._task, completed=progress.done, total=progress.total, speed=self._speed.text(progress))

    def _finish_task(self) -> None:
        """An estimate may have been too high: what was done is all there was."""
        if self._task is not None:
            self._bars.update(self._task, total=self._bars.tasks[self._task].completed)


class Lines(ProgressDisplay):
    """A line every few seconds, for logs."""

    def __init__(self) -> None:
        self._speed = Speed()
        self._shown = 0.0

    def __call__(self, progress: Progress) -> None:
        """Print a line where the last one is old, and at the end of a stage."""
        now = time.monotonic()
        if progress.stage != self._speed.stage:
            self._speed.restart(progress)
            self._shown = now
        finished = progress.done == progress.total
        if finished or now - self._shown >= LINE_EVERY:
            self._shown = now
            say(f"{TITLES[progress.stage]}: {self._line(progress)}")

    def _line(self, progress: Progress) -> str:
        of_total = f"{progress.done:,} of " if progress.total else ""
        parts = [of_total + counted(progress.total or progress.done, "frame")]
        fps = self._speed.fps(progress)
        if fps is not None:
            parts.append(f"{fps:.1f} fps")
            if progress.total is not None and progress.total > progress.done:
                parts.append(f"{(progress.total - progress.done) / fps:.0f} s left")
        return ", ".join(parts)
