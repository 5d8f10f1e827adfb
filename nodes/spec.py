"""What a graph block is, whatever the host: its ports, its words, and the function that runs it. Standard library only,
so that a host can read the declarations' shape without loading anything heavy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ..fomm_core import AnimationSession, MotionModel

T = TypeVar("T")
MODEL: Final = "FOMM_MODEL"
KEYPOINTS: Final = "FOMM_KEYPOINTS"
MOTION: Final = "FOMM_MOTION"
DATASET: Final = "FOMM_DATASET"
REGION: Final = "FOMM_REGION"
IMAGE: Final = "IMAGE"
MASK: Final = "MASK"
LATENT: Final = "LATENT"
VIDEO: Final = "VIDEO"
AUDIO: Final = "AUDIO"
BOUNDING_BOX: Final = "BOUNDING_BOX"
BBOX: Final = "BBOX"
FACE_LANDMARKS: Final = "FACE_LANDMARKS"
INT: Final = "INT"
FLOAT: Final = "FLOAT"
BOOLEAN: Final = "BOOLEAN"
STRING: Final = "STRING"
COMBO: Final = "COMBO"
OWN: Final = (MODEL, KEYPOINTS, MOTION, DATASET, REGION)
BOXES: Final = (BOUNDING_BOX, BBOX, FACE_LANDMARKS)  # where boxes travel in ComfyUI, and in several packs
WIRES: Final = frozenset({*OWN, *BOXES, IMAGE, MASK, LATENT, VIDEO, AUDIO})
WIDGETS: Final = frozenset({INT, FLOAT, BOOLEAN, STRING, COMBO})
LISTS: Final = frozenset({"models", "performances", "datasets", "flows"})
"""The dynamic lists of choices that a host can fill (`Host.options`)."""

_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]*")
_NODE_ID = re.compile(r"FOMM_[A-Za-z0-9]+")


@dataclass(frozen=True)
class Port:
    """One input or output of a block.

    types: the wire types that fit; an output has exactly one, a widget (number, text, choice) too.
    options: for COMBO, the choices in order, or the name of a list that the host fills (see `LISTS`).
    optional: an input that may stay unconnected; its value is then `default`.
    advanced: hidden at first where the host can do that.
    """

    id: str
    types: tuple[str, ...]
    title: str
    tooltip: str
    default: Any = None
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    options: tuple[str, ...] | str | None = None
    optional: bool = False
    advanced: bool = False

    def __post_init__(self) -> None:
        where = f"port {self.id!r}"
        if not _IDENTIFIER.fullmatch(self.id):
            raise ValueError(f"{where}: expected an id of small letters, digits and underscores")
        if not self.types or not set(self.types) <= WIRES | WIDGETS:
            raise ValueError(f"{where}: expected types among {sorted(WIRES | WIDGETS)}; got {self.types}")
        if len(self.types) > 1 and set(self.types) & WIDGETS:
            raise ValueError(f"{where}: a widget has one type; got {self.types}")
        if not self.title.strip() or not self.tooltip.strip():
            raise ValueError(f"{where}: expected a title and a tooltip")
        if (self.options is not None) != (self.types == (COMBO,)):
            raise ValueError(f"{where}: options belong to a COMBO, and a COMBO needs them")
        if isinstance(self.options, str) and self.options not in LISTS:
            raise ValueError(f"{where}: expected a list among {sorted(LISTS)}; got {self.options!r}")
        if isinstance(self.options, tuple) and self.default not in self.options:
            raise ValueError(f"{where}: expected a default among {self.options}; got {self.default!r}")

    @property
    def is_widget(self) -> bool:
        """Whether the user sets it in the block itself; false for what is wired."""
        return self.types[0] in WIDGETS

    def problem(self, value: Any, choices: tuple[str, ...] | None = None) -> str | None:
        """Why `value` does not fit this input, in words for its user; None where it fits.

        choices: what a dynamic list holds now.
        """
        if not self.is_widget:
            return None if value is not None or self.optional else f"“{self.title}” is not connected"
        kind = self.types[0]
        if kind == COMBO:
            allowed = choices if isinstance(self.options, str) else self.options
            if value not in (allowed or ()):
                return f"“{self.title}”: expected one of {', '.join(allowed or ()) or 'nothing yet'}; got {value!r}"
        elif kind in (INT, FLOAT):
            if isinstance(value, bool) or not isinstance(value, int if kind == INT else (int, float)):
                return f"“{self.title}”: expected a {'whole ' if kind == INT else ''}number; got {value!r}"
            low, high = self.minimum, self.maximum
            if value != value or (low is not None and value < low) or (high is not None and value > high):
                return f"“{self.title}”: expected {low} to {high}; got {value}"
        elif not isinstance(value, bool if kind == BOOLEAN else str):
            return f"“{self.title}”: expected {'true or false' if kind == BOOLEAN else 'text'}; got {value!r}"
        return None


@dataclass(frozen=True)
class Absent:
    """Stands for an output that this run cannot give, with the reason for whoever is connected to it."""

    reason: str


@dataclass(frozen=True)
class Drawn:
    """What a block's canvas in a front end shows: plain data, as JSON has it, and maybe an image [3, H, W]."""

    data: Mapping[str, Any]
    picture: Tensor | None = None


