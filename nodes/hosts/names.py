"""The lists of files that blocks offer, and names that come from a graph, before they are looked up in a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ...fomm_core.errors import FommError
from ...fomm_core.files import is_inside
from ...fomm_core.library import SUFFIXES
from ...fomm_core.shipped import ASSETS, builtin_models

BUILT_IN = " (built-in)"
DATASETS = "datasets"
"""The list whose entries are folders, of clips to train on: those below the input folders, two levels deep."""


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
    "models": Listing("fomm", "fomm", "fomm_models", SUFFIXES),
    "performances": Listing("fomm_performances", "fomm_performances", "fomm", (".safetensors", ".json")),
    "flows": Listing("fomm_flows", "fomm_flows", "fomm_flows", (".exr",)),
}


def built_in(name: str) -> dict[str, Path]:
    """What a list offers without any file of the user: choice and file (or folder)."""
    if name == DATASETS:
        return {f"example{BUILT_IN}": ASSETS / "clips"}
    if name != "models":
        return {}
    return {f"{stem}{BUILT_IN}": path for stem, path in builtin_models().items()}


def folders_in(root: Path) -> list[str]:
    """Folders below `root`, two levels deep, that hold anything and are not hidden; with forward slashes."""
    found = [path for pattern in ("*", "*/*") for path in root.glob(pattern) if path.is_dir() and any(path.iterdir())]
    names = (path.relative_to(root) for path in found)
    return sorted(name.as_posix() for name in names if not any(part.startswith(".") for part in name.parts))


def is_finished(choice: str) -> bool:
    """Whether a file may be offered: hidden ones are still being written."""
    return not any(part.startswith(".") for part in PurePosixPath(choice.replace("\\", "/")).parts)


def check_inside(name: str) -> None:
    """Raise where a name from a graph is empty, absolute on any system, or climbs out of its folder."""
    if not is_inside(name):
        raise FommError(f"expected a name inside its folder, without '..', a drive or a leading slash; got {name!r}.")
