"""Where the blocks' files lie in ComfyUI: model folders, performances, temporary files. Names from graphs end here."""

from __future__ import annotations

import logging
import os
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

import folder_paths

from ...fomm_core.checkpoints import ASSETS, builtin_models
from ...fomm_core.errors import FommError

log = logging.getLogger("fomm.comfyui")

BUILT_IN = " (built-in)"
DATASETS = "datasets"
RUNS = "fomm_training"
"""Folder of training runs, below output/."""


@dataclass(frozen=True)
class Listing:
    """A kind of file that a block offers as choices.

    folder: ComfyUI's name for its folders, as in extra_model_paths.yaml. below_models, below_output: our own ones.
    suffixes: of the files that are offered. ComfyUI's own filter looks at the last suffix alone and hides `.pth.tar`.
    """

    folder: str
    below_models: str
    below_output: str
    suffixes: tuple[str, ...]


LISTINGS = {
    "models": Listing("fomm", "fomm", "fomm_models", (".safetensors", ".pth", ".pth.tar")),
    "performances": Listing("fomm_performances", "fomm_performances", "fomm", (".safetensors",)),
}


def register_folders() -> None:
    """Make the folders known to ComfyUI, after those of extra_model_paths.yaml, and make those below models/."""
    for listing in LISTINGS.values():
        own = Path(folder_paths.models_dir, listing.below_models)
        saved = Path(folder_paths.get_output_directory(), listing.below_output)
        for path in (own, saved):
            folder_paths.add_model_folder_path(listing.folder, str(path))
    try:
        Path(folder_paths.models_dir, LISTINGS["models"].below_models).mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        log.info("models/fomm cannot be made (%s); other model folders are used all the same", problem)


def options(name: str) -> tuple[str, ...]:
    """The choices of a list, built-in ones first."""
    if name == DATASETS:
        return (*_built_in(name), *_input_folders())
    listing = LISTINGS[name]
    found = folder_paths.get_filename_list(listing.folder)
    return (*_built_in(name), *(choice for choice in found if choice.lower().endswith(listing.suffixes)))


def find(name: str, choice: str) -> Path:
    """The file behind a choice; raises FommError for everything that is none."""
    _check_inside(choice)
    if choice in (built_in := _built_in(name)):
        return built_in[choice]
    if name == DATASETS:
        return _input_folder(choice)
    path = folder_paths.get_full_path(LISTINGS[name].folder, choice) if choice in options(name) else None
    if path is None:
        folders = ", ".join(folder_paths.get_folder_paths(LISTINGS[name].folder))
        raise FommError(
            f"expected one of the {name} in {folders}; '{choice}' is not there (any more). Put the file there, "
            "press R in ComfyUI to read the folders again, and choose it."
        )
    return Path(path)


def new_file(name: str, prefix: str, suffix: str) -> tuple[Path, str]:
    """The next free numbered path of a list below the output folder, and the choice it will be.

    `prefix` may name sub-folders and hold ComfyUI's %date% variables. Raises FommError where it leads elsewhere.
    """
    _check_inside(prefix)
    root = os.path.join(folder_paths.get_output_directory(), LISTINGS[name].below_output)
    folder, stem, counter, subfolder, _ = folder_paths.get_save_image_path(prefix, root)
    while (path := Path(folder, f"{stem}_{counter:05}_{suffix}")).exists():
        counter += 1
    return path, os.path.join(subfolder, path.name)


def temporary_file(suffix: str) -> Path:
    """A free path in ComfyUI's temporary folder, which it empties at start and end."""
    folder = Path(folder_paths.get_temp_directory() or tempfile.gettempdir(), "fomm")
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{uuid.uuid4().hex}{suffix}"


def run_folder(name: str) -> Path:
    """Below output/fomm_training; raises FommError where `name` leads elsewhere."""
    _check_inside(name)
    return Path(folder_paths.get_output_directory(), RUNS, name)


def _input_folders() -> list[str]:
    """Folders below input/, two levels deep, that hold anything."""
    root = Path(folder_paths.get_input_directory())
    found = [path for pattern in ("*", "*/*") for path in root.glob(pattern) if path.is_dir() and any(path.iterdir())]
    return sorted(path.relative_to(root).as_posix() for path in found if not path.name.startswith("."))


def _input_folder(choice: str) -> Path:
    if choice not in _input_folders():
        raise FommError(
            f"expected a folder of clips in {folder_paths.get_input_directory()}; '{choice}' is not there (any more). "
            "Put a folder of videos there, press R in ComfyUI to read the folders again, and choose it."
        )
    return Path(folder_paths.get_input_directory(), choice)


def _built_in(name: str) -> dict[str, Path]:
    if name == DATASETS:
        return {f"example{BUILT_IN}": ASSETS / "clips"}
    if name != "models":
        return {}
    return {f"{stem}{BUILT_IN}": path for stem, path in builtin_models().items()}


def _check_inside(name: str) -> None:
    """Raise where a name from a graph is empty, absolute on any system, or climbs out of its folder."""
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    if (
        not name.strip()
        or "\0" in name
        or posix.is_absolute()
        or windows.drive
        or windows.root
        or ".." in windows.parts
    ):
        raise FommError(f"expected a name inside its folder, without '..', a drive or a leading slash; got {name!r}.")