class FrameStream(Protocol):
    """A clip that is read front to back, as often as one likes, and never held as a whole.

    timed: whether the clip has a frame rate of its own; `fps` is a guess otherwise.
    times: seconds of the clip, [T + 1], when each frame that the last whole run gave begins, and when the last ends;
        None before, and for images, which have none.
    """

    fps: Fraction | float
    timed: bool

    @property
    def length(self) -> int | None:
        """How many frames there are, as far as is known."""
        ...

    @property
    def times(self) -> Sequence[float] | None:
        """See above."""
        ...

    def batches(self, size: int) -> Iterator[Tensor]:
        """Frames in time order, [n, 3, H, W] float32 0..1 with n <= `size`."""
        ...

    def sound(self) -> Any:
        """A file (a path, or one in memory) with the sound of these frames; None where there is none."""
        ...


class Host(Protocol):
    """What a block may ask of the program that runs it. Names from a graph are checked here; blocks open no path.

    What travels on the wires: FOMM_MODEL is whatever `hold` returned, an object whose `model` is the MotionModel;
    IMAGE [B, H, W, C] and MASK [B, H, W] tensors 0..1; VIDEO whatever `make_video` returned, or the host's own;
    FOMM_REGION a Region of the core, or one for each face in a tuple; BOUNDING_BOX a dict of whole numbers, or for each
    frame a list with one such dict, of several faces with one for each.
    """

    def progress(self, done: int, total: int, preview: Tensor | None = None) -> None:
        """Tell how far the work is, with an image [3, H, W] if there is one. Raises where the user has cancelled."""

    def options(self, name: str) -> tuple[str, ...]:
        """The choices of a dynamic list (see `LISTS`)."""

    def find(self, name: str, choice: str) -> Path:
        """The file behind a choice of a dynamic list, of "datasets" the folder; FommError for anything else."""

    def new_file(self, name: str, prefix: str, suffix: str) -> tuple[Path, str]:
        """A free path for a new entry of a dynamic list, and the choice that it will be.

        Raises FommError where `prefix` leads out of the list's folder.
        """

    def temporary_file(self, suffix: str) -> Path:
        """A free path in a folder that the host empties some day."""

    def run_folder(self, name: str) -> Path:
        """The folder of a training run of that name, made or not. Raises FommError where the name leads elsewhere."""

    def training_device(self) -> torch.device:
        """The device to train on, after what the host had there has been moved away."""

    def hold(self, model: MotionModel) -> Any:
        """Put a MotionModel under the host's memory management; returns the FOMM_MODEL value."""

    def session(self, held: Any, *, precision: str, size: tuple[int, int]) -> AnimationSession:
        """An AnimationSession on the host's device, with room made for frames of `size` (height, width)."""

    def remember(self, held: Any, values: Sequence[Any], key: Hashable, make: Callable[[], T]) -> T:
        """What was made of these very values with that model before, where the host keeps it; else `make()`."""

    def open_video(self, video: Any) -> AbstractContextManager[FrameStream]:
        """Read a VIDEO value frame by frame."""

    def write_sound(self, audio: Any) -> Path | None:
        """A temporary file that holds an AUDIO value."""

    def read_sound(self, file: Any) -> Any:
        """The AUDIO value of what `FrameStream.sound` gave; None where none can be read."""

    def make_video(self, path: Path) -> Any:
        """The VIDEO value for a file."""


CATEGORY: Final = "First Order Motion"
Run = Callable[..., tuple[Any, ...]]
Values = Mapping[str, Any]
Fingerprint = Callable[[Host, Values], str]


