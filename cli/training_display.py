"""How a training run shows on a terminal: a bar with speed, time left and losses, or a line now and then."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .terminal import say

if TYPE_CHECKING:
    from ..fomm_core.training.loop import Event, StepDone

LINE_EVERY = 30.0
"""Seconds between lines where standard error is no terminal."""

SMOOTHING = 0.98
"""Share of the past in the losses and the speed that are shown."""


def training_display(step: int, steps: int, *, quiet: bool) -> TrainingDisplay:
    """For a run that stands at `step` of `steps`: a bar on a terminal, lines elsewhere, nothing where quiet."""
    if quiet:
        return TrainingDisplay(step, steps)
    return TrainingBar(step, steps) if sys.stderr.isatty() else TrainingLines(step, steps)


class TrainingDisplay:
    """Hears of a run's events; used in a `with` block. This one shows nothing."""

    def __init__(self, step: int, steps: int) -> None:
        self.step, self.steps = step, steps
        self.losses: dict[str, float] = {}
        self._seconds: float | None = None
        self._last = time.monotonic()

    def __enter__(self) -> TrainingDisplay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def __call__(self, event: Event) -> None:
        """Take in an event, and show where the run stands."""
        from ..fomm_core.training.loop import StepDone

        if isinstance(event, StepDone):
            self._take_in(event)
            self.show()

    def _take_in(self, event: StepDone) -> None:
        now = time.monotonic()
        seconds, self._last = now - self._last, now
        if self._seconds is None:  # the first step warms up
            self._seconds = event.seconds
        else:
            self._seconds += max(1 - SMOOTHING, 1 / (event.step - self.step + 2)) * (seconds - self._seconds)
        for name, value in event.losses.items():
            old = self.losses.get(name, value)
            self.losses[name] = SMOOTHING * old + (1 - SMOOTHING) * value
        self.done = event.step

    def show(self) -> None:
        """Show it."""

    @property
    def speed(self) -> str:
        """Such as "2.31 steps/s" or "1.8 s/step"."""
        if not self._seconds:
            return ""
        return f"{1 / self._seconds:.2f} steps/s" if self._seconds <= 1 else f"{self._seconds:.1f} s/step"

    @property
    def left(self) -> str:
        """The time that the remaining steps will take, such as "1:02:03"."""
        seconds = round((self._seconds or 0) * (self.steps - self.done))
        return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"

    @property
    def terms(self) -> str:
        """Losses by name."""
        return "  ".join(f"{name} {value:.4g}" for name, value in self.losses.items())


class TrainingBar(TrainingDisplay):
    """A live bar, and the losses below it."""

    def __init__(self, step: int, steps: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        super().__init__(step, steps)
        self._bar = Progress(
            TextColumn("training", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]:>14}", markup=False),
            TextColumn("{task.fields[left]:>8} left", markup=False),
            TextColumn("\n{task.fields[terms]}", markup=False, style="dim"),
            console=Console(stderr=True),
        )
        self._task: Any = self._bar.add_task("", total=steps, completed=step, speed="", left="", terms="")

    def __enter__(self) -> TrainingBar:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def show(self) -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=self.done, speed=self.speed, left=self.left, terms=self.terms)


class TrainingLines(TrainingDisplay):
    """A line every half minute, for logs."""

    def __init__(self, step: int, steps: int) -> None:
        super().__init__(step, steps)
        self._shown = time.monotonic()

    def show(self) -> None:
        """Print a line where the last one is old, and at the end."""
        now = time.monotonic()
        if self.done == self.steps or now - self._shown >= LINE_EVERY:
            self._shown = now
            say(f"step {self.done} of {self.steps}, {self.speed}, {self.left} left; {self.terms}")
