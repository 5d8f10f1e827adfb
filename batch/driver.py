"""The driver: hands jobs to an engine, tries failed ones again, and writes down what is done."""

from __future__ import annotations

import queue
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from ..fomm_core.errors import FommError
from .engine import CancelledError, Engine, Job, JobError, JobProgress, NoWorkersError, Outcome, WorkerLostError
from .inspector import Inspector
from .jobs import Faulty
from .manifest import Manifest
from .outputs import published

LOSSES = 5
"""How often a job may lose its worker, beyond its retries, before it is taken for the cause."""

TICK = 0.2


class TimeUpError(CancelledError):
    """A job took longer than it was allowed."""


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how long a job may try.

    retries: after the first try, where another one makes sense. seconds: for each try, waiting for a worker aside;
    None for any.
    """

    retries: int = 1
    seconds: float | None = None


@dataclass(frozen=True)
class Finished:
    """A job that has come to its end: with an outcome, or with an error."""

    job: Job
    attempts: int
    seconds: float
    outcome: Outcome | None = None
    error: JobError | None = None
    strip: bytes = b""


@dataclass
class _Attempt:
    job: Job
    tries: int = 0
    losses: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class _AttemptResult:
    """What a worker's thread has to say of an attempt."""

    attempt: _Attempt
    outcome: Outcome | None = None
    error: BaseException | None = None
    strip: bytes = b""


@dataclass
class Callbacks:
    """Who wants to hear how it goes; all called from the driver's own thread.

    progress: of a job. finished: a job's end. again: a job that will be tried again, with the reason. tick: now and
    then.
    """

    progress: Callable[[JobProgress], None] = lambda progress: None
    finished: Callable[[Finished], None] = lambda finished: None
    again: Callable[[Job, JobError], None] = lambda job, error: None
    tick: Callable[[], None] = lambda: None


@dataclass
class Runner:
    """One run of a batch over an engine."""

    engine: Engine
    manifest: Manifest
    batch: str
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    callbacks: Callbacks = field(default_factory=Callbacks)

    def __post_init__(self) -> None:
        self._events: queue.SimpleQueue[_AttemptResult | JobProgress] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._again: deque[_Attempt] = deque()
        self._inspector = Inspector()

    def run(self, jobs: Iterable[Job | Faulty]) -> None:
        """Render jobs; faulty ones are on record already.

        Raises:
            NoWorkersError: All workers are lost; what is not done stays pending.
            KeyboardInterrupt: The user wants to stop; jobs in flight are abandoned.
        """
        waiting = (_Attempt(replace(job, note=self.manifest.note_of(job))) for job in jobs if isinstance(job, Job))
        flying = 0
        slots = max(1, len(self.engine.workers))
        lost: NoWorkersError | None = None
        try:
            while True:
                while flying < slots and lost is None and (attempt := self._next(waiting)) is not None:
                    threading.Thread(target=self._attempt, args=(attempt,), daemon=True).start()
                    flying += 1
                if flying == 0:
                    break
                told = self._event()
                if isinstance(told, _AttemptResult):
                    flying -= 1
                    lost = self._settle(told) or lost
        except BaseException:
            self._stop.set()
            self._wind_up(flying)
            raise
        finally:
            self._inspector.close()
        if lost is not None:
            raise lost

    def _next(self, waiting: Iterator[_Attempt]) -> _Attempt | None:
        """New jobs first; those that failed have to wait for a quieter moment."""
        attempt = next(waiting, None)
        return attempt or (self._again.popleft() if self._again else None)

    def _event(self) -> _AttemptResult | None:
        try:
            event = self._events.get(timeout=TICK)
        except queue.Empty:
            self.callbacks.tick()
            return None
        if isinstance(event, JobProgress):
            self.callbacks.progress(event)
            return None
        return event

    def _attempt(self, attempt: _Attempt) -> None:
        """In a thread of its own: one try of one job."""
        clock = _Clock(self.retry.seconds)

        def progress(told: JobProgress) -> None:
            if self._stop.is_set():
                raise CancelledError("stopped")
            clock.check(told)
            self._events.put(told)

        started = time.monotonic()
        try:
            outcome = published(attempt.job) or self.engine.run(attempt.job, progress)
            told = _AttemptResult(attempt, outcome, strip=self._inspector.strip(outcome.files))
        except BaseException as problem:
            told = _AttemptResult(attempt, error=problem)
        attempt.seconds += time.monotonic() - (clock.started or started)
        self._events.put(told)

    def _settle(self, told: _AttemptResult) -> NoWorkersError | None:
        """Write down how a try ended, or take the job up again."""
        attempt = told.attempt
        if told.outcome is not None:
            attempt.tries += 1
            self.manifest.finish(attempt.job, self.batch, told.outcome, attempts=attempt.tries, strip=told.strip)
            self.callbacks.finished(
                Finished(attempt.job, attempt.tries, attempt.seconds, told.outcome, strip=told.strip)
            )
            return None
        if isinstance(told.error, NoWorkersError):
            return told.error
        error = _as_job_error(told.error)
        if isinstance(error, WorkerLostError):
            attempt.losses += 1
            again = attempt.losses <= LOSSES + self.retry.retries
        else:
            attempt.tries += 1
            again = error.retryable and attempt.tries <= self.retry.retries
        if again:
            self._again.append(attempt)
            self.callbacks.again(attempt.job, error)
            return None
        tries = attempt.tries + attempt.losses
        self.manifest.fail(
            attempt.job, self.batch, error=str(error), details=error.details, attempts=tries, seconds=attempt.seconds
        )
        self.callbacks.finished(Finished(attempt.job, tries, attempt.seconds, error=error))
        return None

    def _wind_up(self, flying: int) -> None:
        """Wait for the threads to give up; what is complete by then is written down. A second Ctrl-C leaves them."""
        while flying:
            event = self._events.get()
            if isinstance(event, _AttemptResult):
                flying -= 1
                if event.outcome is not None:
                    self._settle(event)


class _Clock:
    """Runs from the moment at which a worker has taken the job."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self.started: float | None = None

    def check(self, told: JobProgress) -> None:
        if self.started is None and told.worker:
            self.started = time.monotonic()
        if self.seconds is not None and self.started and time.monotonic() - self.started > self.seconds:
            where = f", in “{told.node}”" if told.node else ""
            raise TimeUpError(f"took more than {self.seconds:g} s{where}. Give it more by --timeout.")


def _as_job_error(problem: BaseException | None) -> JobError:
    """Whatever ended a try, for the report."""
    if isinstance(problem, JobError):
        return problem
    if isinstance(problem, OSError):
        return JobError(f"{problem}. Is the disk full, or the output folder gone?", details=_trace(problem))
    if isinstance(problem, FommError):
        return JobError(str(problem), retryable=False)
    return JobError(f"{type(problem).__name__}: {problem}", retryable=False, details=_trace(problem))


def _trace(problem: BaseException | None) -> str:
    return "" if problem is None else "".join(traceback.format_exception(problem))
