"""Canvases with nodes of VideoHelperSuite 1.7.9, KJNodes 1.5.0, Impact Pack 7.10.6 and essentials 1.1.0: made, saved
and sent by front end 1.58.1 on ComfyUI 0.33.0, and what its server says of the classes in them.
"""

from __future__ import annotations

from typing import Any

import pytest
from fomm_nodes.batch.render import local_schemas
from fomm_nodes.graph.schemas import Schemas

from .conftest import converted, errors, load, sent_inputs

PACKS = load("packs")
CANVASES: dict[str, Any] = PACKS["canvases"]
OF_ITS_OWN = {
    *("SplineEditor", "PointsEditor"),  # places for editors that only KJNodes' own part of the canvas draws
    "PreviewAny",  # older front ends have another number of places
}
"""Classes whose values have names only."""

each = pytest.mark.parametrize("name", sorted(CANVASES))


def pressed(inputs: dict[str, Any]) -> dict[str, Any]:
    """Without KJNodes' buttons, which a canvas sends as null."""
    return {name: value for name, value in inputs.items() if name != "Update inputs"}


@each
def test_nodes_of_packs_are_converted_as_the_front_end_does(name: str) -> None:
    case = CANVASES[name]
    graph = converted(case["saved"], Schemas(PACKS["object_info"]))
    expected = {key: pressed(node["inputs"]) for key, node in case["prompt"].items()}
    assert {key: pressed(inputs) for key, inputs in sent_inputs(graph).items()} == expected
    assert {problem.port for problem in graph.problems} <= {"count"}  # which Video Helper Suite adds, and sends


@each
def test_without_their_schemas_too(name: str) -> None:
    case = CANVASES[name]
    graph = converted(case["saved"], local_schemas(None))
    assert sent_inputs(graph) == {key: node["inputs"] for key, node in case["prompt"].items()}
    assert errors(graph) == []
    assert all("unchecked" in problem.message for problem in graph.problems)


@each
def test_by_position_as_older_front_ends_save_them(name: str) -> None:
    case = CANVASES[name]
    graphs = [case["saved"], *case["saved"].get("definitions", {}).get("subgraphs", ())]
    older = [
        {key: value for key, value in node.items() if key != "widgets_values_named"}
        for graph in graphs
        for node in graph["nodes"]
    ]
    count = len(case["saved"]["nodes"])
    data = {**case["saved"], "nodes": older[:count]}
    if len(graphs) > 1:
        subgraphs = [{**graphs[1], "nodes": older[count:]}]
        data["definitions"] = {"subgraphs": subgraphs}
    graph = converted(data, Schemas(PACKS["object_info"]))
    expected = {key: pressed(node["inputs"]) for key, node in case["prompt"].items()}
    wrong = {key for key, inputs in sent_inputs(graph).items() if pressed(inputs) != expected[key]}
    drawn = {key for key, node in case["prompt"].items() if node["class_type"] in OF_ITS_OWN}
    assert wrong <= drawn
