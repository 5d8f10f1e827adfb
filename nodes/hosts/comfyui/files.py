"""Where the blocks' files lie in ComfyUI: model folders, performances, temporary files. Names from graphs end here."""

from __future__ import annotations

import logging
import os
import tempfile
import uuid
from pathlib import Path

import folder_paths

from ....fomm_core.errors import FommError
from ....fomm_core.library import model_folders
from ..names import DATASETS, LISTINGS, built_in, check_inside, folders_in, is_finished

log = logging.getLogger("fomm.comfyui")

RUNS = "fomm_training"
"""Folder of training runs, below output/."""


def register_folders() -> None:
    """Make the folders known to ComfyUI, after those of extra_model_paths.yaml, and make those below models/. Models
    that `fomm models get` put elsewhere are offered too.
    """
    for name, listing in LISTINGS.items():
        own = Path(folder_paths.models_dir, listing.below_models)
        saved = Path(folder_paths.get_output_directory(), listing.below_output)
        for path in (own, saved, *(model_folders() if name == "models" else ())):
            folder_paths.add_model_folder_path(listing.folder, str(path))
    try:
        Path(folder_paths.models_dir, LISTINGS["models"].below_models).mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        log.info("models/fomm cannot be made (%s); other model folders are used all the same", problem)


def options(name: str) -> tuple[str, ...]:
    """The choices of a list, built-in ones first."""
    if name == DATASETS:
        return (*built_in(name), *folders_in(Path(folder_paths.get_input_directory())))
    listing = LISTINGS[name]
    found = folder_paths.get_filename_list(listing.folder)
    return (*built_in(name), *(file for file in found if file.lower().endswith(listing.suffixes) and is_finished(file)))


def find(name: str, choice: str) -> Path:
    """The file behind a choice; raises FommError for everything that is none."""
    check_inside(choice)
    if choice in (shipped := built_in(name)):
        return shipped[choice]
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
    check_inside(prefix)
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
    check_inside(name)
    return Path(folder_paths.get_output_directory(), RUNS, name)


def _input_folder(choice: str) -> Path:
    root = Path(folder_paths.get_input_directory())
    if choice not in folders_in(root):
        raise FommError(
            f"expected a folder of clips in {root}; '{choice}' is not there (any more). Put a folder of videos there, "
            "press R in ComfyUI to read the folders again, and choose it."
        )
    return root / choice
