"""What a core node is to the local engine: the ports that ComfyUI says it has, and a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ...spec import BOOLEAN, FLOAT, INT, STRING

LARGEST: Final = 16384
"""The longest side of a picture in ComfyUI's own widgets."""

Entry = tuple[Any, ...]
"""An input as `/object_info` has it: a type, or a list of choices, and maybe a table of options."""

UPLOADS: Final = ("image_upload", "video_upload", "audio_upload")
"""Options that mark a port whose value is the name of a file in the input folder."""


@dataclass(frozen=True)
class CoreNode:
    """A node of ComfyUI itself. `run(host, **inputs)` returns a value per output.

    inputs, optional: entries by port, in ComfyUI's order. outputs: (type, name) of each.
    is_output: runs for its own sake; its result is never kept. is_preview: only shows what it gets.
    """

    id: str
    title: str
    category: str
    inputs: Mapping[str, Entry]
    outputs: tuple[tuple[str, str], ...]
    run: Callable[..., tuple[Any, ...]]
    optional: Mapping[str, Entry] = field(default_factory=dict)
    is_output: bool = False
    is_preview: bool = False

    @property
    def entries(self) -> dict[str, Entry]:
        """All inputs."""
        return {**self.inputs, **self.optional}

    def check(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """All inputs, with defaults where `values` has none; raises ValueError that says what does not fit."""
        complete = {}
        for port, entry in self.entries.items():
            value = values.get(port)
            if value is None and len(entry) > 1:
                value = entry[1].get("default")
            if value is None and port in self.inputs:
                raise ValueError(f"“{port}” is not connected, or has no value")
            if value is not None:
                value = _fitting(port, entry, value)
            complete[port] = value
        return complete


def _fitting(port: str, entry: Entry, value: Any) -> Any:
    """The value as its port takes it. Numbers of the wrong kind are turned as ComfyUI turns them."""
    kind, options = entry[0], entry[1] if len(entry) > 1 else {}
    if any(options.get(upload) for upload in UPLOADS):
        kind = STRING
    if isinstance(kind, list):
        if value not in kind:
            raise ValueError(f"“{port}”: expected one of {', '.join(kind)}; got {value!r}")
    elif kind in (INT, FLOAT):
        try:
            value = int(value) if kind == INT else float(value)
        except (TypeError, ValueError, OverflowError):
            raise ValueError(f"“{port}”: expected a number; got {value!r}") from None
        low, high = options.get("min", value), options.get("max", value)
        if not low <= value <= high:
            raise ValueError(f"“{port}”: expected {low} to {high}; got {value}")
    elif kind == BOOLEAN:
        value = bool(value)
    elif kind == STRING and not isinstance(value, str):
        raise ValueError(f"“{port}”: expected text; got {value!r}")
    return value


def whole(default: int, low: int, high: int = LARGEST) -> Entry:
    """An INT input."""
    return INT, {"default": default, "min": low, "max": high, "step": 1}


def number(default: float, low: float, high: float, step: float = 0.01) -> Entry:
    """A FLOAT input."""
    return FLOAT, {"default": default, "min": low, "max": high, "step": step}


def words(default: str) -> Entry:
    """A STRING input."""
    return STRING, {"default": default}


def switch(default: bool) -> Entry:
    """A BOOLEAN input."""
    return BOOLEAN, {"default": default}


def one_of(*choices: str) -> Entry:
    """A choice; the first is the default."""
    return list(choices), {"default": choices[0]}


def upload(kind: str) -> Entry:
    """The name of an input file: kind is image, video or audio."""
    return [], {f"{kind}_upload": True}
