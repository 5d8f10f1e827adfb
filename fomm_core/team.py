"""Frames side by side on a CPU: each thread computes one of its own, and waits for nobody.

Threads that share one frame wait for each other after every layer, and for whatever else takes a core in between.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import chain, islice
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST = 4
"""Frames side by side: each of them takes memory of its own."""


def shares(threads: int) -> tuple[int, int]:
    """How many members, and of how many threads each: rather many, and at most one thread idle (reading and writing
    take one now and then).

    All members have equally many, since rounding may depend on it.
    """
    possible = range(1, min(MOST, threads) + 1)
    members = max(possible, key=lambda members: (min(members * (threads // members), threads - 1), members))
    return members, threads // members


def settle(threads: int) -> None:
    """Let torch use so many threads for what the calling thread computes."""
    torch.get_num_threads()  # torch sets up a thread at its first question: its limit has to come after that
    torch.set_num_threads(threads)  # reaches MKL inside torch, which threadpoolctl does not


class Team:
    """Threads that stay until the team is forgotten; `threads` of torch's in all."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.members, self.threads_each = shares(threads)
        self._pool: ThreadPoolExecutor | None = None

    def map(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """`work(item)` for each item, in their order; one more than there are members is under way or done.

        A single item gets all threads. What `work` raises ends it. Once closed, nothing runs any more.
        """
        source = iter(items)
        first = list(islice(source, min(self.members, 2)))
        if len(first) < 2:
            yield from map(work, chain(first, source))
            return
        pool = self._started()
        pending: deque[Future[Result]] = deque()
        try:
            for item in chain(first, source):
                pending.append(pool.submit(work, item))
                if len(pending) > self.members:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for waiting in pending:
                waiting.cancel()
            wait(pending)

    def _started(self) -> ThreadPoolExecutor:
        if self._pool is None:
            everyone = threading.Barrier(self.members)
            self._pool = ThreadPoolExecutor(self.members, "fomm-frames", settle, (self.threads_each,))
            for member in [self._pool.submit(everyone.wait) for _ in range(self.members)]:
                member.result()
            torch.set_num_threads(self.threads)  # threads to come get what was said last
        return self._pool
