"""Group nodes, which older canvases have in place of subgraphs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .saved import SavedGraph, SavedNode
from .schemas import Schemas


def group_definition(name: str, group: Mapping[str, Any], node: SavedNode, schemas: Schemas) -> SavedGraph:
    """A group as the subgraph that would do the same."""
    raise NotImplementedError
