"""Data-blocks and strips that are kept in mind while a run is at work: undo and renaming leave references stale."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

STRIP_ID = "fomm_strip"
"""Under this name a strip that took part in a run keeps an id of its own."""


@dataclass(frozen=True)
class Held:
    """A data-block: by its number in this session, which undo and renaming keep, or by its name before Blender 4.2."""

    number: int | None
    name: str

    @classmethod
    def of(cls, block: Any) -> Held:
        """To find it again later."""
        return cls(getattr(block, "session_uid", None), block.name)

    def find(self, blocks: Any) -> Any:
        """Among `bpy.data`'s collection of its kind; None where it is gone."""
        if self.number is None:
            return blocks.get(self.name)
        return next((block for block in blocks if block.session_uid == self.number), None)


def strip_id(strip: Any, others: Iterable[Any]) -> str:
    """The id of a strip; a copy of another gets one of its own."""
    name = strip.get(STRIP_ID)
    if not name or any(other != strip and other.get(STRIP_ID) == name for other in others):
        strip[STRIP_ID] = name = uuid.uuid4().hex
    return str(name)


def strip_of(strips: Iterable[Any], name: str, title: str) -> Any:
    """The strip with an id, else the one with that title; None where both are gone."""
    strips = list(strips)
    found = [strip for strip in strips if name and strip.get(STRIP_ID) == name]
    same = [strip for strip in found or strips if strip.name == title]
    return next(iter(same or found), None)
