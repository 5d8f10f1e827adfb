"""Graphs as they are run: their JSON, their order, changes to them."""

from __future__ import annotations

from typing import Any

import pytest
from fomm_nodes.fomm_core.errors import GraphError
from fomm_nodes.graph.model import Graph, Link, Node
from fomm_nodes.graph.schemas import Schemas
from hypothesis import given
from hypothesis import strategies as st

from .conftest import CASES, load


@pytest.mark.parametrize("name", CASES)
def test_json_there_and_back(name: str) -> None:
    prompt = load(name)["prompt"]
    assert Graph.from_api(prompt).to_api() == prompt


def test_what_is_a_wire_and_what_a_list() -> None:
    inputs = {"wire": ["3", 1.0], "list": {"__value__": ["3", 1]}, "numbers": [3, 1], "words": ["a", "b"]}
    node = Graph.from_api({"1": {"class_type": "X", "inputs": inputs}}).nodes["1"]
    assert node.inputs == {"wire": Link("3", 1), "list": ["3", 1], "numbers": [3, 1], "words": ["a", "b"]}
    assert dict(node.links()) == {"wire": Link("3", 1)}
    assert node.title == "X"
    assert Graph({"1": node}).to_api()["1"]["inputs"]["list"] == {"__value__": ["3", 1]}


@pytest.mark.parametrize("entry", [None, [], {}, {"class_type": 3}, {"class_type": "X", "inputs": []}])
def test_another_shape_is_refused(entry: Any) -> None:
    with pytest.raises(GraphError, match="expected"):
        Graph.from_api({"1": entry})


@st.composite
def acyclic(draw: st.DrawFn) -> Graph:
    count = draw(st.integers(1, 12))
    names = draw(st.permutations([str(number) for number in range(count)]))
    nodes = {}
    for place, name in enumerate(names):
        origins = draw(st.lists(st.sampled_from(names[:place]), max_size=3)) if place else []
        nodes[name] = Node(name, "X", "X", {f"in{i}": Link(origin, 0) for i, origin in enumerate(origins)})
    shuffled = draw(st.permutations(names))
    return Graph({name: nodes[name] for name in shuffled})


@given(acyclic())
def test_each_node_stands_behind_what_it_needs(graph: Graph) -> None:
    order = graph.order()
    assert sorted(order) == sorted(graph.nodes)
    for name in order:
        assert all(order.index(link.node) < order.index(name) for _, link in graph.nodes[name].links())
    last = order[-1]
    assert set(graph.order([last])) == graph.upstream([last])


def test_a_circle_is_named() -> None:
    graph = Graph({name: Node(name, "X", f"Node {name}", {"in": Link(other, 0)}) for name, other in ("ab", "ba")})
    with pytest.raises(GraphError, match=r"circle: .*“Node a” \(node a\).*“Node b”"):
        graph.order()


def test_a_wire_from_nowhere_is_named() -> None:
    graph = Graph({"a": Node("a", "X", "Mine", {"in": Link("z", 0)})})
    for find in (graph.order, lambda: graph.upstream(["a"])):
        with pytest.raises(GraphError, match=r"“Mine”.*'in'.*node z"):
            find()


def test_other_values() -> None:
    graph = Graph({"a": Node("a", "X", "X", {"in": Link("b", 0), "n": 1}), "b": Node("b", "Y", "Y")})
    changed = graph.replaced({("a", "in"): "text", ("a", "new"): 2})
    assert changed.nodes["a"].inputs == {"in": "text", "n": 1, "new": 2}
    assert graph.nodes["a"].inputs == {"in": Link("b", 0), "n": 1}
    with pytest.raises(GraphError, match="a, b"):
        graph.replaced({("c", "in"): 1})


def test_what_it_runs_for(schemas: Schemas) -> None:
    graph = Graph({"a": Node("a", "SaveImage", ""), "b": Node("b", "KSampler", ""), "c": Node("c", "Unknown", "")})
    assert graph.outputs(schemas) == ("a",)
