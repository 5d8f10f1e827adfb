"""A region as a small safetensors file.

Layout: tensors `centre` [T, 2], `side` [T], `angle` [T] and, where known, `times` [T], float64; metadata strings
`format` = "fomm-region", `format_version`, `frames`, `height`, `width` and `user` (a JSON object of strings).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ..checksums import is_as_written, with_checksum
from ..errors import RegionError
from ..files import atomic_path
from .region import Region

FORMAT = "fomm-region"
FORMAT_VERSION = 1
NEEDED = {"centre", "side", "angle"}


def save_region(path: str | os.PathLike[str], region: Region, *, metadata: Mapping[str, str] | None = None) -> Path:
    """Write a region to `path`, whole or not at all, and return the path."""
    tensors = {name: getattr(region, name) for name in (*sorted(NEEDED), "times")}
    notes = {
        "format": FORMAT,
        "format_version": str(FORMAT_VERSION),
        "frames": str(len(region)),
        "height": str(region.height),
        "width": str(region.width),
        "user": json.dumps({str(key): str(value) for key, value in (metadata or {}).items()}),
    }
    with atomic_path(path) as temporary:
        kept = {name: value.clone().contiguous() for name, value in tensors.items() if value is not None}
        save_file(kept, temporary, metadata=with_checksum(kept, notes))
    return Path(path)


def load_region(path: str | os.PathLike[str]) -> Region:
    """Read a region; nothing but what `save_region` writes is taken.

    Raises:
        RegionError: the file is missing, damaged, no region, of a newer format, or holds what no region can.
    """
    path = Path(path)
    if not path.is_file():
        raise RegionError(f"expected a region file; found {'a folder' if path.is_dir() else 'none'} at {path}")
    try:
        with safe_open(path, framework="pt") as file:
            notes: dict[str, str] = file.metadata() or {}
            _check_format(path, notes)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError) as error:
        raise RegionError(f"expected a safetensors file with a region; {path} cannot be read: {error}") from error
    if not is_as_written(tensors, notes):
        raise RegionError(f"{path} is damaged: what it holds is not what was stored (checksum). Copy it again.")
    if set(tensors) - {"times"} != NEEDED:
        raise RegionError(
            f"expected the tensors {', '.join(sorted(NEEDED))} and, maybe, times in {path}; got {sorted(tensors)}"
        )
    for name, value in tensors.items():
        if value.dtype != torch.float64:
            found = str(value.dtype).removeprefix("torch.")
            raise RegionError(f"expected float64 in the {name} of {path}; got {found}")
    height, width = _number(path, notes, "height"), _number(path, notes, "width")
    try:
        region = Region(height=height, width=width, **tensors)
    except RegionError as error:
        raise RegionError(f"{path} is damaged: {error}") from error
    if (stated := _number(path, notes, "frames")) != len(region):
        raise RegionError(f"{path} is damaged: expected {stated} frames, as its metadata says; got {len(region)}")
    return region


def _check_format(path: Path, notes: Mapping[str, str]) -> None:
    found = notes.get("format")
    if found != FORMAT:
        what = f"its format is {found!r}" if found else "it names no format; is it a model?"
        raise RegionError(f"expected a region ({FORMAT}) in {path}; {what}")
    if _number(path, notes, "format_version") > FORMAT_VERSION:
        raise RegionError(
            f"expected a format version of at most {FORMAT_VERSION}; {path} has {notes['format_version']}: "
            "update fomm-nodes to read it"
        )


def _number(path: Path, notes: Mapping[str, str], name: str) -> int:
    text = notes.get(name, "")
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text):
        raise RegionError(f"expected a whole number from 1 as the {name} of {path}; got {text[:80]!r}")
    return int(text)
