"""What is known of a model's file since it was checked, kept in a small JSON file beside it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from ..files import atomic_path


@dataclass(frozen=True)
class Record:
    """sha256: of the file, in hexadecimal. size: in bytes. kind: the preset, or 'own'. source: URL or file name."""

    sha256: str
    size: int
    kind: str
    source: str


def record_path(model: Path) -> Path:
    """`vox-cpk.pth.tar` -> `vox-cpk.pth.tar.json`."""
    return model.with_name(model.name + ".json")


def write_record(model: Path, record: Record) -> None:
    """Write the record of the file `model`, whole or not at all."""
    with atomic_path(record_path(model)) as temporary:
        temporary.write_text(json.dumps(asdict(record), indent=2) + "\n", encoding="utf-8")


def read_record(model: Path) -> Record | None:
    """The record of a file; None where there is none that can be read."""
    try:
        found = json.loads(record_path(model).read_text(encoding="utf-8"))
        return Record(str(found["sha256"]), int(found["size"]), str(found["kind"]), str(found["source"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
