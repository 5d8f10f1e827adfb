"""Results of nodes that are kept from one job to the next, up to a size."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor, nn

LEAST = 4096
"""Bytes that any entry counts, so that their number is bounded as well."""


def size_of(value: Any) -> int:
    """Bytes of all tensors in a value, networks included."""
    if isinstance(value, Tensor):
        return value.untyped_storage().nbytes()
    if isinstance(value, nn.Module):
        return sum(size_of(part) for part in (*value.parameters(), *value.buffers()))
    if isinstance(value, Mapping):
        return sum(size_of(part) for part in value.values())
    if isinstance(value, (tuple, list)):
        return sum(size_of(part) for part in value)
    if is_dataclass(value):
        return sum(size_of(getattr(value, field.name)) for field in fields(value))
    return 0


class Memo:
    """The results used last, at most `limit` bytes of them; one that takes more than half of that isn't kept."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._held = 0
        self._entries: OrderedDict[str, tuple[int, tuple[Any, ...]]] = OrderedDict()

    def get(self, key: str) -> tuple[Any, ...] | None:
        """The result under a key, None where there is none (any more)."""
        if key not in self._entries:
            return None
        self._entries.move_to_end(key)
        return self._entries[key][1]

    def put(self, key: str, result: tuple[Any, ...]) -> None:
        """Keep a result; the oldest go where there is no room."""
        size = max(size_of(result), LEAST)
        if key in self._entries or size > self.limit // 2:
            return
        self._entries[key] = size, result
        self._held += size
        while self._held > self.limit:
            _, (gone, _) = self._entries.popitem(last=False)
            self._held -= gone

    def clear(self) -> None:
        """Let go of everything."""
        self._entries.clear()
        self._held = 0
