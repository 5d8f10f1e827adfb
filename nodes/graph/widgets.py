"""Which inputs of a node are widgets, in which order a canvas saves their values, and what they mean.

A canvas saves values by position: the widgets of the class in the order of its inputs, and beside some of them what
the canvas itself adds: how a seed changes after each run, an upload button.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

DYNAMIC_COMBO = "COMFY_DYNAMICCOMBO_V3"
WIDGET_TYPES = frozenset(
    {
        *("INT", "FLOAT", "BOOLEAN", "STRING", "COMBO", DYNAMIC_COMBO),
        *("COLOR", "MARKDOWN", "MULTISELECT", "IMAGEUPLOAD", "AUDIOUPLOAD", "AUDIO_UI", "AUDIO_RECORD", "WEBCAM"),
        *("LOAD_3D", "LOAD_3D_ANIMATION", "PREVIEW_3D", "PREVIEW_3D_ANIMATION", "IMAGECOMPARE", "BOUNDING_BOX"),
    }
)
CANVAS_ONLY = frozenset({"IMAGEUPLOAD", "AUDIOUPLOAD"})
SEEDS = ("seed", "noise_seed")
UPLOADS = ("image_upload", "video_upload", "file_upload", "animated_image_upload")


@dataclass(frozen=True)
class Input:
    """An input of a class: its name, its type (COMBO for any choice), its options, and whether it must be given."""

    name: str
    type: str
    options: Mapping[str, Any]
    required: bool
    choices: tuple[Any, ...] | None = None

    @property
    def is_widget(self) -> bool:
        """Whether it is set in the node itself; one that must be wired, or only can be, is not."""
        kind = self.options.get("widgetType") or self.type
        return kind in WIDGET_TYPES and not self.options.get("forceInput")

    @property
    def is_sent(self) -> bool:
        """Whether a server is told its value; a button's is the canvas's own matter."""
        return self.type not in CANVAS_ONLY

    @property
    def extras(self) -> int:
        """How many values the canvas saves behind this one for itself."""
        control = self.options.get("control_after_generate")
        if self.type == "INT":
            return int(self.name in SEEDS if control is None else bool(control))
        return 2 if self.type == "COMBO" and control else 0  # how it changes, and a filter of the choices

    @property
    def has_upload(self) -> bool:
        """Whether the canvas puts an upload button under the node for it."""
        return any(self.options.get(name) for name in UPLOADS)

    @property
    def default(self) -> Any:
        """What a canvas shows in a new node."""
        if self.type == DYNAMIC_COMBO:
            return next((option["key"] for option in self.options.get("options") or ()), None)
        if "default" in self.options:
            return self.options["default"]
        if self.type == "COMBO":
            return self.choices[0] if self.choices else None
        return {"INT": 0, "FLOAT": 0.0, "BOOLEAN": False, "STRING": ""}.get(self.type)

    def chosen(self, value: Any) -> tuple[Input, ...]:
        """For a choice that brings inputs of its own: those of `value`, named below it."""
        for option in self.options.get("options") or () if self.type == DYNAMIC_COMBO else ():
            if option.get("key") == value:
                return tuple(
                    Input(f"{self.name}.{inner.name}", inner.type, inner.options, inner.required, inner.choices)
                    for inner in inputs_of({"input": option.get("inputs") or {}})
                )
        return ()


def inputs_of(schema: Mapping[str, Any]) -> tuple[Input, ...]:
    """The inputs of a class in their order, from its entry of `/object_info`; hidden ones are left out."""
    found = []
    for group in ("required", "optional"):
        entries: Mapping[str, Any] = schema.get("input", {}).get(group) or {}
        order = (schema.get("input_order") or {}).get(group) or ()
        names = dict.fromkeys((*(name for name in order if name in entries), *entries))
        found += [_input(name, entries[name], required=group == "required") for name in names]
    return tuple(found)


def _input(name: str, declared: Any, *, required: bool) -> Input:
    parts = list(declared) if isinstance(declared, (list, tuple)) else [declared]
    kind = parts[0] if parts else "*"
    options = parts[1] if len(parts) > 1 and isinstance(parts[1], Mapping) else {}
    if isinstance(kind, (list, tuple)):
        return Input(name, "COMBO", options, required, tuple(kind))
    choices = options.get("options") if kind == "COMBO" else None
    return Input(name, str(kind), options, required, tuple(choices) if isinstance(choices, (list, tuple)) else None)


@dataclass(frozen=True)
class Values:
    """Widget values by name, and how the count of those saved compares to the class: 0 where it is as expected."""

    inputs: Mapping[str, Any]
    surplus: int = 0


def named_values(inputs: Sequence[Input], saved: Sequence[Any] | Mapping[str, Any]) -> Values:
    """Give saved values their names.

    Args:
        inputs: of the class, in order.
        saved: by position, as most are, or by name.

    Returns:
        Values of all widgets; those not saved (the file is older than the widget) have their defaults.
    """
    widgets = [entry for entry in inputs if entry.is_widget]
    if isinstance(saved, Mapping):
        return Values({entry.name: saved.get(entry.name, entry.default) for entry in _expanded(widgets, saved)})
    values, taken = _by_position(widgets, saved, with_extras=True)
    uploads = int(any(entry.has_upload for entry in widgets))
    if len(saved) < taken:  # saved before canvases kept what they add, or written by another program
        plain, taken_plain = _by_position(widgets, saved, with_extras=False)
        if taken_plain == len(saved):
            return Values(plain)
    surplus = len(saved) - taken
    return Values(values, 0 if 0 <= surplus <= uploads else surplus)


def _by_position(widgets: Sequence[Input], saved: Sequence[Any], *, with_extras: bool) -> tuple[dict[str, Any], int]:
    values: dict[str, Any] = {}
    position, waiting = 0, list(widgets)
    while waiting:
        entry = waiting.pop(0)
        values[entry.name] = saved[position] if position < len(saved) else entry.default
        position += 1 + (entry.extras if with_extras else 0)
        waiting[:0] = [inner for inner in entry.chosen(values[entry.name]) if inner.is_widget]
    return values, position


def _expanded(widgets: Sequence[Input], saved: Mapping[str, Any]) -> Iterator[Input]:
    for entry in widgets:
        yield entry
        chosen = entry.chosen(saved.get(entry.name, entry.default))
        yield from _expanded([inner for inner in chosen if inner.is_widget], saved)
