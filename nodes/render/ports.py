"""The ports of a graph that a batch sets: found by their names, with their values turned as they need them."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...fomm_core.errors import GraphError
from ..graph.model import Graph, Link, Node
from ..graph.schemas import Schemas
from ..graph.widgets import Input

UPLOADS = ("image_upload", "video_upload", "audio_upload", "animated_image_upload")
YES, NO = ("true", "yes", "1", "on"), ("false", "no", "0", "off")


@dataclass(frozen=True)
class PortOf:
    """An input of a node that a job may set.

    column: how its user names it. declared: what its class says of it; None where the class is not known.
    """

    column: str
    node: Node
    port: str
    declared: Input | None

    @property
    def is_file(self) -> bool:
        """Whether its values are names of input files."""
        return self.declared is not None and any(self.declared.options.get(upload) for upload in UPLOADS)

    @property
    def name(self) -> str:
        """For messages."""
        return f"“{self.node.title}”.{self.port}"

    def typed(self, value: Any) -> Any:
        """A value of a table or an option, as the graph holds it; raises GraphError where it is none for this port."""
        kind = "" if self.declared is None else self.declared.type
        if value is None or isinstance(value, (list, dict)):
            raise GraphError(f"{self.name}: expected one value; got {value!r}.")
        if isinstance(value, str) and kind in ("INT", "FLOAT"):
            try:
                return int(value) if kind == "INT" else float(value)
            except ValueError:
                wanted = "a whole number" if kind == "INT" else "a number"
                raise GraphError(f"{self.name}: expected {wanted}; got {value!r}.") from None
        if isinstance(value, str) and kind == "BOOLEAN":
            if value.lower() not in YES + NO:
                raise GraphError(f"{self.name}: expected true or false; got {value!r}.")
            return value.lower() in YES
        if kind in ("STRING", "COMBO") and self.is_file and not isinstance(value, str):
            raise GraphError(f"{self.name}: expected the name of a file; got {value!r}.")
        return value


def find_port(graph: Graph, schemas: Schemas, column: str) -> PortOf:
    """The port that "NODE.PORT" means: NODE is a title, a class or an id.

    Raises:
        GraphError: There is no such node or port, or several nodes; the message says which there are.
    """
    for at in [index for index, sign in enumerate(column) if sign == "."][::-1] or [-1]:
        selector, port = (column[:at], column[at + 1 :]) if at >= 0 else (column, "")
        nodes = [n for n in graph.nodes.values() if selector in (n.id, n.title, n.type)]
        if nodes:
            break
    if not nodes:
        there = ", ".join(f"{node.title} (node {node.id})" for node in graph.nodes.values())
        raise GraphError(f"expected NODE.PORT, such as \"Load Image.image\"; '{column}' names no node of: {there}.")
    exact = [node for node in nodes if node.id == selector] or [n for n in nodes if n.title == selector] or nodes
    if len(exact) > 1:
        ids = ", ".join(node.id for node in exact)
        raise GraphError(f"'{column}' could be any of the nodes {ids}. Name one by its id: \"{exact[0].id}.{port}\".")
    node = exact[0]
    declared = {entry.name: entry for entry in schemas.inputs(node.type)}
    if port not in declared and port not in node.inputs:
        there = ", ".join(dict.fromkeys((*declared, *node.inputs)))
        raise GraphError(f"“{node.title}” (node {node.id}) has no input '{port}', but: {there or 'none'}.")
    if port in declared and not declared[port].is_widget and not isinstance(node.inputs.get(port), str):
        raise GraphError(
            f"“{node.title}”.{port} is wired, not set: choose a value of the node that its wire comes from."
        )
    return PortOf(column, node, port, declared.get(port))


def file_ports(graph: Graph, schemas: Schemas) -> Iterator[PortOf]:
    """The inputs of a graph that hold names of files."""
    for node in graph.nodes.values():
        for entry in schemas.inputs(node.type):
            port = PortOf(f"{node.title}.{entry.name}", node, entry.name, entry)
            if port.is_file and entry.name in node.inputs and not isinstance(node.inputs[entry.name], Link):
                yield port


def matching_files(port: PortOf, pattern: str, folders: Sequence[Path]) -> list[str]:
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
