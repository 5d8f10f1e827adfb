"""The folders that graphs may read in when no graph program runs them. Names from graphs end here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ....fomm_core.errors import FommError
from ....fomm_core.library import model_folders
from ..names import DATASETS, LISTINGS, built_in, check_inside, folders_in, is_finished

_PLACE = re.compile(r" \[(input|output|temp)\]$")
"""ComfyUI marks a file of another folder than the input folder in its name: "face.png [output]"."""


@dataclass(frozen=True)
class Folders:
    """Where a graph's names are looked up, first folder first.

    inputs: images, videos, sounds, and saved performances.
    models: folders laid out as ComfyUI's `models`, or with the weights right inside; the folders that `fomm models`
        names come after them.
    files: input files by the names that the graph has for them, wherever they lie; looked up before the folders.
    """

    inputs: tuple[Path, ...]
    models: tuple[Path, ...] = ()
    files: Mapping[str, Path] = field(default_factory=dict)

    def input_file(self, name: str) -> Path:
        """The file behind a name in Load Image and its like; raises FommError where there is none."""
        place = _PLACE.search(name)
        if place and place[1] != "input":
            raise FommError(
                f"expected a file of the input folder; '{name}' is in the {place[1]} folder. Copy it there."
            )
        plain = _PLACE.sub("", name)
        if (given := self.files.get(plain)) is not None and given.is_file():
            return given
        return _look_up(plain, self.inputs, "input file")

    def choices(self, name: str) -> tuple[str, ...]:
        """What a dynamic list holds (see `spec.LISTS`), built-in entries first."""
        if name == DATASETS:
            return (*built_in(name), *sorted({choice for folder in self.inputs for choice in folders_in(folder)}))
        found = {
            path.relative_to(folder).as_posix()
            for folder in self._of(name)
            for path in folder.rglob("*")
            if path.name.lower().endswith(LISTINGS[name].suffixes) and path.is_file()
        }
        return (*built_in(name), *sorted(filter(is_finished, found)))

    def find(self, name: str, choice: str) -> Path:
        """The file (of datasets: the folder) behind a choice; raises FommError where there is none."""
        if choice in (shipped := built_in(name)):
            return shipped[choice]
        if name == DATASETS:
            return _look_up(choice, self.inputs, "input folder")
        path = _look_up(choice, tuple(self._of(name)), f"file among the {name}")
        if not path.name.lower().endswith(LISTINGS[name].suffixes):
            raise FommError(f"expected one of {', '.join(LISTINGS[name].suffixes)} files; got '{choice}'.")
        return path

    def _of(self, name: str) -> Iterator[Path]:
        below = LISTINGS[name].below_models
        for folder in self.models:
            yield folder / below if (folder / below).is_dir() else folder
        if name == "models":
            yield from model_folders()
        if name == "performances":
            yield from self.inputs


def _look_up(name: str, folders: tuple[Path, ...], what: str) -> Path:
    check_inside(name)
    parts = PurePosixPath(name.replace("\\", "/")).parts
    for folder in folders:
        path = folder.joinpath(*parts)
        if path.is_dir() if what == "input folder" else path.is_file():
            if not path.resolve().is_relative_to(folder.resolve()):
                raise FommError(f"expected a {what} inside {folder}; '{name}' is a link that leads out of it.")
            return path
    places = ", ".join(map(str, folders)) or "no folder (none was given)"
    raise FommError(f"expected an {what} in {places}; '{name}' is not there.".replace("an file", "a file"))
