"""Which inputs of a node are widgets, in which order a canvas saves their values, and what they mean.

A canvas saves values by position: the widgets of the class in the order of its inputs, and among them what the canvas
itself adds: how a seed changes after each run, a button, a player. Facts of ComfyUI's canvas, version 1.27.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from .types import DYNAMIC_COMBO
from .widget_kinds import BOX, BOX_SIDES, DYNAMIC_GROUP, NEW, UNSAVED, UNSENT, WIDGET_TYPES

SEEDS = ("seed", "noise_seed")
CONTROLS = (None, True, False, "fixed", "increment", "decrement", "randomize", "increment-wrap")
PREVIEWED_UPLOADS = ("image_upload", "video_upload", "animated_image_upload")
"""Options of a choice of files that put an upload button under its node."""

MOST_ROWS = 20
"""Of a group of inputs."""

FILES = (*PREVIEWED_UPLOADS, "audio_upload", "file_upload")
"""Options of a choice whose value is the name of a file in the input folder."""


@dataclass(frozen=True)
class Input:
    """An input of a class: its name, its type (COMBO for any choice), its options, and whether it must be given.

    All nodes of a class share its inputs, so what follows from these is found once.
    """

    name: str
    type: str
    options: Mapping[str, Any]
    required: bool
    choices: tuple[Any, ...] | None = None

    @cached_property
    def kind(self) -> str:
        """The type of its widget, which may be another than that of its wire."""
        return str(self.options.get("widgetType") or self.type)

    @cached_property
    def is_widget(self) -> bool:
        """Whether it is set in the node itself; one that is only ever wired is not, nor is a group of others."""
        return self.is_placed and self.kind != DYNAMIC_GROUP

    @cached_property
    def is_placed(self) -> bool:
        """Whether a canvas draws something for it."""
        known = self.kind in WIDGET_TYPES or (self.kind != self.type and self.type in WIDGET_TYPES)  # a pack's own
        return known and not self.options.get("forceInput") and not self.options.get("defaultInput")

    @cached_property
    def is_file(self) -> bool:
        """Whether its value is the name of a file in the input folder."""
        return self.kind == "COMBO" and any(self.options.get(option) for option in FILES)

    @cached_property
    def is_dynamic(self) -> bool:
        """Whether it stands for inputs of other names, which are known only when it is set."""
        return self.type.startswith("COMFY_") and self.type.endswith("_V3") and self.type != DYNAMIC_COMBO

    @cached_property
    def default(self) -> Any:
        """What a canvas shows in a new node."""
        if self.type == DYNAMIC_COMBO:
            return next((option["key"] for option in self.options.get("options") or ()), None)
        if "default" in self.options:
            return self.options["default"]
        if self.type == "COMBO":
            return self.choices[0] if self.choices else None
        if self.type == DYNAMIC_GROUP:
            return self.options.get("min", 0)
        return NEW.get(self.kind)

    @cached_property
    def has_upload(self) -> bool:
        """Whether a button to upload its file stands under the node."""
        return self.is_placed and self.is_file and any(self.options.get(upload) for upload in PREVIEWED_UPLOADS)

    @cached_property
    def brings(self) -> bool:
        """Whether it may bring inputs of its own."""
        return self.type in (DYNAMIC_GROUP, DYNAMIC_COMBO) or isinstance(self.options.get("formats"), Mapping)

    @cached_property
    def places(self) -> tuple[Widget, ...]:
        """Its places among the saved values, see `widgets_of`."""
        return tuple(_places(self))

    def chosen(self, value: Any) -> tuple[Input, ...]:
        """For what brings inputs of its own: those that come with `value`.

        A choice names them below itself ("model.size"), a group by its rows ("rows.0.text"). Video Helper Suite's
        formats bring inputs that stand beside them ("crf").
        """
        if not self.brings:
            return ()
        if self.type == DYNAMIC_GROUP:
            template = inputs_of({"input": self.options.get("template") or {}})
            rows = range(min(value, MOST_ROWS) if isinstance(value, int) else 0)
            return tuple(replace(entry, name=f"{self.name}.{row}.{entry.name}") for row in rows for entry in template)
        for option in self.options.get("options") or () if self.type == DYNAMIC_COMBO else ():
            if option.get("key") == value:
                inner = inputs_of({"input": option.get("inputs") or {}})
                return tuple(replace(entry, name=f"{self.name}.{entry.name}") for entry in inner)
        formats = self.options.get("formats")
        if isinstance(formats, Mapping) and isinstance(value, str):
            listed = [entry for entry in formats.get(value) or () if isinstance(entry, (list, tuple)) and entry]
            return tuple(_input(str(name), declared, required=False) for name, *declared in listed)
        return ()

    def brought(self, values: Mapping[str, Any]) -> tuple[Input, ...]:
        """The same for a node with these values."""
        if self.type != DYNAMIC_GROUP:
            return self.chosen(values.get(self.name))
        rows = [
            int(found[1]) for name in values if (found := re.match(rf"{re.escape(self.name)}\.(\d{{1,3}})\.", name))
        ]
        return self.chosen(max(rows, default=-1) + 1)


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
        if entry.brings:
            yield from inputs_now(entry.brought(values), values)


@dataclass(frozen=True)
class Widget:
    """One place among the saved values.

    of: the input whose value it holds; None for what the canvas adds.
    sent: whether a server gets to see it.
    kept: whether its value is worth keeping; a player's place may be empty.
    saved: whether it has a place at all; a comparison of images, which is sent, has none.
    control: whether it says how the value before it changes after each run.
    """

    name: str
    default: Any
    of: Input | None = None
    sent: bool = False
    kept: bool = True
    saved: bool = True
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


ON_CANVAS = frozenset(
    {
        *("control_after_generate", "control_filter_list", "Auto-refresh after generation", "refresh"),
        *("upload", "audioUI", "videopreview", "audiopreview", "editor_buttons"),
        *(button.name for button in BUTTONS_3D),
    }
)
"""Names of what a canvas, or the part of it that Video Helper Suite or KJNodes brings, adds to nodes of any class."""

_REPEATED = re.compile(r"#\d+$|\.\d+\.[^.]+\.\d+$")
"""How a second widget of one name is saved, and what the canvas adds within the rows of a group."""


def widgets_of(kind: str, inputs: Sequence[Input]) -> Iterator[Widget]:
    """The places among the saved values of a node whose class is `kind`."""
    upload = False
    for entry in inputs:
        if entry.is_placed:
            yield from entry.places
            upload = upload or entry.has_upload
            if kind in ("Load3D", "Load3DAnimation") and entry.name == "model_file":
                yield from BUTTONS_3D
    if upload:
        yield Widget("upload", "image")
    yield from ADDED.get(kind, ())


def _places(entry: Input) -> Iterator[Widget]:
    """The place of an input, and those that the canvas puts behind it."""
    kind = entry.kind
    yield Widget(entry.name, entry.default, of=entry, sent=kind not in UNSENT, saved=kind not in UNSAVED)
    if kind == BOX:
        yield from (Widget(side, value) for side, value in BOX_SIDES.items())
    if kind == "AUDIO_RECORD":
        yield Widget(f"{entry.name}#1", "")
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

    missing: inputs that must be given, that the file holds no value of, and that have their defaults therefore.
    surplus: how many values the file holds that belong to nothing.
    unknown: those of `inputs` that the class does not have.
    """

    inputs: Mapping[str, Any]
    missing: tuple[str, ...] = ()
    surplus: int = 0
    unknown: tuple[str, ...] = ()


