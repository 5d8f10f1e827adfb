"""The threads that compute: one looks at the newest driving frame while the other paints the one before."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ..fomm_core.errors import FommError
from ..fomm_core.live import GROUPS, Latest, Performer, Seen, Shown, Take
from ..fomm_core.team import settle
from ..fomm_core.video.pixels import Pixels

log = logging.getLogger("fomm.live")

RECENT = 30
"""Frames that the rate and the latency are of."""
IDLE = 0.1
"""Seconds between looks for wishes while no frame comes."""
SMOOTHING = 0.2
"""Share of a new value in what a frame is expected to take."""
EARLY = 1.3
"""A frame is looked at so many times earlier than is expected to be needed."""


@dataclass(frozen=True, eq=False)
class Incoming:
    """A driving frame. at: `time.monotonic` when it came. stamp: the page's own, given back with the result."""

    frame: Pixels
    at: float
    stamp: float = 0.0


@dataclass(frozen=True, eq=False)
class Outgoing:
    """A frame that was made."""

    incoming: Incoming
    shown: Shown
    number: int
    fps: float
    latency: float
    cpu: float
    recorded: int


@dataclass
class Recent:
    """Averages of the last frames."""

    ends: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))
    latencies: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))
    costs: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))

    def add(self, end: float, latency: float, cpu: float) -> None:
        """One more frame."""
        self.ends.append(end)
        self.latencies.append(latency)
        self.costs.append(cpu)

    @property
    def fps(self) -> float:
        """Frames per second; 0 before the second."""
        if len(self.ends) < 2:
            return 0.0
        span = self.ends[-1] - self.ends[0]
        return (len(self.ends) - 1) / span if span > 0 else 0.0


@dataclass
class Pace:
    """When to look at the next frame: as late as it will do, so that what is painted is new. Times of the monotonic
    clock.
    """

    seeing: float = 0.0
    painting: float = 0.0
    until: float = 0.0
    idle: threading.Event = field(default_factory=threading.Event)

    def saw(self, seconds: float) -> None:
        """Looking at a frame took so long."""
        self.seeing += SMOOTHING * (seconds - self.seeing)

    def paints(self, now: float) -> None:
        """A frame begins to be painted."""
        self.until = now + self.painting
        self.idle.clear()

    def painted(self, seconds: float) -> None:
        """It took so long."""
        self.painting += SMOOTHING * (seconds - self.painting)
        self.idle.set()

    def spare(self, now: float) -> float:
        """Seconds that can be waited before it is time to look."""
        return max(0.0, self.until - EARLY * self.seeing - now)

    def wait(self, now: float) -> None:
        """Until it is time to look, or nothing is painted any more."""
        self.idle.wait(min(self.spare(now), IDLE))


Wish = Callable[[], None]
OnOut = Callable[[Outgoing], None]
OnState = Callable[[dict[str, Any]], None]
OnFailure = Callable[[BaseException], None]


