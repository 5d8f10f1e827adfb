"""What node classes look like: ComfyUI's `/object_info`, from a file, from a server, or from our own declarations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .widgets import Input, inputs_of


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

    def inputs(self, kind: str) -> tuple[Input, ...]:
        """The inputs of a class, in order."""
        if kind not in self._inputs:
            self._inputs[kind] = inputs_of(self.entries[kind])
        return self._inputs[kind]

    @cached_property
    def _inputs(self) -> dict[str, tuple[Input, ...]]:
        return {}
