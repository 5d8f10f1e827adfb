"""What to say of a name behind which there is no weights file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..config import PRESETS
from ..shipped import builtin_models
from ..wording import did_you_mean, odd_name, why_missing
from .published import PUBLISHED, known_as

MOST_NAMES = 5_000
"""Entries of a folder that are looked through."""

WEIGHTS = (".pth", ".pth.tar", ".pt", ".ckpt", ".safetensors")
AS_DOWNLOADED = "Published `.pth.tar` files are no archives in spite of their name: they are used as downloaded"


def not_found(name: str, folder: Path, others: Iterable[str]) -> str:
    """Why there is no model of this name, and what to do.

    folder: where models belong. others: names of models that are there beside the built-in and published ones.
    """
    path = Path(name).expanduser()
    if "://" in name:
        return (
            f"expected a weights file or the name of a model; got '{name}'. {odd_name(name)} `fomm models get --help` "
            "says how it does that."
        )
    if path.is_dir():
        return f"expected a weights file at '{name}'; there is none. {foreign_folder(path)}"
    known = known_as(path.name)
    if known is not None:
        kind = f" It is a kind of model (a preset); '{known.name}' are its weights." if path.name in PRESETS else ""
        return (
            f"expected the model '{known.name}'; there is none at '{name}'.{kind} `fomm models get {known.name}` "
            f"downloads it, and then the name '{known.name}' finds it. Or put {known.file_name} into {folder}."
        )
    expected = (
        f"expected a weights file, a built-in model ({', '.join(builtin_models())}) or another that `fomm models` "
        f"lists; there is none at '{name}'."
    )
    if name in PRESETS:
        return f"{expected} It is a kind of model (a preset), of which no weights are published."
    plain = len(path.parts) == 1 and not path.suffix
    meant = did_you_mean(name, (*builtin_models(), *PUBLISHED, *others)) if plain else ""
    return f"{expected}{meant or ' ' + why_missing(path)} `fomm models get vox` downloads a published one."


def foreign_folder(path: Path) -> str:
    """What a folder in place of a weights file is, and what to do."""
    try:
        names = sorted(entry.name for entry in path.iterdir())[:MOST_NAMES]
        below = [
            name for name in names if (path / name / "data.pkl").is_file() or (path / name / "data" / "0").is_file()
        ]
    except OSError:
        names, below = [], []
    if "data.pkl" in names or below:
        return f"It is a checkpoint that was unpacked. {AS_DOWNLOADED}: download the file again and leave it as it is."
    if "model_index.json" in names or {"unet", "vae"} <= set(names):
        return "It is a model of diffusers (Stable Diffusion or the like), another architecture."
    weights = [name for name in names if name.endswith(WEIGHTS)]
    if weights:
        return f"It is a folder. Give a file in it, such as '{path / weights[0]}'."
    return "It is a folder, without weights in it. Give the .pth.tar or .safetensors file."
