"""What node classes look like: ComfyUI's `/object_info`, from a file, a server, or derived from our own declarations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Schemas:
    """Node schemas by class name, each in the form of ComfyUI's `/object_info`."""

    entries: Mapping[str, Mapping[str, Any]]

    def merged(self, other: Schemas) -> Schemas:
        """Both; where both know a class, `other` says how it looks."""
        return Schemas({**self.entries, **other.entries})

    def is_output(self, kind: str) -> bool:
        """Whether a class runs for its own sake, as one that saves or shows something does."""
        return bool(self.entries.get(kind, {}).get("output_node"))
