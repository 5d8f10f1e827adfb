"""The values of nodes that Blender has no block for, as the user sees and edits them: one property group for each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import bpy

from ....graph.shown import ShownValue
from ....graph.types import DYNAMIC_COMBO
from .blocks import WHOLE, shortest, single, titled
from .options import FIXED
from .sockets import draw_field

FIELDS = {"INT": "whole", "FLOAT": "number", "BOOLEAN": "flag", "STRING": "text", "CHOICE": "choice"}
"""Which property holds a value; those of other kinds are shown and stay as they are."""

MOST_SHOWN = 60
"""Letters of a value that can't be edited."""


def _choices(value: Any, context: Any, typed: str) -> list[str]:
    return [choice for choice in value.choices.split("\n") if typed.lower() in choice.lower()]


class FommValue(bpy.types.PropertyGroup):
    """A value. key: the input's name, empty where the file does not say. place: among the values by position, or -1.
    kind: of FIELDS, or empty. choices: a line each.
    """

    __annotations__ = {
        "key": bpy.props.StringProperty(),
        "place": bpy.props.IntProperty(default=-1),
        "kind": bpy.props.StringProperty(),
        "choices": bpy.props.StringProperty(),
        "whole": bpy.props.IntProperty(name="Value", **FIXED),
        "number": bpy.props.FloatProperty(name="Value", precision=3, **FIXED),
        "flag": bpy.props.BoolProperty(name="Value", **FIXED),
        "text": bpy.props.StringProperty(name="Value", **FIXED),
        "choice": bpy.props.StringProperty(name="Value", search=_choices, search_options={"SUGGESTION"}, **FIXED),
    }

    def draw_in(self: Any, layout: Any, text: str, width: float) -> None:
        """The field, or the value where it can't be edited."""
        if self.kind:
            draw_field(layout, self, FIELDS[self.kind], text, width)
        else:
            layout.label(text=f"{text}: {self.text[:MOST_SHOWN]}")

    @property
    def title(self: Any) -> str:
        """What stands before it."""
        return titled(self.key.replace("_", " ")) if self.key else f"Value {self.place + 1}"


def set_values(node: Any, values: Iterable[ShownValue]) -> None:
    """Show these on a node, in place of what it shows."""
    node.w_values.clear()
    for value in values:
        entry = node.w_values.add()
        entry.key = value.name
        entry.place = -1 if value.place is None else value.place
        entry.kind = _kind(value)
        entry.choices = "\n".join(_choices_of(value))
        setattr(entry, FIELDS.get(entry.kind, "text"), _held(entry.kind, value.value))


def _choices_of(value: ShownValue) -> list[str]:
    if value.of is None:
        return []
    if value.of.type == DYNAMIC_COMBO:
        return [str(option["key"]) for option in value.of.options.get("options") or ()]
    return [str(choice) for choice in value.of.choices or ()]


def _kind(value: ShownValue) -> str:
    """By the class where it says more than the value, else by the value."""
    what = value.value
    if isinstance(what, bool):
        return "BOOLEAN"
    if isinstance(what, float) or (isinstance(what, int) and value.of is not None and value.of.kind == "FLOAT"):
        return "FLOAT"
    if isinstance(what, int):
        return "INT" if WHOLE[0] <= what <= WHOLE[1] and not _is_large(value) else "STRING"
    if isinstance(what, str):
        return "CHOICE" if _choices_of(value) else "STRING"
    return ""


def _is_large(value: ShownValue) -> bool:
    """Whether a whole number may become one that Blender's do not hold, as a seed does."""
    limit = value.of.options.get("max") if value.of is not None else None
    return value.name.endswith("seed") if limit is None else isinstance(limit, (int, float)) and limit > WHOLE[1]


def _held(kind: str, value: Any) -> Any:
    """What the property holds for a value."""
    if kind == "FLOAT":
        return single(value)
    if kind in ("INT", "BOOLEAN"):
        return value
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _told(entry: Any, saved: Any) -> Any:
    """What a graph is told: `saved`, as long as the user left it alone."""
    if not entry.kind:
        return saved
    held = getattr(entry, FIELDS[entry.kind])
    if held == _held(entry.kind, saved):
        return saved
    if entry.kind == "FLOAT":
        return shortest(held)
    if isinstance(saved, int) and not isinstance(saved, bool) and entry.kind == "STRING":
        try:
            return int(held)
        except ValueError:
            return saved
    return held


def with_values(entry: Mapping[str, Any], values: Iterable[Any]) -> dict[str, Any]:
    """An entry of a saved canvas, or of a graph as it is run, with what the user has set."""
    made = dict(entry)
    for value in values:
        if isinstance(made.get("inputs"), Mapping):
            if value.key in made["inputs"]:
                made["inputs"] = _replaced(made["inputs"], value.key, value)
            continue
        for where in ("widgets_values", "widgets_values_named"):
            held = made.get(where)
            key = value.key if isinstance(held, Mapping) else value.place
            if held is not None and (key in held if isinstance(held, Mapping) else 0 <= key < len(held)):
                made[where] = _replaced(held, key, value)
    return made


def _replaced(held: Any, key: Any, value: Any) -> Any:
    told = _told(value, held[key])
    if told is held[key]:
        return held
    made = dict(held) if isinstance(held, Mapping) else list(held)
    made[key] = told
    return made


CLASSES = (FommValue,)
