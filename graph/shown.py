"""The values that a canvas shows on a node, each with its name, its input, and where the file has it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .saved import SavedNode
from .schemas import Schemas
from .unknown_classes import combo_values
from .widgets import Input, inputs_now, is_on_canvas, read_by_position, widgets_of


@dataclass(frozen=True)
class ShownValue:
    """One value.

    name: of its input; empty where the file does not say and the class is unknown.
    place: its index among the values by position; None where the file has it by name alone.
    of: the input, where its class is known.
    """

    name: str
    value: Any
    place: int | None = None
    of: Input | None = None


def shown_values(node: SavedNode, schemas: Schemas, *, is_subgraph: bool = False) -> list[ShownValue]:
    """What the user may set on a node, in the order of the file; without buttons, players and the like.

    Of a node that stands for a subgraph, the values of the widgets that it shows. Values of a class that is not known
    have no names unless the file names them.
    """
    if (listed := node.shown_widgets) is not None:
        return [
            ShownValue(f"{inner}: {name}" if inner != "-1" else name, value, place)
            for place, ((inner, name), value) in enumerate(zip(listed, node.positional, strict=False))
            if value is not None
        ]
    known = combo_values(node)
    inputs = schemas.inputs(node.type, now=node.is_recent)
    if isinstance(known, Mapping):
        return list(_by_name(node, known, inputs))
    if node.type in schemas:
        return _by_position(node, known, inputs)
    if is_subgraph:
        slots = [slot.name for slot in node.inputs if slot.widget]
        return [ShownValue(name, value, place) for place, (name, value) in enumerate(zip(slots, known, strict=False))]
    named = [Input(slot.name, "INT", {}, True) for slot in node.inputs if slot.widget]
    found = _by_position(node, known, named)
    held = read_by_position(list(widgets_of(node.type, named)), known)
    if len(held) == len(known):
        return [ShownValue(entry.name, entry.value, entry.place) for entry in found]
    return [ShownValue("", value, place) for place, value in enumerate(known)]


def _by_name(node: SavedNode, known: Mapping[str, Any], inputs: Sequence[Input]) -> Iterator[ShownValue]:
    entries = {entry.name: entry for entry in inputs_now(inputs, known)}
    places = {name: place for place, name in enumerate(known)} if len(node.positional) == len(known) else {}
    for name, value in known.items():
        if name in entries or not (is_on_canvas(name) or name == node.type):
            yield ShownValue(name, value, places.get(name), entries.get(name))


def _by_position(node: SavedNode, known: Sequence[Any], inputs: Sequence[Input]) -> list[ShownValue]:
    found, place = [], 0
    for widget, value in read_by_position(list(widgets_of(node.type, inputs)), known):
        if widget.saved:
            if widget.of is not None and place < len(known):
                found.append(ShownValue(widget.name, value, place, widget.of))
            place += 1
    return found
