"""What a canvas shows on a node, with its places in the file."""

from __future__ import annotations

from typing import Any

from fomm_nodes.graph.saved import saved_node
from fomm_nodes.graph.schemas import Schemas
from fomm_nodes.graph.shown import shown_values

from .conftest import slot

SAMPLER = {"input": {"required": {"seed": ["INT", {}], "steps": ["INT", {}], "name": [["a", "b"]]}}}
KNOWN = Schemas({"Sampler": SAMPLER})


def shown(schemas: Schemas, *, is_subgraph: bool = False, **entry: Any) -> list[tuple[str, Any, int | None]]:
    node = saved_node({"id": 1, "type": "Sampler", **entry})
    return [(value.name, value.value, value.place) for value in shown_values(node, schemas, is_subgraph=is_subgraph)]


def test_values_by_position_have_the_names_of_their_class() -> None:
    """What the canvas adds, such as how a seed changes, is no setting."""
    found = shown(KNOWN, widgets_values=[7, "randomize", 20, "b"])
    assert found == [("seed", 7, 0), ("steps", 20, 2), ("name", "b", 3)]
    node = saved_node({"id": 1, "type": "Sampler", "widgets_values": [7, "randomize", 20, "b"]})
    assert shown_values(node, KNOWN)[2].of.choices == ("a", "b")


def test_without_a_class_the_sockets_name_them() -> None:
    slots = [slot("seed", "INT", widget=True), slot("steps", "INT", widget=True)]
    assert shown(Schemas({}), inputs=slots, widgets_values=[7, "fixed", 20]) == [("seed", 7, 0), ("steps", 20, 2)]


def test_what_nothing_names_is_shown_by_its_place() -> None:
    assert shown(Schemas({}), widgets_values=[7, "fixed"]) == [("", 7, 0), ("", "fixed", 1)]


def test_values_by_name_keep_their_places() -> None:
    named = {"seed": 7, "control_after_generate": "fixed", "steps": 20}
    found = shown(Schemas({}), widgets_values=list(named.values()), widgets_values_named=named)
    assert found == [("seed", 7, 0), ("steps", 20, 2)]


def test_a_subgraph_shows_what_its_list_names() -> None:
    listed = {"proxyWidgets": [["3", "text"], ["-1", "width"]]}
    found = shown(Schemas({}), is_subgraph=True, properties=listed, widgets_values=["a", 5])
    assert found == [("3: text", "a", 0), ("width", 5, 1)]


def test_a_subgraph_without_a_list_shows_its_inputs() -> None:
    slots = [slot("seed", "INT", widget=True), slot("width", "INT", widget=True)]
    assert shown(Schemas({}), is_subgraph=True, inputs=slots, widgets_values=[1, 5]) == [
        ("seed", 1, 0),
        ("width", 5, 1),
    ]
