"""The lists of files that blocks offer, and names that come from a graph, before they are looked up in a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from ...fomm_core.checkpoints import builtin_models
from ...fomm_core.errors import FommError

BUILT_IN = " (built-in)"


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
    "flows": Listing("fomm_flows", "fomm_flows", "fomm_flows", (".exr",)),
}


def built_in(name: str) -> dict[str, Path]:
    """What a list offers without any file of the user: choice and file."""
    if name != "models":
        return {}
    return {f"{stem}{BUILT_IN}": path for stem, path in builtin_models().items()}


def check_inside(name: str) -> None:
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