def named_values(kind: str, inputs: Sequence[Input], saved: Sequence[Any] | Mapping[str, Any]) -> Values:
    """Give saved values their names.

    Args:
        kind: the class.
        inputs: its inputs, in order.
        saved: by position, as older files have them, or by name.
    """
    places = list(widgets_of(kind, inputs))
    if isinstance(saved, Mapping):
        editor = {kind} if saved.get(kind) == "" else set()  # one that a pack draws has its class's name
        return _by_name(places, {name: value for name, value in saved.items() if name not in editor})
    read = read_by_position(places, saved)
    held = sum(place.saved for place, _ in read)
    return Values(
        {place.name: value for place, value in read if place.sent},
        _missing([place for place, _ in read if place.saved], len(saved), places) if len(saved) < held else (),
        max(len(saved) - held, 0),
    )


def read_by_position(places: Sequence[Widget], saved: Sequence[Any]) -> list[tuple[Widget, Any]]:
    """The value that each place has, in order; those that choices bring are among them."""
    read = list(_by_position(places, saved))
    if not all(value in CONTROLS for place, value in read if place.control):
        plain = list(_by_position([place for place in places if place.of], saved))
        if len(plain) == len(saved):  # written by a program that knows nothing of what a canvas adds
            return plain
    return read


def _missing(held: Sequence[Widget], count: int, places: Sequence[Widget]) -> tuple[str, ...]:
    """The inputs that a file with `count` values holds none of."""
    inner = max((index for index, place in enumerate(held) if place.of), default=-1)
    return tuple(place.name for place in held[count : inner + 1] if place.sent and _is_missed(place, places))


def _is_missed(place: Widget, places: Sequence[Widget]) -> bool:
    """Whether its default may be another thing than was meant: a class gets along without its optional inputs."""
    return place.of is not None and (place.of.required or place not in places)


def _by_position(places: Sequence[Widget], saved: Sequence[Any]) -> Iterator[tuple[Widget, Any]]:
    position, waiting = 0, deque(places)
    while waiting:
        place = waiting.popleft()
        value = saved[position] if place.saved and place.kept and position < len(saved) else place.default
        yield place, value
        position += place.saved
        if place.of is not None and place.of.brings:
            waiting.extendleft(reversed(_placed(place.of.chosen(value))))


def _by_name(places: Sequence[Widget], saved: Mapping[str, Any]) -> Values:
    values: dict[str, Any] = {}
    now = dict(saved)
    known, missing, waiting = set(), [], deque(places)
    while waiting:
        place = waiting.popleft()
        known.add(place.name)
        now[place.name] = value = saved.get(place.name, place.default)
        if place.sent and (place.of or place.name in saved):
            values[place.name] = value
        if place.saved and place.sent and place.name not in saved and _is_missed(place, places):
            missing.append(place.name)
        if place.of is not None and place.of.brings:
            waiting.extendleft(reversed(_placed(place.of.brought(now))))
    more = {name: value for name, value in plain_values(saved).items() if name not in known}
    return Values({**values, **more}, tuple(missing), unknown=tuple(more))


def is_on_canvas(name: str) -> bool:
    """Whether a widget of that name is one that only a canvas knows."""
    return name in ON_CANVAS or re.fullmatch(r"choose \w+ to upload|\$\$.*", name) is not None


def plain_values(saved: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of values by name, those that an input may have: texts, numbers, yes or no; nothing that a canvas adds."""
    return {
        name: value
        for name, value in saved.items()
        if isinstance(value, (str, int, float)) and not (is_on_canvas(name) or _REPEATED.search(name))
    }


def _placed(brought: Sequence[Input]) -> list[Widget]:
    return [inner for entry in brought if entry.is_placed for inner in entry.places]
