"""The blocks as Blender reads them, from the table for all hosts; and their values between JSON and properties."""

from __future__ import annotations

import json
import re
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

WHOLE = (-(2**31), 2**31 - 1)
"""What an IntProperty holds."""

SMALL = frozenset({"a", "an", "and", "as", "by", "for", "from", "in", "of", "on", "or", "the", "to", "with"})
"""Words that titles keep small, but for the first."""

NAMES = {"avd": "AVD", "fps": "FPS", "json": "JSON", "stmap": "STMap", "xor": "XOR", "xywh": "XYWH", "xyxy": "XYXY"}

VERSION = 1
"""Of the nodes: raised when a node that is saved in a file needs more than new sockets to open."""


@dataclass(frozen=True)
class Port:
    """An input. widget: the user sets it in the node. type: what fits on a wire, several with commas between."""

    name: str
    title: str
    type: str
    tooltip: str = ""
    widget: bool = False
    default: Any = None
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    choices: tuple[str, ...] = ()
    list: str = ""
    upload: str = ""
    optional: bool = False
    advanced: bool = False

    @property
    def attribute(self) -> str:
        """Its property's name; a node has names of its own, such as `width`."""
        return f"w_{self.name}"

    @property
    def start(self) -> Any:
        """Its value in a new node."""
        return self.default or self.choices[0] if self.choices else self.default

    @property
    def limits(self) -> tuple[float, float]:
        """Of a number."""
        low, high = (WHOLE[0], WHOLE[1]) if self.type == "INT" else (-3.4e38, 3.4e38)
        return (
            max(low, self.minimum if self.minimum is not None else low),
            min(high, self.maximum if self.maximum is not None else high),
        )

    def shown(self, value: Any) -> Any:
        """What the property holds for a value of a graph; a value that it can't hold is kept beside it."""
        low, high = self.limits
        if self.choices:
            return value if value in self.choices else self.default
        if self.type == "BOOLEAN":
            return bool(value)
        if self.type in ("INT", "FLOAT"):
            number = value if isinstance(value, (int, float)) else self.default or 0
            number = min(max(number, low), high)
            return int(number) if self.type == "INT" else single(number)
        return value if isinstance(value, str) else ""

    def told(self, held: Any, saved: Any = None) -> Any:
        """What a graph is told for a property: `saved`, the value it came with, as long as the user left it alone."""
        if saved is not None and self.shown(saved) == held:
            return saved
        return shortest(held) if self.type == "FLOAT" else held


@dataclass(frozen=True)
class Output:
    """An output."""

    name: str
    title: str
    type: str
    tooltip: str = ""


@dataclass(frozen=True)
class Block:
    """A class of node. saves: it runs for its own sake."""

    name: str
    title: str
    category: str
    description: str
    saves: bool
    inputs: tuple[Port, ...]
    outputs: tuple[Output, ...]
    ports: Mapping[str, Port] = field(default_factory=dict)

    @property
    def idname(self) -> str:
        """Its class in Blender."""
        return f"FommNode_{self.name}"

    @property
    def widgets(self) -> tuple[Port, ...]:
        """The inputs that are set in the node, in the order in which graphs save them."""
        return tuple(port for port in self.inputs if port.widget)

    @property
    def slots(self) -> tuple[Port, ...]:
        """The inputs as a new node on ComfyUI's canvas has them: what must be wired first."""
        return (*(port for port in self.inputs if not port.widget), *self.widgets)


@lru_cache(maxsize=1)
def table() -> dict[str, Any]:
    """As it is stored."""
    return dict(json.loads((Path(__file__).parents[2] / "blocks.json").read_text(encoding="utf-8")))


@lru_cache(maxsize=1)
def blocks() -> dict[str, Block]:
    """By class name, in the order of the menu; without those whose inputs depend on their own values."""
    return {name: _block(name, entry) for name, entry in table().items() if entry["inputs"] or "now" not in entry}


def with_defaults(name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """A node's inputs with what they leave out at its default: a ComfyUI server refuses graphs that leave any out."""
    block = blocks().get(name)
    left = [port for port in block.widgets if port.name not in inputs and not port.optional] if block else ()
    return {**inputs, **{port.name: port.start for port in left}}


def _block(name: str, entry: Mapping[str, Any]) -> Block:
    ports = tuple(
        Port(**{**port, "title": titled(port["title"]), "choices": tuple(port.get("choices", ()))})
        for port in entry["inputs"]
    )
    outputs = tuple(Output(**{**output, "title": titled(output["title"])}) for output in entry["outputs"])
    named = {"title": entry["title"], "category": entry["category"], "description": entry["description"]}
    return Block(name, **named, saves=entry["saves"], inputs=ports, outputs=outputs, ports={p.name: p for p in ports})


def titled(words: str) -> str:
    """A label as Blender writes it: "source region" becomes "Source Region"; what has capitals already stays."""
    if words != words.lower():
        return words
    parts = [part if part in SMALL and n else part[:1].upper() + part[1:] for n, part in enumerate(words.split(" "))]
    return NAMES.get(words, " ".join(parts))


def titled_choice(choice: str) -> str:
    """The same for what a user chooses from; names of presets, codecs and files stay."""
    is_name = "_" in choice or re.search(r"[a-z-]\d", choice)
    return choice if is_name else titled(choice)


def in_short(hint: str, most: int = 63) -> str:
    """As much of a hint as a socket of Blender's holds, in bytes: whole sentences, else what stands before a comma,
    else words. Blender ends it with a full stop.
    """
    parts = [found.end() for found in re.finditer(r"[.,:;](?= |$)", hint)]
    fitting = [hint[:end] for end in parts if len(hint[: end - 1].encode()) <= most]
    whole = [text for text in fitting if text.endswith(".")]
    if whole or fitting:
        return (whole or fitting)[-1][:-1]
    words = [hint[: found.start()] for found in re.finditer(r" |$", hint)]
    return max((text for text in words if len(text.encode()) <= most - 2), key=len) + ".." * bool(hint)


def number_of(choice: str) -> int:
    """A choice's number: files store numbers, and choices may come and go."""
    return zlib.crc32(choice.encode()) & 0x7FFFFFFF


def single(number: float) -> float:
    """As a FloatProperty holds it: 32 bit."""
    return float(struct.unpack("f", struct.pack("f", number))[0])


def shortest(number: float) -> float | int:
    """The fewest digits that make the same 32-bit number: 0.8 and not 0.800000011920929."""
    for digits in range(6, 10):
        text = f"{number:.{digits}g}"
        if single(float(text)) == number:
            return int(float(text)) if float(text).is_integer() else float(text)
    return number
