"""The folders that hold models, and the one rule for what a name of a model means."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..config import PRESETS, MotionModelConfig
from ..errors import CheckpointError, FommError
from ..files import is_inside
from ..shipped import builtin_models
from .absent import not_found
from .published import known_as
from .records import read_record

VARIABLE = "FOMM_MODELS"
"""The environment variable with the folders of models to use in place of the user's own; separated as in PATH."""

SUFFIXES = (".safetensors", ".pth", ".pth.tar")
PACKAGE = Path(__file__).resolve().parents[2]


def model_folders() -> tuple[Path, ...]:
    """Where models are looked for, first folder first; new ones are put into the first. Not all need be there.

    Those of FOMM_MODELS; without it `models/fomm` of the ComfyUI that this package lies in, then the user's folder
    for data of programs. Last `models/fomm` of the ComfyUI that COMFYUI_DIR names.
    """
    from platformdirs import user_data_path

    named = [Path(part).expanduser() for part in os.environ.get(VARIABLE, "").split(os.pathsep) if part.strip()]
    if not named:
        if PACKAGE.parent.name == "custom_nodes":
            named.append(PACKAGE.parent.parent / "models" / "fomm")
        named.append(user_data_path("fomm", appauthor=False) / "models")
    if comfyui := os.environ.get("COMFYUI_DIR"):
        named.append(Path(comfyui).expanduser() / "models" / "fomm")
    return tuple(dict.fromkeys(folder.absolute() for folder in named))


def find_model(name: str | os.PathLike[str], folders: Sequence[Path] | None = None) -> Path:
    """The file that a name means: a built-in model, the path of a file, or a model in `folders`, in this order.

    folders: `model_folders()` where None. Raises CheckpointError that says what there is, and how to get the rest.
    """
    builtin = builtin_models()
    if str(name) in builtin:
        return builtin[str(name)]
    path = Path(name).expanduser()
    if path.is_file():
        return path
    places = model_folders() if folders is None else folders
    found = find_named(str(name), places)
    if found is not None:
        return found
    others = [name_of(file) for folder in places for file in models_in(folder)]
    raise CheckpointError(not_found(str(name), places[0], others))


def find_named(name: str, folders: Sequence[Path]) -> Path | None:
    """The file that a bare name means in these folders, safetensors first: 'vox' -> `vox-cpk.pth.tar`, 'mine' ->
    `mine.safetensors`; None where there is none.
    """
    if not is_inside(name):
        return None
    known = known_as(name)
    stems = (*(known.stems if known else ()), name)
    names = [name, *(stem + suffix for suffix in SUFFIXES for stem in dict.fromkeys(stems))]
    for folder in folders:
        for candidate in names:
            if candidate.endswith(SUFFIXES) and (folder / candidate).is_file():
                return folder / candidate
    return None


def models_in(folder: Path) -> Iterator[Path]:
    """Files below a folder that may be models, by their endings, in order; hidden ones are unfinished."""
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and path.name.lower().endswith(SUFFIXES) and path.is_file():
            yield path


def name_of(path: Path) -> str:
    """What `--model` calls a file: the published model's name, or the file's without its ending."""
    stem = path.name.removesuffix(".tar").rsplit(".", 1)[0]
    known = known_as(stem)
    return stem if known is None else known.name


def described(path: Path) -> str:
    """The kind of a model as far as it is known without reading the weights: presets that it fits, 'own' for a
    configuration of its own, 'unchecked' where only the whole file would tell.
    """
    record = read_record(path)
    if record is not None and record.size == path.stat().st_size:
        return record.kind
    config = _stored_config(path) if path.suffix == ".safetensors" else None
    if config is None:
        return "unchecked"
    return kind_among(path, [name for name, preset in PRESETS.items() if preset == config])


def kind_among(path: Path, presets: Sequence[str]) -> str:
    """One of the presets that weights fit, where the file's name chooses among them; else all; 'own' for none."""
    known = known_as(name_of(path))
    if known is not None and known.preset in presets:
        return known.preset
    return " or ".join(presets) or "own"


def _stored_config(path: Path) -> MotionModelConfig | None:
    """The configuration in the header of a safetensors file of ours."""
    try:
        with path.open("rb") as file:
            size = struct.unpack("<Q", file.read(8))[0]
            header = json.loads(file.read(min(size, 1 << 24)))
        return MotionModelConfig.from_dict(json.loads(header["__metadata__"]["config"]))
    except (OSError, struct.error, ValueError, KeyError, TypeError, RecursionError, FommError):
        return None