class Worker:
    """Runs a Performer in two threads; use it in a `with` block, at whose end a take that still runs is finished.

    on_out: called for each frame made. on_state: for each change of what `state` says. on_failure: for what is no fault
    of the input, after which nothing more is made. All are called in the threads.
    """

    def __init__(
        self, performer: Performer, folder: Path, on_out: OnOut, on_state: OnState, on_failure: OnFailure
    ) -> None:
        self.performer, self.folder = performer, folder
        self.incoming: Latest[Incoming] = Latest()
        self._seen: Latest[tuple[Incoming, Seen]] = Latest()
        self._on_out, self._on_state, self._on_failure = on_out, on_state, on_failure
        self._of_driver: queue.SimpleQueue[Wish] = queue.SimpleQueue()
        self._of_result: queue.SimpleQueue[Wish] = queue.SimpleQueue()
        self._take: Take | None = None
        self._taking = ExitStack()
        self._number, self._recent, self._said = 0, Recent(), ""
        self._pace, self._cpu = Pace(), 0.0
        self._threads = torch.get_num_threads()
        seeing = max(1, self._threads // 4)
        self._seer = self._thread("fomm-live-see", self._see, seeing)
        self._painter = self._thread("fomm-live-paint", self._paint, max(1, self._threads - seeing))

    def _thread(self, name: str, work: Wish, threads: int) -> threading.Thread:
        def run() -> None:
            settle(threads)
            try:
                work()
            except Exception as problem:
                self._on_failure(problem)
            finally:
                self.incoming.close()
                self._seen.close()

        return threading.Thread(target=run, name=name, daemon=True)

    def __enter__(self) -> Worker:
        self.performer.beside = True
        self._cpu = time.process_time()
        self._seer.start()
        self._painter.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self.incoming.close()
        self._seer.join()
        self._painter.join()
        self.performer.beside = False
        torch.set_num_threads(self._threads)  # threads to come get what was said last

    def ask(self, wish: dict[str, Any]) -> None:
        """What the page wishes, to be done between two frames. Raises FommError for a wish that is none."""
        name, value = wish.get("do"), wish.get("value")
        done = self._about_driver(name, value)
        if done is not None:
            self._of_driver.put(done)
            return
        done = self._about_result(name, value)
        if done is None:
            raise FommError(f"expected a wish that the page knows; got {str(wish)[:80]}.")
        self._of_result.put(done)

    def _about_driver(self, name: object, value: object) -> Wish | None:
        driver = self.performer.driver
        if name == "anchor":
            return driver.set_anchor
        if name == "mirror" and isinstance(value, bool):
            return lambda: driver.set_mirror(value)
        if name == "smooth" and isinstance(value, bool):
            return lambda: setattr(driver, "smooth", value)
        return None

    def _about_result(self, name: object, value: object) -> Wish | None:
        performer = self.performer
        number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
        if name == "record" and isinstance(value, bool):
            return self._start_take if value else self._end_take
        if name == "strength" and number is not None and 0 <= number <= 2:
            return lambda: performer.set_strength(float(number))
        if name == "source" and isinstance(value, int) and number is not None:
            return lambda: self._choose(int(number))
        if name in GROUPS and number is not None and 0 <= number <= 1:
            return lambda: performer.set_share(str(name), float(number))
        return None

    def state(self) -> dict[str, Any]:
        """What the page shows besides frames."""
        performer = self.performer
        return {
            "sources": list(performer.names),
            "source": performer.chosen,
            "mirror": performer.driver.mirror,
            "smooth": performer.driver.smooth,
            "strength": performer.transfer.strength,
            "groups": performer.shares,
            "recording": self._take is not None,
            "said": self._said,
        }

    def _see(self) -> None:
        while not self.incoming.closed:
            if not self._seen.wait_taken(IDLE):
                continue
            self._pace.wait(time.monotonic())
            incoming = self.incoming.take(IDLE)
            self._do(self._of_driver)
            if incoming is not None:
                self._guarded(lambda given=incoming: self._look_at(given))  # type: ignore[misc]

    def _look_at(self, incoming: Incoming) -> None:
        seen = self.performer.see(incoming.frame, incoming.at)
        self._pace.saw(seen.seconds)
        self._seen.put((incoming, seen))
        self.performer.glance(incoming.frame, incoming.at)

    def _paint(self) -> None:
        try:
            while not self._seen.closed:
                given = self._seen.take(IDLE)
                self._do(self._of_result)
                if given is not None:
                    self._guarded(lambda given=given: self._show(*given))  # type: ignore[misc]
        finally:
            self._guarded(self._end_take)

    def _do(self, wishes: queue.SimpleQueue[Wish]) -> None:
        while not wishes.empty():
            self._guarded(wishes.get())
            self._on_state(self.state())

    def _guarded(self, work: Wish) -> None:
        """A frame or wish that fails is told of, and the next one tried."""
        try:
            work()
        except (FommError, OSError) as problem:
            self._say(str(problem))

    def _say(self, text: str) -> None:
        self._said = text
        log.warning("%s", text)
        self._on_state(self.state())

    def _show(self, incoming: Incoming, seen: Seen) -> None:
        start = time.monotonic()
        self._pace.paints(start)
        try:
            self._hand_on(incoming, self.performer.show(seen))
        finally:
            self._pace.painted(time.monotonic() - start)

    def _hand_on(self, incoming: Incoming, shown: Shown) -> None:
        if self._take is not None:
            self._record(self._take, shown, incoming.at)
        self._number += 1
        end, cpu = time.monotonic(), time.process_time()
        self._recent.add(end, end - incoming.at, cpu - self._cpu)
        self._cpu = cpu
        recent = self._recent
        self._on_out(
            Outgoing(
                incoming,
                shown,
                self._number,
                recent.fps,
                sum(recent.latencies) / len(recent.latencies),
                sum(recent.costs) / len(recent.costs),
                0 if self._take is None else self._take.frames,
            )
        )

    def _record(self, take: Take, shown: Shown, seconds: float) -> None:
        """A take that cannot be written, as on a full disk, ends."""
        try:
            take.add(shown.image, shown.keypoints, seconds)
        except (FommError, OSError) as problem:
            self._take, self.performer.governor.held = None, False
            self._taking.__exit__(type(problem), problem, problem.__traceback__)
            raise

    def _choose(self, number: int) -> None:
        if self._take is not None:
            raise FommError("a take is of one image: end the recording first, then choose another.")
        self.performer.choose(number)

    def _start_take(self) -> None:
        if self._take is not None:
            return
        performer = self.performer
        height, width = performer.size
        notes = {"source": performer.names[performer.chosen], "size": f"{width}x{height}", "mode": "absolute"}
        take = Take(free_stem(self.folder), rate=max(1.0, round(self._recent.fps or 25.0)), notes=notes)
        self._taking = ExitStack()
        self._taking.enter_context(take)
        self._take = take
        performer.governor.held = True
        self._said = f"recording {take.video.name}"

    def _end_take(self) -> None:
        take, self._take = self._take, None
        self.performer.governor.held = False
        if take is None:
            return
        if not take.frames:
            nothing = FommError("nothing was recorded: no frame came.")
            self._taking.__exit__(FommError, nothing, None)
            self._said = str(nothing)
            return
        self._taking.close()
        self._said = f"{take.video.name} and {take.performance.name}: {take.frames} frames"


def free_stem(folder: Path) -> Path:
    """`take-001`, or the first after it of which no file is there."""
    folder.mkdir(parents=True, exist_ok=True)
    number = 1
    while any((folder / f"take-{number:03d}{ending}").exists() for ending in (".mp4", ".safetensors")):
        number += 1
    return folder / f"take-{number:03d}"
