"""Being asked to stop: Ctrl-C and SIGTERM end a run between two steps, not within one."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

log = logging.getLogger("fomm.training")


@contextmanager
def stop_requests() -> Iterator[Callable[[], bool]]:
    """Within the block, a first Ctrl-C or SIGTERM only makes the function return True; a second one interrupts.

    In threads other than the main one signals can't be received: there the function returns False.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return

    def ask(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()
        log.warning("stopping after this step; a second time stops at once, back to the last state")

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, ask) for number in numbers]
    try:
        yield asked.is_set
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
