"""The files that a batch puts into the ports of a graph."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..fomm_core.errors import GraphError
from ..graph.model import Graph, Link
from ..graph.schemas import Schemas
from ..graph.settings import Target, targets


def file_ports(graph: Graph, schemas: Schemas) -> Iterator[Target]:
    """The inputs of a graph that hold names of files."""
    for port in targets(graph, schemas):
        if port.is_file and port.port in port.node.inputs and not isinstance(port.node.inputs[port.port], Link):
            yield port


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
        found = (
            [literal]
            if literal.is_file()
            else [folder / name for name in sorted(glob.glob(inside, root_dir=folder, recursive=True))]
        )
        if files := [path.relative_to(folder).as_posix() for path in found if path.is_file()]:
            return files
    places = ", ".join(map(str, folders))
    raise GraphError(
        f"{port.name}: expected files that match '{pattern}' in {places}; there are none. Check the pattern, or name "
        "the folder by --input."
    )
