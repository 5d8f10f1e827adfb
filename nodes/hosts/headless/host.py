"""The blocks without any graph program: folders, device, progress and limits for the local engine."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from ....fomm_core.errors import ImageError
from ....fomm_core.model import MotionModel
from ....fomm_core.precision import dtype_of
from ....fomm_core.session import AnimationSession
from ...spec import FrameStream
from ..names import check_inside
from ..sound import sound_of_video, write_sound
from ..warm import Made, Remembered, WarmSession
from . import video as videos
from .files import Folders
from .limits import Limits

Show = Callable[[Tensor], None]
"""Gets an image [3, H, W] in 0..1 of the work as it goes."""


class KeepFile(Protocol):
    """Hears of each file that a node has finished."""

    def __call__(self, path: Path, *, title: str, preview: bool, frames: int) -> None:
        """`frames`: the images in it."""
        ...


@dataclass(frozen=True)
class JobSetting:
    """What all nodes of one run share.

    made: an empty folder for the files of output nodes. temporary: for files that nodes hand to each other.
    report: hears of (done, total); what it raises ends the run.
    metadata: is written into images and videos, as ComfyUI does: {"prompt": the graph}.
    saved: files of dynamic lists that this run made itself, by choice.
    show: sees the images at work, if anybody does.
    """

    folders: Folders
    limits: Limits
    device: torch.device
    made: Path
    temporary: Path
    keep: KeepFile
    report: Callable[[int, int], None]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    saved: dict[tuple[str, str], Path] = field(default_factory=dict)
    show: Show | None = None


@dataclass(frozen=True, eq=False)
class Held:
    """A model with the sessions that run it, which stay as long as it does."""

    model: MotionModel
    sessions: dict[torch.dtype, WarmSession] = field(default_factory=dict)
    known: Remembered = field(default_factory=Remembered)


class HeadlessHost:
    """The `Host` of one node in one run; the core nodes ask it for files as well."""

    def __init__(self, setting: JobSetting, title: str) -> None:
        self.setting = setting
        self.title = title

    def progress(self, done: int, total: int, preview: Tensor | None = None) -> None:
        """Tell the run; what it raises (time is up, the user has cancelled) passes through."""
        if preview is not None and self.setting.show is not None:
            self.setting.show(preview)
        self.setting.report(done, total)

    def options(self, name: str) -> tuple[str, ...]:
        """The choices of a dynamic list, those that this run saved included."""
        own = (choice for listed, choice in self.setting.saved if listed == name)
        return (*self.setting.folders.choices(name), *own)

    def find(self, name: str, choice: str) -> Path:
        """The file behind a choice."""
        return self.setting.saved.get((name, choice)) or self.setting.folders.find(name, choice)

    def new_file(self, name: str, prefix: str, suffix: str) -> tuple[Path, str]:
        """A path among the job's files; its choice is good for this run."""
        path = self.output_file(prefix, suffix)
        choice = f"{prefix}_{len(self.setting.saved) + 1:05}_{suffix}"
        self.setting.saved[name, choice] = path
        self.keep(path)
        return path, choice

    def output_file(self, prefix: str, suffix: str) -> Path:
        """A free path for a file of an output node. `prefix` is checked; the job decides on the final name."""
        check_inside(prefix)
        return self.setting.made / f"{uuid.uuid4().hex}{suffix}"

    def keep(self, path: Path, *, frames: int = 0, preview: bool = False) -> None:
        """Hand a finished output file over."""
        self.setting.keep(path, title=self.title, preview=preview, frames=frames)

    def input_file(self, name: str) -> Path:
        """The image, video or sound that a graph names."""
        return self.setting.folders.input_file(name)

    def temporary_file(self, suffix: str) -> Path:
        """A free path for what nodes hand to each other."""
        return self.setting.temporary / f"{uuid.uuid4().hex}{suffix}"

    def run_folder(self, name: str) -> Path:
        """Among the temporary files: a run is gone on with as long as the engine lives."""
        check_inside(name)
        return self.setting.temporary / "training" / name

    def training_device(self) -> torch.device:
        """The engine's."""
        return self.setting.device

    def hold(self, model: MotionModel) -> Held:
        """The model stays where it is; sessions copy it to the device."""
        return Held(model)

    def session(self, held: Held, *, precision: str, size: tuple[int, int]) -> AnimationSession:
        """The model's session for a precision, kept for later runs."""
        self.setting.limits.check(1, *size)
        dtype = dtype_of(precision, self.setting.device)
        if dtype not in held.sessions:
            held.sessions[dtype] = WarmSession(held.model, device=self.setting.device, dtype=dtype)
        return held.sessions[dtype]

    def remember(self, held: Held, values: Sequence[Any], key: Hashable, make: Callable[[], Made]) -> Made:
        """As long as the model stays."""
        return held.known.of(values, key, make)

    def open_video(self, video: Any) -> AbstractContextManager[FrameStream]:
        """Read a VIDEO value frame by frame."""
        if not isinstance(video, videos.Video):
            raise ImageError(f"expected a video; got {type(video).__name__}.")
        return videos.open_video(video, self.temporary_file, self.setting.limits.check)

    def write_sound(self, audio: Any) -> Path | None:
        """A temporary WAV file with an AUDIO value."""
        return write_sound(audio, self.temporary_file)

    def read_sound(self, file: Any) -> Any:
        """The AUDIO value of a file's sound; None, and a warning, where it cannot be read."""
        return sound_of_video(file)

    def make_video(self, path: Path) -> videos.FileVideo:
        """The VIDEO value for a file; one of our temporary files goes when nobody holds the value any more."""
        return videos.FileVideo(path, temporary=path.parent == self.setting.temporary)
