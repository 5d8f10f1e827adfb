"""Graphs from files: JSON in either form of ComfyUI's, or a picture or clip that carries it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...fomm_core.errors import GraphError
from .carried import CLIPS, PICTURES, carried_graph
from .convert import convert
from .model import Graph
from .saved import is_saved_canvas, saved_graph
from .schemas import Schemas


def read_graph(path: str | Path, schemas: Schemas) -> Graph:
    """The graph that a file holds.

    Args:
        path: JSON as ComfyUI saves it ("API format" or the canvas), or what ComfyUI saved with its workflow inside:
            PNG, WebP, JPEG, MP4, WebM and others, see `carried_graph`.
        schemas: of the classes in it; only a canvas needs them, whose values are saved by position.

    Returns:
        The graph; its `problems` say what was wrong with the file without making it unreadable.

    Raises:
        GraphError: there is no such file, or no graph in it that can be read.
    """
    path = Path(path)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "is not there"
        raise GraphError(f"expected a graph's file; '{path}' {what}. Check the name.")
    if path.suffix.lower() in PICTURES | CLIPS:
        return parse_graph(carried_graph(path), schemas, name=str(path))
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        raise GraphError(
            f"expected JSON, or a picture or clip that ComfyUI saved; '{path}' is neither ({problem})."
        ) from problem
    return parse_graph(text, schemas, name=str(path))


def parse_graph(text: str, schemas: Schemas, *, name: str = "the text") -> Graph:
    """The graph in a JSON text, of either form. `name` is for messages; see `read_graph`."""
    if not text.strip():
        raise GraphError(f"expected a graph in JSON; {name} is empty. Save the workflow again.")
    try:
        data = json.loads(text, object_pairs_hook=_without_repeats)
    except GraphError as problem:
        raise GraphError(f"{name}: {problem}") from None
    except RecursionError:
        raise GraphError(f"expected a graph in JSON; {name} is nested deeper than any graph is.") from None
    except ValueError as problem:
        raise GraphError(
            f"expected a graph in JSON; {name} is broken ({problem}). Save the workflow again in ComfyUI."
        ) from problem
    if isinstance(data, Mapping) and not is_saved_canvas(data):
        for key in ("prompt", "workflow"):  # as it is posted to a server, or wrapped by other programs
            if isinstance(data.get(key), Mapping) and "class_type" not in data[key]:
                data = data[key]
                break
    try:
        return _graph(data, schemas)
    except GraphError as problem:
        raise GraphError(f"{name}: {problem}") from problem


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
        names = [name for name, value in pairs if isinstance(value, dict) and "class_type" in value]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise GraphError(f"expected each id once; several nodes have the id {', '.join(twice)}. Number them anew.")
    return made
