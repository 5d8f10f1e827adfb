"""Workflows with what ComfyUI's front end (1.27) sends for them, and the schemas of the classes in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fomm_nodes.nodes.graph.schemas import Schemas, schemas_from

DATA = Path(__file__).parents[2] / "data" / "graphs"
CASES = ("values", "bypassed", "reroutes", "subgraphs", "nested-subgraphs", "group-nodes", "texts")


@pytest.fixture(scope="session")
def schemas() -> Schemas:
    return schemas_from(DATA / "object_info.json")


def load(name: str) -> Any:
    return json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))


def canvas(*nodes: dict[str, Any], links: list[list[Any]] | None = None, **more: Any) -> dict[str, Any]:
    """A saved canvas; each node gets the id of its place where it names none."""
    numbered = [{"id": place, "mode": 0, **node} for place, node in enumerate(nodes, 1)]
    return {"nodes": numbered, "links": links or [], "version": 0.4, **more}


def slot(name: str, kind: str, link: int | None = None, *, widget: bool = False) -> dict[str, Any]:
    return {"name": name, "type": kind, "link": link} | ({"widget": {"name": name}} if widget else {})
