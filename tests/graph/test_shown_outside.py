"""Widgets that a subgraph shows outside get the values of the node that stands for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fomm_nodes.batch.render import local_schemas
from fomm_nodes.graph.reading import parse_graph, read_graph

from .conftest import canvas, slot


def scaled(shown: list[list[str]], values: list[Any], inner: list[Any]) -> dict[str, Any]:
    """The inputs of a node inside of a subgraph that shows its width and height outside."""
    names = ("width", "height")
    slots = [slot("image", "IMAGE", 1), slot("upscale_method", "COMBO", widget=True)]
    slots += [slot(name, "INT", 10 + place, widget=True) for place, name in enumerate(names)]
    inside = {
        "id": "11111111-2222-3333-4444-555555555555",
        "name": "scale",
        "inputs": [{"id": name, "name": name, "type": "INT"} for name in ("image", *names)],
        "outputs": [{"id": "o", "name": "IMAGE", "type": "IMAGE"}],
        "inputNode": {"id": -10},
        "outputNode": {"id": -20},
        "nodes": [{"id": 5, "type": "ImageScale", "mode": 0, "inputs": slots, "widgets_values": inner}],
        "links": [
            {"id": 1, "origin_id": -10, "origin_slot": 0, "target_id": 5, "target_slot": 0},
            {"id": 10, "origin_id": -10, "origin_slot": 1, "target_id": 5, "target_slot": 2},
            {"id": 11, "origin_id": -10, "origin_slot": 2, "target_id": 5, "target_slot": 3},
        ],
    }
    host = {
        "id": 7,
        "type": inside["id"],
        "inputs": [slot("image", "IMAGE"), *(slot(name, "INT", widget=True) for name in names)],
        "properties": {"proxyWidgets": shown},
        "widgets_values": values,
    }
    data = canvas(host, definitions={"subgraphs": [inside]})
    graph = parse_graph(json.dumps(data), local_schemas(None))
    return dict(graph.nodes["7:5"].inputs)


@pytest.mark.parametrize(
    ("shown", "values", "size"),
    [
        ([["-1", "width"], ["-1", "height"]], [640, 480], (640, 480)),
        ([["-1", "height"], ["-1", "width"]], [480, 640], (640, 480)),
        ([["-1", "height"], ["-1", "width"]], [480, None], (100, 480)),
        ([["5", "upscale_method"], ["-1", "height"], ["-1", "width"]], ["area", 480, 640], (640, 480)),
        ([["5", "upscale_method"], ["-1", "height"], ["-1", "width"]], [None, 480, 640], (640, 480)),
        ([["-1", "width"]], [640, 480], (640, 480)),  # of another length: by the order of the inputs
    ],
)
def test_values_of_a_subgraph_follow_its_list_of_widgets(
    shown: list[list[str]], values: list[Any], size: tuple[int, int]
) -> None:
    inputs = scaled(shown, values, ["bilinear", 100, 200, "disabled"])
    assert (inputs["width"], inputs["height"]) == size
    assert inputs["upscale_method"] == ("area" if "area" in values else "bilinear")
    assert inputs["crop"] == "disabled"


@pytest.mark.parametrize("name", ["sub_proxy_order", "sub_proxy_mixed"])
def test_shared_subgraphs(shared: Path, name: str) -> None:
    graph = read_graph(shared / "cases" / "graphs" / f"{name}.json", local_schemas(None))
    assert (graph.nodes["7:5"].inputs["width"], graph.nodes["7:5"].inputs["height"]) == (640, 480)