@dataclass(frozen=True, kw_only=True)
class NodeSpec:
    """One block. `run(host, **inputs)` returns a value (or `Absent`) per output, in order. The order of the ports is a
    contract: saved graphs store widget values by position. New ports go to the end.

    id: stable for ever; saved graphs name it.
    is_output: runs even where nothing is connected behind it (it writes a file).
    shows: the id of an IMAGE output that the host shows in the block itself, where it can.
    fingerprint: for blocks that read files: a text that changes when the file does, so that hosts can cache.
    drawn: for blocks with a canvas in the front end: what it shows of the values of a run.
    """

    id: str
    title: str
    category: str
    description: str
    aliases: tuple[str, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    run: Run
    is_output: bool = False
    shows: str | None = None
    fingerprint: Fingerprint | None = None
    drawn: Callable[[Values], Drawn] | None = None

    def __post_init__(self) -> None:
        where = f"block {self.id!r}"
        if not _NODE_ID.fullmatch(self.id):
            raise ValueError(f"{where}: expected an id like FOMM_DetectKeypoints")
        if not (self.title.strip() and self.description.strip()):
            raise ValueError(f"{where}: expected a title and a description")
        if not self.aliases or not all(alias.strip() for alias in self.aliases):
            raise ValueError(f"{where}: expected at least one search alias")
        if self.category.split("/")[0] != CATEGORY:
            raise ValueError(f"{where}: expected a category below {CATEGORY!r}; got {self.category!r}")
        ids = [port.id for port in (*self.inputs, *self.outputs)]
        if twice := sorted({name for name in ids if ids.count(name) > 1}):
            raise ValueError(f"{where}: expected different ids for all ports; {twice} occur twice")
        if self.shows is not None and not any(p.id == self.shows and p.types == (IMAGE,) for p in self.outputs):
            raise ValueError(f"{where}: expected an IMAGE output to show; {self.shows!r} is none")
        for port in self.outputs:
            if len(port.types) != 1:
                raise ValueError(f"{where}: an output has one type; {port.id!r} has {port.types}")

    def check(self, host: Host, values: Mapping[str, Any]) -> dict[str, Any]:
        """All inputs, with defaults where `values` has none; raises NodeInputError that names what does not fit."""
        known = {port.id for port in self.inputs}
        if extra := sorted(set(values) - known):
            raise NodeInputError(f"{self.title}: expected inputs among {sorted(known)}; got {extra}")
        complete = {}
        for port in self.inputs:
            value = port.default if values.get(port.id) is None else values[port.id]
            choices = host.options(port.options) if isinstance(port.options, str) else None
            value = choices[0] if choices and value is None else value
            if problem := port.problem(value, choices):
                raise NodeInputError(f"{self.title}: {problem}")
            complete[port.id] = value
        return complete


class NodeInputError(ValueError):
    """A block got an input that does not fit its port."""


def category(*parts: str) -> str:
    """The menu path below this pack's own menu."""
    return "/".join((CATEGORY, *parts))


def socket(id: str, types: str | tuple[str, ...], title: str, tooltip: str, *, optional: bool = False) -> Port:
    """An input or output that is wired."""
    return Port(id, (types,) if isinstance(types, str) else types, title, tooltip, optional=optional)


def integer(
    id: str,
    title: str,
    tooltip: str,
    *,
    default: int,
    minimum: int,
    maximum: int,
    step: int = 1,
    advanced: bool = False,
) -> Port:
    """A whole number that the user sets."""
    return Port(id, (INT,), title, tooltip, default, minimum, maximum, step, advanced=advanced)


def decimal(
    id: str,
    title: str,
    tooltip: str,
    *,
    default: float,
    minimum: float,
    maximum: float,
    step: float = 0.01,
    advanced: bool = False,
) -> Port:
    """A number that the user sets."""
    return Port(id, (FLOAT,), title, tooltip, default, minimum, maximum, step, advanced=advanced)


def switch(id: str, title: str, tooltip: str, *, default: bool, advanced: bool = False) -> Port:
    """A yes or no."""
    return Port(id, (BOOLEAN,), title, tooltip, default, advanced=advanced)


def choice(
    id: str,
    title: str,
    tooltip: str,
    options: tuple[str, ...] | str,
    *,
    default: str | None = None,
    advanced: bool = False,
) -> Port:
    """One of several words; the first is the default unless another is named. A dynamic list is filled by the host."""
    if default is None and isinstance(options, tuple):
        default = options[0]
    return Port(id, (COMBO,), title, tooltip, default, options=options, advanced=advanced)


def text(id: str, title: str, tooltip: str, *, default: str = "", advanced: bool = False) -> Port:
    """A line of text."""
    return Port(id, (STRING,), title, tooltip, default, advanced=advanced)
