"""Work on the frames of a clip, a few at a time: the number halves when memory runs out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import torch

from .team import Team

log = logging.getLogger("fomm.session")

Result = TypeVar("Result")
Span = tuple[Callable[[slice], Result], slice]
"""What to do, and with which frames."""

CPU_CHUNK, ACCELERATOR_CHUNK = 1, 16
"""Frames at once: in one thread of a CPU more than one gains nothing in float32 and costs memory."""


class Chunks:
    """Splits the frames of a clip into chunks. size: frames at once; None is the default of the device.

    alone: one chunk at a time even on a CPU, where otherwise each member of a `Team` has one.
    """

    def __init__(self, device: torch.device, size: int | None, *, alone: bool) -> None:
        self.device = device
        self.size = size or (CPU_CHUNK if device.type == "cpu" else ACCELERATOR_CHUNK)
        self._alone = alone or device.type != "cpu"
        self._last_team = Team(1)

    def map(self, parts: Iterable[tuple[int, Callable[[slice], Result]]]) -> Iterator[Result]:
        """For (number of frames, work) of each part, in order: `work` on slices of at most `size` frames."""
        for results in self._team().map(self._attempt, self._spans(parts)):
            yield from results

    def _spans(self, parts: Iterable[tuple[int, Callable[[slice], Result]]]) -> Iterator[Span[Result]]:
        for count, work in parts:
            start = 0
            while start < count:
                stop = min(start + self.size, count)
                yield work, slice(start, stop)
                start = stop

    def _attempt(self, span: Span[Result]) -> list[Result]:
        work, frames = span
        results = []
        start = frames.start
        while start < frames.stop:
            part = slice(start, min(start + self.size, frames.stop))
            try:
                results.append(work(part))
            except RuntimeError as problem:
                count = part.stop - part.start
                if not is_out_of_memory(problem) or count == 1:
                    raise
                self.size = max(1, count // 2)
                log.warning("out of memory with %d frames at once; going on with %d", count, self.size)
                free_memory(self.device)
                continue
            start = part.stop
        return results

    def _team(self) -> Team:
        """Of all threads that torch may use now."""
        threads = 1 if self._alone else torch.get_num_threads()
        if threads != self._last_team.threads:
            self._last_team = Team(threads)
        return self._last_team


def is_out_of_memory(problem: RuntimeError) -> bool:
    """Whether an error means that a device (CUDA, MPS or the CPU's allocator) had no memory left."""
    text = str(problem).lower()
    return (
        isinstance(problem, torch.cuda.OutOfMemoryError) or "out of memory" in text or "can't allocate memory" in text
    )


def free_memory(device: torch.device) -> None:
    """Give cached blocks back to the device."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
