"""Decoding and encoding in threads while the networks compute; never more than a few items in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

import torch
from threadpoolctl import ThreadpoolController, threadpool_limits

Item = TypeVar("Item")

_END: Any = object()


def _one_thread() -> None:
    """For a helper's thread: its small operations take one core.

    With a second team of OpenMP threads, there would be more of them than cores: those of the networks would then no
    longer wait awake for each other, which costs a CPU a tenth of its speed. Torch sets up a thread at its first
    question; our limit has to come after that. It holds for this thread alone.
    """
    torch.get_num_threads()
    threadpool_limits(1, user_api="openmp")


@contextmanager
def one_core() -> Iterator[None]:
    """For what the calling thread does with frames while others render the next ones: it takes one core.

    More threads of its own would wait awake for those that render to let them have a core: three seconds of CPU for the
    46 frames of the example on a busy machine of two cores, where rendering takes one.
    """
    with _thread_pools().limit(limits=1, user_api="openmp"):
        yield


@cache
def _thread_pools() -> ThreadpoolController:
    torch.get_num_threads()
    return ThreadpoolController()


@contextmanager
def read_ahead(items: Iterable[Item], depth: int = 2) -> Iterator[Iterator[Item]]:
    """The same items, produced by a thread at most `depth` ahead of the reader.

    What producing raises is raised to the reader. When the block ends, nothing runs any more.
    """
    source = iter(items)
    pool = ThreadPoolExecutor(1, "fomm-read", initializer=_one_thread)

    def ordered() -> Iterator[Item]:
        pending = deque(pool.submit(next, source, _END) for _ in range(depth))
        while (item := pending.popleft().result()) is not _END:
            pending.append(pool.submit(next, source, _END))
            yield item

    try:
        yield ordered()
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def write_behind(write: Callable[..., None], depth: int = 2) -> Iterator[Callable[..., None]]:
    """A function that hands its arguments to `write` in a thread, in order, at most `depth` calls behind.

    What `write` raises is raised by one of the next calls, or at the end of the block. A block that fails leaves out
    the calls that are still waiting.
    """
    pool = ThreadPoolExecutor(1, "fomm-write", initializer=_one_thread)
    pending: deque[Future[None]] = deque()

    def submit(*arguments: object) -> None:
        if len(pending) >= depth:
            pending.popleft().result()
        pending.append(pool.submit(write, *arguments))

    try:
        yield submit
        for waiting in pending:
            waiting.result()
    finally:
        pool.shutdown(cancel_futures=True)
