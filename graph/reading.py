"""Graphs from files: JSON in any form of ComfyUI's, or what carries it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ..fomm_core.errors import GraphError
from ..fomm_core.wording import why_missing
from .carried import carried_graphs, carrier
from .carried_pictures import MOST_TEXT
from .collecting import uncollected
from .convert import convert
from .model import Graph, Problem
from .saved import is_saved_canvas, saved_graph
from .schemas import Schemas
from .unwrapping import decoded, unwrapped

SHOWN = 8
"""Names that a message lists."""


def read_graph(path: str | Path, schemas: Schemas) -> Graph:
    """The graph that a file holds, told by its content.

    Args:
        path: JSON as ComfyUI saves it ("API format" or the canvas), as it is posted to a server, or as a server tells
            of it (/history, /queue); or what ComfyUI saved with its workflow inside: an image, clip or sound, a latent
            or model, a 3D model.
        schemas: of the classes in it; only a canvas needs them, whose values are saved by position.

    Returns:
        The graph; its `problems` say what was wrong with the file without making it unreadable.

    Raises:
        GraphError: there is no such file, or no graph in it that can be read.
    """
    path = Path(path)
    if not path.is_file():
        what = "is a folder. Name a file in it." if path.is_dir() else f"is not there. {why_missing(path)}"
        raise GraphError(f"expected a graph's file; '{path}' {what}")
    try:
        read = carrier(path)
        if read is None:
            return parse_graph(_text(path), schemas, name=str(path))
    except (OSError, UnicodeDecodeError) as problem:
        raise GraphError(
            f"expected JSON, or an image or clip that ComfyUI saved; '{path}' is neither ({problem})."
        ) from problem
    first, *others = carried_graphs(path, read)
    try:
        return parse_graph(first, schemas, name=str(path))
    except GraphError:
        if not others:
            raise
    return parse_graph(others[0], schemas, name=str(path))


def _text(path: Path) -> str:
    size = path.stat().st_size
    if size > MOST_TEXT:
        raise GraphError(
            f"expected a graph's file, of {MOST_TEXT >> 20} MB at most; '{path}' has {size >> 20} MB and is of no kind "
            "that carries one."
        )
    return decoded(path.read_bytes())


@uncollected()
def parse_graph(text: str, schemas: Schemas, *, name: str = "the text") -> Graph:
    """The graph in a JSON text, of either form. `name` is for messages; see `read_graph`."""
    try:
        parse = partial(_parsed, name=name)
        found = unwrapped(parse(text.removeprefix("\ufeff")), parse)
        graph = _graph(found.data, schemas)
    except GraphError as problem:
        raise problem if name in str(problem) else GraphError(f"{name}: {problem}") from problem
    except RecursionError:
        raise GraphError(f"expected a graph in JSON; {name} is nested deeper than any graph is.") from None
    if found.note:
        graph = replace(graph, problems=(Problem("warning", found.note), *graph.problems))
    return graph


def _parsed(text: str, name: str) -> Any:
    if not text.strip():
        raise GraphError(f"expected a graph in JSON; {name} is empty. Save the workflow again.")
    if text.lstrip().startswith("<"):
        raise GraphError(f"expected a graph in JSON; {name} is a web page or XML. Download the file itself again.")
    try:
        return json.loads(text, object_pairs_hook=_without_repeats)
    except GraphError:
        raise
    except RecursionError:
        raise GraphError(f"expected a graph in JSON; {name} is nested deeper than any graph is.") from None
    except ValueError as problem:
        raise GraphError(
            f"expected a graph in JSON; {name} is broken ({problem}). Save the workflow again in ComfyUI."
        ) from problem


def _graph(data: Any, schemas: Schemas) -> Graph:
    if is_saved_canvas(data):
        return convert(saved_graph(data), schemas)
    if not isinstance(data, Mapping) or not data:
        raise GraphError(
            "expected nodes by their ids, or a workflow with a list of nodes. In ComfyUI, use Workflow > Save or "
            "Workflow > Export (API)."
        )
    return Graph.from_api(data)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON lets a name come twice and drops the first; of two nodes with one id, neither may be lost."""
    made = dict(pairs)
    if len(made) < len(pairs):
        names = Counter(name for name, value in pairs if isinstance(value, dict) and "class_type" in value)
        if twice := sorted(name for name, count in names.items() if count > 1):
            told = ", ".join(twice[:SHOWN]) + (f" and {len(twice) - SHOWN} more" if len(twice) > SHOWN else "")
            raise GraphError(f"expected each id once; several nodes have the id {told}. Renumber them.")
    return made
