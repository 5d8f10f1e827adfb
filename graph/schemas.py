"""What node classes look like: ComfyUI's `/object_info`, from a file, from a server, or from our own table."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

from ..fomm_core.errors import GraphError
from .types import COMBO, DYNAMIC_COMBO
from .unwrapping import decoded
from .widgets import Input, inputs_now, inputs_of

TITLES = {
    "ImageBlend": "Image Blend",
    "ImageBlur": "Image Blur",
    "ImageQuantize": "Image Quantize",
    "ImageScaleToTotalPixels": "Scale Image to Total Pixels",
    "ImageSharpen": "Image Sharpen",
}
"""What the canvas writes on classes that give themselves no name."""

PATIENCE = 30.0
"""Seconds that a server has to answer, to the last byte."""

LARGEST = 128 << 20
"""Bytes of an answer."""


@dataclass(frozen=True)
class Schemas:
    """Node schemas by class name, each in the form of ComfyUI's `/object_info`.

    now: those of a newer version, of classes that look different there.
    """

    entries: Mapping[str, Mapping[str, Any]]
    now: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def merged(self, other: Schemas) -> Schemas:
        """Both; where both know a class, `other` says how it looks."""
        now = {kind: entry for kind, entry in self.now.items() if kind not in other}
        return Schemas({**self.entries, **other.entries}, {**now, **other.now})

    def __contains__(self, kind: object) -> bool:
        return kind in self.entries

    def is_output(self, kind: str) -> bool:
        """Whether a class runs for its own sake, as one that saves or shows something does."""
        return bool(self.entries.get(kind, {}).get("output_node"))

    def title(self, kind: str, *, now: bool = False) -> str:
        """What a canvas writes on a node of a class. `now`: one of a newer version."""
        entry = self.entries.get(kind, {})
        return str((now and entry.get("display_name_now")) or entry.get("display_name") or TITLES.get(kind, kind))

    def inputs(self, kind: str, *, now: bool = False) -> tuple[Input, ...]:
        """The inputs of a class, in order; none where it is not known. `now`: as a newer version has them."""
        now = now and kind in self.now
        if (kind, now) not in self._inputs:
            self._inputs[kind, now] = inputs_of((self.now if now else self.entries).get(kind, {}))
        return self._inputs[kind, now]

    def inputs_with(self, kind: str, values: Mapping[str, Any]) -> tuple[Input, ...]:
        """The inputs of a node with these values: those of a newer version where only that has all of their names, and
        below them those that its choices bring.
        """
        older = tuple(inputs_now(self.inputs(kind), values))
        if kind not in self.now:
            return older
        newer = tuple(inputs_now(self.inputs(kind, now=True), values))
        strangers = [values.keys() - {entry.name for entry in entries} for entries in (older, newer)]
        return newer if len(strangers[1]) < len(strangers[0]) else older

    def outputs(self, kind: str) -> tuple[str, ...]:
        """The type of each output of a class; a list of choices is a COMBO."""
        types: Sequence[Any] = self.entries.get(kind, {}).get("output") or ()
        return tuple(entry if isinstance(entry, str) else COMBO for entry in types)

    @cached_property
    def _inputs(self) -> dict[tuple[str, bool], tuple[Input, ...]]:
        return {}


def schemas_from(source: str | Path, patience: float = PATIENCE) -> Schemas:
    """From a file that holds the answer of a ComfyUI's `/object_info`, or from a running one.

    Args:
        source: a path, or a URL such as http://127.0.0.1:8188.
        patience: seconds that a server has to answer.

    Raises:
        GraphError: there is no such file or server, or it says something else.
    """
    text = _fetched(str(source), patience) if str(source).startswith(("http://", "https://")) else _read(Path(source))
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise GraphError(f"expected the JSON of a ComfyUI's /object_info; '{source}' is none ({problem}).") from None
    return schemas_in(data, str(source))


def schemas_in(data: Any, source: str) -> Schemas:
    """From what a ComfyUI tells at /object_info; classes of an odd shape, as a broken pack has them, are left out.

    Raises:
        GraphError: no class is left.
    """
    sound = {name: entry for name, entry in data.items() if _is_sound(entry)} if isinstance(data, dict) else {}
    if not sound:
        raise GraphError(
            f"expected what a ComfyUI tells at /object_info, by class; '{source}' holds something else. Save it with: "
            "curl http://127.0.0.1:8188/object_info -o object_info.json"
        )
    return Schemas(sound)


def _is_sound(entry: Any) -> bool:
    """Whether an entry has the shape of a class, as far as anybody here reads it."""
    if not isinstance(entry, dict) or not isinstance(entry.get("input"), dict):
        return False
    groups = [entry["input"].get(group) or {} for group in ("required", "optional")]
    orders = entry.get("input_order") or {}
    shapes = (
        all(isinstance(group, dict) for group in groups)
        and isinstance(orders, dict)
        and all(isinstance(orders.get(group) or [], list) for group in ("required", "optional"))
        and isinstance(entry.get("output") or [], list)
        and isinstance(entry.get("display_name") or "", str)
    )
    if not shapes:
        return False
    try:
        for wanted in inputs_of(entry):
            for option in wanted.options.get("options") or () if wanted.type == DYNAMIC_COMBO else ():
                wanted.chosen(option["key"])
            hash(wanted.default if not isinstance(wanted.default, (list, dict)) else None)
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError):
        return False
    return True


def _fetched(url: str, patience: float) -> str:
    """What a server answers, within a time and up to a size; a thread, as it may hang anywhere."""
    address = url if urlsplit(url).path.rstrip("/").endswith("/object_info") else f"{url.rstrip('/')}/object_info"
    came: SimpleQueue[str | Exception] = SimpleQueue()
    Thread(target=_fetch, args=(address, came, time.monotonic() + patience), daemon=True).start()
    try:
        answer = came.get(timeout=patience)
    except Empty:
        answer = TimeoutError(f"not in {patience:g} s")
    if isinstance(answer, Exception):
        raise GraphError(f"expected a running ComfyUI at {url}; it gave no answer ({answer}). Is it started?")
    return answer


def _fetch(address: str, came: SimpleQueue[str | Exception], deadline: float) -> None:
    try:
        text = bytearray()
        with urlopen(address, timeout=PATIENCE) as answer:
            while block := answer.read1(1 << 16):
                text += block
                if len(text) > LARGEST:
                    raise ValueError(f"more than {LARGEST / 1e6:.0f} MB")
                if time.monotonic() > deadline:
                    return
        came.put(text.decode("utf-8"))
    except Exception as problem:
        came.put(problem)


def _read(path: Path) -> str:
    try:
        return decoded(path.read_bytes())
    except (OSError, UnicodeDecodeError) as problem:
        raise GraphError(f"expected a file that holds a ComfyUI's /object_info; '{path}': {problem}.") from None


def schemas_of(blocks: Mapping[str, Any], choices: Callable[[str], Sequence[str]] | None = None) -> Schemas:
    """Of the blocks of a table, as ComfyUI has them.

    Args:
        blocks: see `nodes.block_table`.
        choices: what a dynamic list holds now (`Host.options`); None leaves such lists open to any value.
    """
    entries = {name: _schema(block, choices) for name, block in blocks.items()}
    now = {name: {**entries[name], "input": block["now"]} for name, block in blocks.items() if "now" in block}
    new = {name: entry for name, entry in now.items() if not blocks[name]["inputs"]}
    return Schemas({**entries, **new}, now)


def _schema(block: Mapping[str, Any], choices: Callable[[str], Sequence[str]] | None) -> dict[str, Any]:
    groups: dict[str, dict[str, Any]] = {"required": {}, "optional": {}}
    for port in block["inputs"]:
        group = groups["optional" if port.get("optional") else "required"]
        group[port["name"]] = [port["type"], _options(port, choices)]
    more = block.get("more_outputs", ())
    return {
        "input": groups,
        "output": [*(port["type"] for port in block["outputs"]), *(kind for kind, _ in more)],
        "output_name": [*(port["title"] for port in block["outputs"]), *(name for _, name in more)],
        "display_name": block["title"],
        "display_name_now": block.get("title_now"),
        "output_node": block["saves"],
    }


def _options(port: Mapping[str, Any], choices: Callable[[str], Sequence[str]] | None) -> dict[str, Any]:
    named = {"default": "default", "minimum": "min", "maximum": "max", "step": "step", "choices": "options"}
    if upload := port.get("upload"):
        return {f"{upload}_upload": True}
    found = {theirs: port[ours] for ours, theirs in named.items() if ours in port}
    if choices is not None and (listed := port.get("list")):
        found["options"] = list(choices(listed))
    return found


def unknown(kind: str, pack: str) -> str:
    """What to say of a class that is in no schema."""
    origin = f"the pack “{pack}” has it" if pack else "a pack has it that is not named in the file"
    return (
        f"expected a known class of node; “{kind}” is none here ({origin}). Give the /object_info of a ComfyUI with "
        "that pack (--object-info)"
    )


def unknown_but_named(kind: str, pack: str) -> str:
    """What to say of such a class whose values the file names."""
    origin = f" (of the pack “{pack}”)" if pack else ""
    return f"“{kind}”{origin} is no known class here: its values are taken as the file names them, unchecked"
