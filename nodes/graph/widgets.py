"""Which inputs of a node are widgets, in which order a canvas saves their values, and what they mean.

A canvas saves values by position: the widgets of the class in the order of its inputs, and among them what the canvas
itself adds: how a seed changes after each run, a button, a player. Facts of ComfyUI's canvas, version 1.27.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

DYNAMIC_COMBO = "COMFY_DYNAMICCOMBO_V3"
WIDGET_TYPES = frozenset(
    {
        *("INT", "FLOAT", "BOOLEAN", "STRING", "COMBO", DYNAMIC_COMBO, "COLOR", "MARKDOWN"),
        *("WEBCAM", "LOAD_3D", "LOAD_3D_ANIMATION"),
    }
)
SEEDS = ("seed", "noise_seed")
CONTROLS = (None, True, False, "fixed", "increment", "decrement", "randomize", "increment-wrap")
UPLOADS = ("image_upload", "video_upload", "animated_image_upload")
"""Options of a choice of files that put an upload button under its node."""

FILES = (*UPLOADS, "audio_upload", "file_upload")
"""Options of a choice whose value is the name of a file in the input folder."""


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
        """Whether it is set in the node itself; one that is only ever wired is not."""
        kind = self.options.get("widgetType") or self.type
        return kind in WIDGET_TYPES and not self.options.get("forceInput") and not self.options.get("defaultInput")

    @property
    def is_file(self) -> bool:
        """Whether its value is the name of a file in the input folder."""
        return any(self.options.get(option) for option in FILES)

    @property
    def is_dynamic(self) -> bool:
        """Whether it stands for inputs of other names, which are known only when it is set."""
        return self.type.startswith("COMFY_") and self.type.endswith("_V3") and self.type != DYNAMIC_COMBO

    @property
    def default(self) -> Any:
        """What a canvas shows in a new node."""
        if self.type == DYNAMIC_COMBO:
            return next((option["key"] for option in self.options.get("options") or ()), None)
        if "default" in self.options:
            return self.options["default"]
        if self.type == "COMBO":
            return self.choices[0] if self.choices else None
        return {"INT": 0, "FLOAT": 0.0, "BOOLEAN": False, "STRING": "", "MARKDOWN": "", "COLOR": "#000000"}.get(
            self.type
        )

    def chosen(self, value: Any) -> tuple[Input, ...]:
        """For a choice that brings inputs of its own: those of `value`, named below it ("model.size")."""
        for option in self.options.get("options") or () if self.type == DYNAMIC_COMBO else ():
            if option.get("key") == value:
                inner = inputs_of({"input": option.get("inputs") or {}})
                return tuple(replace(entry, name=f"{self.name}.{entry.name}") for entry in inner)
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


def inputs_now(inputs: Sequence[Input], values: Mapping[str, Any]) -> Iterator[Input]:
    """The inputs of a node with these values: those of its class, and those that its choices bring."""
    for entry in inputs:
        yield entry
        yield from inputs_now(entry.chosen(values.get(entry.name)), values)


@dataclass(frozen=True)
class Widget:
    """One place among the saved values.

    of: the input whose value it holds; None for what the canvas adds.
    sent: whether a server gets to see it.
    kept: whether its value is worth keeping; a player's place may be empty.
    control: whether it says how the value before it changes after each run.
    """

    name: str
    default: Any
    of: Input | None = None
    sent: bool = False
    kept: bool = True
    control: bool = False


PLAYER = Widget("audioUI", "", sent=True, kept=False)
VIEW_3D = Widget("image", "", sent=True)
ADDED: Mapping[str, tuple[Widget, ...]] = {
    "LoadAudio": (PLAYER, Widget("upload", "")),
    **dict.fromkeys(("PreviewAudio", "SaveAudio", "SaveAudioMP3", "SaveAudioOpus"), (PLAYER,)),
    **dict.fromkeys(("Preview3D", "Preview3DAnimation", "SaveGLB"), (VIEW_3D,)),
    "PreviewAny": (Widget("preview", "", sent=True, kept=False),),
}
"""What the canvas adds at the end of certain classes."""

BUTTONS_3D = tuple(
    Widget(name, value, sent=True)
    for name, value in (
        ("upload 3d model", "upload3dmodel"),
        ("upload extra resources", "uploadExtraResources"),
        ("clear", "clear"),
    )
)


def widgets_of(kind: str, inputs: Sequence[Input]) -> Iterator[Widget]:
    """The places among the saved values of a node whose class is `kind`."""
    shown = [entry for entry in inputs if entry.is_widget]
    for entry in shown:
        yield from _places(entry)
        if kind in ("Load3D", "Load3DAnimation") and entry.name == "model_file":
            yield from BUTTONS_3D
    if any(entry.options.get(upload) for entry in shown for upload in UPLOADS):
        yield Widget("upload", "image")
    yield from ADDED.get(kind, ())


def _places(entry: Input) -> Iterator[Widget]:
    """The place of an input, and those that the canvas puts behind it."""
    yield Widget(entry.name, entry.default, of=entry, sent=True)
    control = entry.options.get("control_after_generate")
    if entry.type == "INT" and (entry.name in SEEDS if control is None else control):
        yield Widget("control_after_generate", "randomize", control=True)
    elif entry.type == "COMBO" and control:
        yield Widget("control_after_generate", "randomize", control=True)
        yield Widget("control_filter_list", "")
    remote = entry.options.get("remote")
    if isinstance(remote, Mapping):
        if remote.get("control_after_refresh"):
            yield Widget("Auto-refresh after generation", False)
        if remote.get("refresh_button"):
            yield Widget("refresh", "refresh", sent=True)


@dataclass(frozen=True)
class Values:
    """Widget values by name, as a server is sent them.

    missing: inputs that the file holds no value of, and that have their defaults therefore.
    surplus: how many values the file holds that belong to nothing.
    """

    inputs: Mapping[str, Any]
    missing: tuple[str, ...] = ()
    surplus: int = 0


def named_values(kind: str, inputs: Sequence[Input], saved: Sequence[Any] | Mapping[str, Any]) -> Values:
    """Give saved values their names.

    Args:
        kind: the class.
        inputs: its inputs, in order.
        saved: by position, as most are, or by name.
    """
    places = list(widgets_of(kind, inputs))
    if isinstance(saved, Mapping):
        return _by_name(places, saved)
    read = list(_by_position(places, saved))
    if not all(value in CONTROLS for place, value in read if place.control):
        plain = list(_by_position([place for place in places if place.of], saved))
        if len(plain) == len(saved):  # written by a program that knows nothing of what a canvas adds
            read = plain
    inner = max((index for index, (place, _) in enumerate(read) if place.of), default=-1)
    missing = [place.name for place, _ in read[len(saved) : inner + 1] if place.of]
    return Values(
        {place.name: value for place, value in read if place.sent},
        tuple(missing),
        max(len(saved) - len(read), 0),
    )


def _by_position(places: Sequence[Widget], saved: Sequence[Any]) -> Iterator[tuple[Widget, Any]]:
    position, waiting = 0, deque(places)
    while waiting:
        place = waiting.popleft()
        value = saved[position] if position < len(saved) and place.kept else place.default
        yield place, value
        position += 1
        waiting.extendleft(reversed(_brought(place, value)))


def _by_name(places: Sequence[Widget], saved: Mapping[str, Any]) -> Values:
    values: dict[str, Any] = {}
    missing, waiting = [], deque(places)
    while waiting:
        place = waiting.popleft()
        if place.sent:
            values[place.name] = saved.get(place.name, place.default)
        if place.of and place.name not in saved:
            missing.append(place.name)
        waiting.extendleft(reversed(_brought(place, values.get(place.name))))
    return Values(values, tuple(missing))


def _brought(place: Widget, value: Any) -> list[Widget]:
    chosen = place.of.chosen(value) if place.of else ()
    return [inner for entry in chosen if entry.is_widget for inner in _places(entry)]
