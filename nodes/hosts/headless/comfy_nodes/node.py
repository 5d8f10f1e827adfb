"""What a core node is to the local engine: the ports that ComfyUI says it has, and a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from .....graph.types import AUTOGROW, DYNAMIC_COMBO
from ....spec import BOOLEAN, FLOAT, INT, STRING

LARGEST: Final = 16384
"""The longest side of an image in ComfyUI's own widgets."""

Entry = tuple[Any, ...]
"""An input as `/object_info` has it: a type, or a list of choices, and maybe a table of options."""

UPLOADS: Final = ("image_upload", "video_upload", "audio_upload")
"""Options that mark a port whose value is the name of a file in the input folder."""


@dataclass(frozen=True)
class CoreNode:
    """A node of ComfyUI itself. `run(host, **inputs)` returns a value per output. Results are those of 0.33.

    inputs, optional: entries by port, in ComfyUI's order. outputs: (type, name) of each.
    is_output: runs for its own sake; its result is never kept. is_preview: only shows what it gets.
    now: all inputs as ComfyUI 0.33 has them, where these are others than 0.3.64's, which `inputs` and `optional` hold.
        An option "optional" marks those that may be missing.
    is_new: 0.3.64 had no such node.
    title_now, category_now: as 0.33 calls it, where that is another name than 0.3.64's.
    more_outputs: those that 0.33 added behind `outputs`; `run` returns a value for each of both.
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
    now: Mapping[str, Entry] = field(default_factory=dict)
    is_new: bool = False
    title_now: str = ""
    category_now: str = ""
    more_outputs: tuple[tuple[str, str], ...] = ()

    @property
    def older(self) -> dict[str, Entry]:
        """All inputs as 0.3.64 has them."""
        return {**self.inputs, **self.optional}

    @property
    def entries(self) -> dict[str, Entry]:
        """All inputs, of both versions."""
        return {**self.now, **self.older}

    def check(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """All inputs, with defaults where `values` has none; raises ValueError that says what does not fit.

        Those of one version may differ from those of another in what they accept. Where the names of `values` are those
        of 0.33 alone, its rules hold. A choice that brings inputs of its own is a table: of itself, and of them by
        their short names. What grows with its wires is a list.
        """
        is_older = not self.now or not (self.is_new or values.keys() - self.older.keys())
        entries = self.older if is_older else self.now
        complete = {port: _complete(port, entry, values) for port, entry in entries.items()}
        for port, value in complete.items():
            needed = port in self.inputs if is_older else not _options(entries[port]).get("optional")
            if value is None and needed:
                raise ValueError(f"“{port}” is not connected, or has no value")
        return complete


def _options(entry: Entry) -> Mapping[str, Any]:
    return entry[1] if len(entry) > 1 else {}


def _complete(port: str, entry: Entry, values: Mapping[str, Any]) -> Any:
    options, value = _options(entry), values.get(port)
    if entry[0] == AUTOGROW:
        names = sorted((name for name in values if name.startswith(f"{port}.")), key=lambda name: (len(name), name))
        return [values[name] for name in names if values[name] is not None] or None
    if entry[0] == DYNAMIC_COMBO:
        return _chosen(port, options["options"], value, values)
    if value is None:
        value = options.get("default")
    return None if value is None else _fitting(port, entry, value)


def _chosen(port: str, choices: Any, value: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    keys = {choice["key"]: choice for choice in choices}
    value = next(iter(keys)) if value is None else value
    if value not in keys:
        raise ValueError(f"“{port}”: expected one of {', '.join(keys)}; got {value!r}")
    found = {port.rpartition(".")[2]: value}
    for group in ("required", "optional"):
        for name, entry in (keys[value]["inputs"].get(group) or {}).items():
            inner = _complete(f"{port}.{name}", entry, values)
            if inner is None and group == "required":
                raise ValueError(f"“{port}.{name}” is not connected, or has no value")
            found[name] = inner
    return found


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


def choosing(**choices: Mapping[str, Entry]) -> Entry:
    """A choice that brings inputs of its own; "_" in a name stands for a space."""
    return DYNAMIC_COMBO, {
        "options": [{"key": key.replace("_", " "), "inputs": object_info(inner)} for key, inner in choices.items()]
    }


def maybe(entry: Entry) -> Entry:
    """The same input, which may be missing."""
    return entry[0], {**_options(entry), "optional": True}


def object_info(entries: Mapping[str, Entry]) -> dict[str, Any]:
    """Inputs in the form of ComfyUI's own /object_info."""
    groups: dict[str, dict[str, Any]] = {"required": {}, "optional": {}}
    for name, entry in entries.items():
        options = {key: value for key, value in _options(entry).items() if key != "optional"}
        groups["optional" if _options(entry).get("optional") else "required"][name] = [entry[0], options]
    return {group: inner for group, inner in groups.items() if inner}
