"""Workflows with what ComfyUI's front end sends for them, and the schemas of the classes in them.

CASES were sent by version 1.27, CASES_2026 by 1.58: there `workflow` holds values by position, as older versions and
programs write them, and `saved` is what 1.58 saves, with values by name as well.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fomm_nodes.graph.convert import convert
from fomm_nodes.graph.model import Graph
from fomm_nodes.graph.saved import saved_graph
from fomm_nodes.graph.schemas import Schemas, schemas_from

DATA = Path(__file__).parents[1] / "data" / "graphs"
CASES = ("values", "bypassed", "reroutes", "subgraphs", "nested-subgraphs", "group-nodes", "texts")
CASES_2026 = ("shown-outside", "widget-kinds")


@pytest.fixture(scope="session")
def schemas() -> Schemas:
    return schemas_from(DATA / "object_info.json")


@pytest.fixture(scope="session")
def schemas_2026() -> Schemas:
    return schemas_from(DATA / "object_info-2026.json")


def load(name: str) -> Any:
    return json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))


def canvas(*nodes: dict[str, Any], links: list[list[Any]] | None = None, **more: Any) -> dict[str, Any]:
    """A saved canvas; each node gets the id of its place where it names none."""
    numbered = [{"id": place, "mode": 0, **node} for place, node in enumerate(nodes, 1)]
    return {"nodes": numbered, "links": links or [], "version": 0.4, **more}


def slot(name: str, kind: str, link: int | None = None, *, widget: bool = False) -> dict[str, Any]:
    return {"name": name, "type": kind, "link": link} | ({"widget": {"name": name}} if widget else {})


def converted(data: dict[str, Any], schemas: Schemas, **options: Any) -> Graph:
    return convert(saved_graph(data), schemas, **options)


def sent(graph: Graph) -> dict[str, Any]:
    return json.loads(json.dumps(graph.to_api()))


def sent_inputs(graph: Graph) -> dict[str, Any]:
    return {key: node["inputs"] for key, node in sent(graph).items()}


def errors(graph: Graph) -> list[str]:
    return [str(problem) for problem in graph.problems if problem.severity == "error"]
