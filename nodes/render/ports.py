"""The ports of a graph that hold names of input files."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path

from ...fomm_core.errors import GraphError
from ..graph.check import UPLOADS
from ..graph.model import Graph
from ..graph.schemas import Schemas
from ..graph.settings import Target, targets


def is_file(port: Target) -> bool:
    """Whether a port's value is the name of an input file."""
    return port.input is not None and any(port.input.options.get(upload) for upload in UPLOADS)


def file_ports(graph: Graph, schemas: Schemas) -> Iterator[Target]:
    """All such ports that have a value."""
    return (port for port in targets(graph, schemas) if is_file(port) and port.port in port.node.inputs)


def matching_files(port: Target, pattern: str, folders: Sequence[Path]) -> list[str]:
    """Names below the first input folder that has files of a pattern (`*`, `?`, `**`), in order.

    Raises:
        GraphError: No file matches, or they lie outside the input folders.
    """
    for folder in folders:
        inside = pattern
        if Path(pattern).is_absolute():
            if not Path(pattern).is_relative_to(folder.absolute()):
                continue
            inside = str(Path(pattern).relative_to(folder.absolute()))
        literal = folder / inside
        found = [folder / name for name in sorted(glob.glob(inside, root_dir=folder, recursive=True))]
        found = [literal] if literal.is_file() else found
        if files := [path.relative_to(folder).as_posix() for path in found if path.is_file()]:
            return files
    places = ", ".join(map(str, folders))
    raise GraphError(
        f"“{port}”: expected files that match '{pattern}' in {places}; there are none. Check the pattern, or name the "
        "folder by --input."
    )
