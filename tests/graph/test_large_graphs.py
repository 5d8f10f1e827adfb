"""Graphs of any size that fits: the work grows as they do, and more than that is refused at once."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from fomm_nodes.batch.outputs import labels
from fomm_nodes.fomm_core.errors import GraphError
from fomm_nodes.graph.check import check
from fomm_nodes.graph.model import MOST_NODES, Graph
from fomm_nodes.graph.reading import parse_graph
from fomm_nodes.graph.saved import saved_graph
from fomm_nodes.graph.schemas import Schemas
from fomm_nodes.graph.texts import first_alternatives
from fomm_nodes.graph.widgets import Input, named_values

from .conftest import canvas, slot

SMALL, LARGE = 60, 480
"""Eight times as large. Linear work takes eight times as many steps, quadratic sixty-four times."""
MOST = 16


def steps_of(work: Callable[[], object]) -> int:
    """Lines of Python that run, those of generators and comprehensions included."""
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def chain(count: int) -> dict[str, Any]:
    """Scalers one behind the other, each wired to the one before."""
    nodes = [
        {
            "type": "ImageScale",
            "inputs": [slot("image", "IMAGE", place if place else None)],
            "outputs": [{"name": "IMAGE", "type": "IMAGE", "links": [place + 1]}],
            "widgets_values": ["area", 8, 8, "disabled"],
        }
        for place in range(count)
    ]
    return canvas(*nodes, links=[[place, place, 0, place + 1, 0, "IMAGE"] for place in range(1, count)])


def senders(count: int) -> dict[str, Any]:
    """Pairs of nodes that share a name, each in place of a wire."""
    nodes: list[dict[str, Any]] = []
    links = []
    for pair in range(count):
        first = 3 * pair + 1
        nodes += [
            {"type": "SetNode", "inputs": [slot("IMAGE", "IMAGE")], "widgets_values": [f"name {pair}"]},
            {"type": "GetNode", "outputs": [{"name": "IMAGE", "type": "IMAGE"}], "widgets_values": [f"name {pair}"]},
            {"type": "ImageInvert", "inputs": [slot("image", "IMAGE", pair)]},
        ]
        links.append([pair, first + 1, 0, first + 2, 0, "IMAGE"])
    return canvas(*nodes, links=links)


def subgraph(count: int) -> dict[str, Any]:
    """One with as many inputs, nodes, and widgets shown outside."""
    inner = [
        {"id": place, "type": "ImageScale", "inputs": [slot("width", "INT", place, widget=True)], "mode": 0}
        for place in range(count)
    ]
    definition = {
        "id": "sub",
        "nodes": inner,
        "links": [[place, -10, place, place, 0, "INT"] for place in range(count)],
        "inputs": [{"name": f"width {place}", "type": "INT"} for place in range(count)],
        "outputs": [],
    }
    shown = [["-1", f"width {place}"] for place in range(count)]
    host = {"type": "sub", "inputs": [], "widgets_values": list(range(count)), "properties": {"proxyWidgets": shown}}
    return canvas(host, definitions={"subgraphs": [definition]})


def shown(count: int) -> dict[str, Any]:
    """A subgraph whose node says, and names, the values of as many nodes inside."""
    inner = [{"id": place, "type": "ImageScale", "mode": 0} for place in range(count)]
    definition = {"id": "sub", "nodes": inner, "links": [], "inputs": [], "outputs": []}
    host = {
        "type": "sub",
        "inputs": [],
        "widgets_values": list(range(count)),
        "widgets_values_named": {f"{place}: width": place for place in range(count)},
        "properties": {"proxyWidgets": [[str(place), "width"] for place in range(count)]},
    }
    return canvas(host, definitions={"subgraphs": [definition]})


def named(count: int) -> dict[str, Any]:
    """A node that has as many values by name."""
    return canvas({"type": "ImageScale", "widgets_values_named": {f"value {place}": place for place in range(count)}})


def group(count: int) -> dict[str, Any]:
    """A group node, as older canvases have it."""
    inner = [
        {"type": "ImageInvert", "inputs": [slot("image", "IMAGE")], "outputs": [{"name": "IMAGE", "type": "IMAGE"}]}
        for _ in range(count)
    ]
    links = [[place, 0, place + 1, 0, 0, "IMAGE"] for place in range(count - 1)]
    entry = {"nodes": inner, "links": links, "external": []}
    return canvas({"type": "workflow>group", "inputs": []}, extra={"groupNodes": {"group": entry}})


def bypassed(count: int) -> dict[str, Any]:
    """Reroutes of a length that is followed, behind which all the others hang."""
    length = 40
    reroutes = [
        {"type": "Reroute", "inputs": [slot("", "*", place if place else None)], "outputs": [{"name": "", "type": "*"}]}
        for place in range(length)
    ]
    nodes = [{"type": "ImageInvert", "inputs": [slot("image", "IMAGE", length + place)]} for place in range(count)]
    links = [[place, place, 0, place + 1, 0, "*"] for place in range(1, length)]
    links += [[length + place, length, 0, length + place + 1, 0, "*"] for place in range(count)]
    return canvas(*reroutes, *nodes, links=links)


@pytest.mark.parametrize("make", [chain, senders, subgraph, shown, named, group, bypassed])
def test_work_grows_as_the_canvas_does(make: Callable[[int], dict[str, Any]], schemas: Schemas) -> None:
    def work(count: int) -> int:
        text = json.dumps(make(count))
        return steps_of(lambda: check(parse_graph(text, schemas), schemas))

    work(2)  # what is made once for each class
    assert work(LARGE) < MOST * work(SMALL)


def test_work_grows_as_the_graph_does(schemas: Schemas) -> None:
    def work(count: int) -> int:
        graph = {
            str(place): {"class_type": "ImageInvert", "inputs": {"image": [str(place - 1), 0]}}
            for place in range(count)
        }
        return steps_of(lambda: (check(parse_graph(json.dumps(graph), schemas), schemas), labels(graph)))

    work(2)
    assert work(LARGE) < MOST * work(SMALL)


def test_work_grows_as_a_text_does() -> None:
    def work(count: int) -> int:
        return steps_of(lambda: first_alternatives("/* never ended " * count))

    assert work(LARGE) < MOST * work(SMALL)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a /* b */ c", "a  c"),
        ("a // b\nc", "a \nc"),
        ("a /* b", "a /* b"),
        ("a /* b // c */ d", "a  d"),
        ("a // b /* c\nd */ e", "a \nd */ e"),
        ("/*/ a */b", "b"),
        ("a */ b", "a */ b"),
        ("// a", ""),
    ],
)
def test_comments(text: str, kept: str) -> None:
    assert first_alternatives(text) == (kept, False)


def test_a_node_with_many_values() -> None:
    inputs = [Input(str(place), "INT", {}, required=True) for place in range(2000)]
    values = named_values("Any", inputs, list(range(2000)))
    assert values.inputs == {str(place): place for place in range(2000)}


def test_many_values_by_name() -> None:
    def work(count: int) -> int:
        inputs = [Input(str(place), "INT", {}, required=True) for place in range(count)]
        return steps_of(lambda: named_values("Any", inputs, {entry.name: 1 for entry in inputs}))

    assert work(LARGE) < MOST * work(SMALL)


def test_bypassed_subgraphs_that_multiply(schemas: Schemas) -> None:
    """Each holds the next one twice; the outermost also saves, and none of it is sent for that."""
    depth = 30
    inverting = {"type": "ImageInvert", "inputs": [], "outputs": [{"name": "IMAGE", "type": "IMAGE"}]}
    definitions = []
    for level in range(depth):
        kind = {"type": f"sub {level + 1}"} if level + 1 < depth else {}
        nodes: list[dict[str, Any]] = [{**inverting, **kind, "id": place, "mode": 0} for place in (1, 2)]
        if level == 0:
            nodes.append({"id": 3, "type": "SaveImage", "inputs": [], "mode": 0})
        links = [[place, place, 0, -20, place, "IMAGE"] for place in (1, 2)]
        definitions.append({"id": f"sub {level}", "nodes": nodes, "links": links, "inputs": [], "outputs": []})
    outer = [{"id": 1, "type": "sub 0", "inputs": [], "mode": 4}]
    definitions.append({"id": "outer", "nodes": outer, "links": [], "inputs": [], "outputs": []})
    graph = parse_graph(
        json.dumps(canvas({"type": "outer", "inputs": []}, definitions={"subgraphs": definitions})), schemas
    )
    assert not graph.nodes


def test_more_than_the_limit_is_refused(schemas: Schemas) -> None:
    node = {"id": 1, "type": "Note"}
    with pytest.raises(GraphError, match=r"at most 100,000 nodes"):
        saved_graph({"nodes": [node] * (MOST_NODES + 1)})
    with pytest.raises(GraphError, match=r"wires"):
        saved_graph({"nodes": [node], "links": [None] * (10 * MOST_NODES + 1)})
    with pytest.raises(GraphError, match=r"at most 100,000 nodes"):
        Graph.from_api({str(place): {"class_type": "A"} for place in range(MOST_NODES + 1)})


@pytest.mark.parametrize("number", ["Infinity", "-Infinity", "NaN", "1e400"])
@pytest.mark.parametrize("place", range(5))
def test_numbers_that_are_none_in_wires(schemas: Schemas, number: str, place: int) -> None:
    link = ["1", "1", "0", "2", "0"]
    link[place] = number
    text = f'{{"nodes": [{{"id": 1, "type": "ImageInvert"}}], "links": [[{", ".join(link)}, "IMAGE"]]}}'
    try:
        parse_graph(text, schemas)
    except GraphError as problem:
        words = str(problem)
    else:
        words = "another shape"  # an id may be any text
    assert "another shape" in words


@pytest.mark.parametrize("number", ["Infinity", "NaN"])
def test_numbers_that_are_none_in_a_slot_or_mode(schemas: Schemas, number: str) -> None:
    for node in (
        f'{{"id": 1, "type": "A", "inputs": [{{"name": "a", "type": "A", "link": {number}}}]}}',
        f'{{"id": 1, "type": "A", "mode": {number}}}',
    ):
        with pytest.raises(GraphError, match="another shape"):
            parse_graph(f'{{"nodes": [{node}]}}', schemas)
