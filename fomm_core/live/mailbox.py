"""A place for the newest item alone: who is late gets what is new, and nothing piles up."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Latest(Generic[Item]):
    """One writer, one reader, in threads of their own."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: Item | None = None
        self._closed = False
        self.dropped = 0

    def put(self, item: Item) -> None:
        """Leave an item; one that was not taken yet is dropped."""
        with self._changed:
            self.dropped += self._item is not None
            self._item = item
            self._changed.notify_all()

    def take(self, timeout: float) -> Item | None:
        """Wait for an item; None after `timeout` seconds without one, or when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._item is not None or self._closed, timeout)
            item, self._item = self._item, None
            self._changed.notify_all()
            return item

    def wait_taken(self, timeout: float) -> bool:
        """Wait until nothing lies there; whether that is so, after `timeout` seconds at the latest or when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._item is None or self._closed, timeout)
            return self._item is None

    def close(self) -> None:
        """Let the reader go."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """Whether no more comes."""
        return self._closed
