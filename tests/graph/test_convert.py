"""Canvases become graphs, also where the front end stumbles, and what is wrong with them is told."""

from __future__ import annotations

import contextlib
import copy
import json
import random
from datetime import datetime
from typing import Any

import pytest
from fomm_nodes.fomm_core.errors import GraphError
from fomm_nodes.graph.model import Link
from fomm_nodes.graph.reading import parse_graph
from fomm_nodes.graph.schemas import Schemas
from fomm_nodes.graph.texts import first_alternatives
from fomm_nodes.graph.widgets import inputs_of, named_values

from .conftest import CASES, canvas, converted, errors, load, slot

# What the front end does not do, or not well


def test_a_subgraph_that_is_muted_or_bypassed_does_not_run(schemas: Schemas) -> None:
    data = load("subgraphs")["workflow"]
    hosts = [node for node in data["nodes"] if node["type"] == "aaaa-1"]
    hosts[0]["mode"], hosts[1]["mode"] = 2, 4
    nodes = converted(data, schemas).nodes
    gone = {str(host["id"]) for host in hosts[:2]}
    assert not [name for name in nodes if name.split(":")[0] in gone]
    origins = {node.inputs.get("image") for node in nodes.values() if node.type == "SampleSink"}
    assert Link("1", 0) in origins  # straight through the bypassed one
    assert None in origins  # nothing from the muted one


def test_a_subgraph_may_hand_an_input_straight_on(schemas: Schemas) -> None:
    inner = {
        "id": "through",
        "name": "Through",
        "inputs": [{"name": "in", "type": "IMAGE"}],
        "outputs": [{"name": "out", "type": "IMAGE"}],
        "inputNode": {"id": -10},
        "outputNode": {"id": -20},
        "nodes": [],
        "links": [{"id": 1, "origin_id": -10, "origin_slot": 0, "target_id": -20, "target_slot": 0}],
    }
    data = canvas(
        {"type": "SampleSource", "widgets_values": ["a"]},
        {"type": "through", "inputs": [slot("in", "IMAGE", 1)], "outputs": [slot("out", "IMAGE")]},
        {"type": "SampleSink", "inputs": [slot("image", "IMAGE", 2)], "widgets_values": [1, 1.0, "", "one"]},
        links=[[1, 1, 0, 2, 0, "IMAGE"], [2, 2, 0, 3, 0, "IMAGE"]],
        definitions={"subgraphs": [inner]},
    )
    assert converted(data, schemas).nodes["3"].inputs["image"] == Link("1", 0)


def test_pairs_that_stand_for_a_wire(schemas: Schemas) -> None:
    data = canvas(
        {"type": "SampleSource", "widgets_values": ["a"]},
        {"type": "SetNode", "inputs": [slot("IMAGE", "IMAGE", 1)], "widgets_values": ["picture"]},
        {"type": "GetNode", "outputs": [slot("IMAGE", "IMAGE")], "widgets_values": ["picture"]},
        {"type": "GetNode", "outputs": [slot("IMAGE", "IMAGE")], "widgets_values": ["nothing"]},
        {"type": "SampleSink", "inputs": [slot("image", "IMAGE", 2), slot("any", "*", 3)]},
        links=[[1, 1, 0, 2, 0, "IMAGE"], [2, 3, 0, 5, 0, "IMAGE"], [3, 4, 0, 5, 2, "IMAGE"]],
    )
    graph = converted(data, schemas)
    assert set(graph.nodes) == {"1", "5"}
    assert graph.nodes["5"].inputs["image"] == Link("1", 0)
    assert "nothing is sent" in errors(graph)[0]


def test_values_saved_by_name(schemas: Schemas) -> None:
    graph = converted(canvas({"type": "KSampler", "widgets_values": {"seed": 5, "steps": 7}}), schemas)
    assert (graph.nodes["1"].inputs["seed"], graph.nodes["1"].inputs["steps"]) == (5, 7)
    assert graph.nodes["1"].inputs["cfg"] == 8


def test_values_without_what_the_canvas_adds(schemas: Schemas) -> None:
    """Such files are written by other programs: no word on how the seed changes."""
    graph = converted(canvas({"type": "KSampler", "widgets_values": [5, 7, 2.5, "euler", "normal", 0.5]}), schemas)
    assert graph.nodes["1"].inputs == {
        "seed": 5,
        "steps": 7,
        "cfg": 2.5,
        "sampler_name": "euler",
        "scheduler": "normal",
        "denoise": 0.5,
    }


def test_a_choice_that_brings_its_own_inputs() -> None:
    size = {"required": {"width": ["INT", {"default": 8}], "seed": ["INT", {}]}}
    both = [{"key": "by size", "inputs": size}, {"key": "by factor", "inputs": {"required": {"factor": ["FLOAT", {}]}}}]
    declared = inputs_of(
        {"input": {"required": {"how": ["COMFY_DYNAMICCOMBO_V3", {"options": both}], "last": ["STRING", {}]}}}
    )
    by_size = named_values("X", declared, ["by size", 16, 3, "end"])
    assert by_size.inputs == {"how": "by size", "how.width": 16, "how.seed": 3, "last": "end"}
    by_factor = named_values("X", declared, ["by factor", 0.5, "end"])
    assert by_factor.inputs == {"how": "by factor", "how.factor": 0.5, "last": "end"}
    assert (
        named_values("X", declared, {"how": "by factor", "how.factor": 2.0, "last": "end"}).inputs["how.factor"] == 2.0
    )


def test_dates_only_where_the_time_is_given(schemas: Schemas) -> None:
    data = canvas({"type": "SaveImage", "widgets_values": ["%date:yyyy-MM-dd hh:mm:ss yy M d% %nothing%"]})
    kept = converted(data, schemas).nodes["1"].inputs["filename_prefix"]
    assert kept == data["nodes"][0]["widgets_values"][0]
    filled = converted(data, schemas, now=datetime(2026, 3, 9, 7, 5, 4)).nodes["1"].inputs["filename_prefix"]
    assert filled == "2026-03-09 07:05:04 26 3 9 %nothing%"


def test_the_first_of_alternatives_is_taken_and_told(schemas: Schemas) -> None:
    graph = converted(canvas({"type": "CLIPTextEncode", "widgets_values": ["a {day|{wet|dry} night} scene"]}), schemas)
    assert graph.nodes["1"].inputs["text"] == "a day scene"
    assert [(p.severity, p.port) for p in graph.problems] == [("warning", "text")]
    assert first_alternatives("{" * 100_000) == ("", False)


# What is wrong with a file is told


def test_saved_by_another_version(schemas: Schemas) -> None:
    long = [5, "fixed", 7, 2.5, "euler", "normal", 0.5, "what", "is this"]
    assert "2 more values" in str(converted(canvas({"type": "KSampler", "widgets_values": long}), schemas).problems[0])
    short = converted(canvas({"type": "KSampler", "widgets_values": long[:6]}), schemas)
    assert [(p.port, p.severity) for p in short.problems] == [("denoise", "warning")]
    assert short.nodes["1"].inputs["denoise"] == 1.0


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (canvas({"id": 4, "type": "SampleSource"}, {"id": 4, "type": "SampleSource"}), "several nodes have this id"),
        (canvas({"type": "SampleSink", "inputs": [slot("image", "IMAGE", 9)]}), "its wire 9 is not in the file"),
        (
            canvas({"type": "SampleSink", "inputs": [slot("image", "IMAGE", 9)]}, links=[[9, 7, 0, 1, 0, "IMAGE"]]),
            "comes from node 7, which is not there",
        ),
        (
            canvas(
                {"type": "Reroute", "inputs": [slot("", "*", 1)], "outputs": [slot("", "IMAGE")]},
                {"type": "Reroute", "inputs": [slot("", "*", 2)], "outputs": [slot("", "IMAGE")]},
                {"type": "SampleSink", "inputs": [slot("image", "IMAGE", 3)]},
                links=[[1, 2, 0, 1, 0, "*"], [2, 1, 0, 2, 0, "*"], [3, 1, 0, 3, 0, "*"]],
            ),
            "runs in a circle",
        ),
        (
            canvas({"type": "Strange", "properties": {"cnr_id": "strange-pack", "ver": "1.2"}}),
            "the pack “strange-pack 1.2” has it",
        ),
    ],
)
def test_what_is_wrong_with_a_file(data: dict[str, Any], words: str, schemas: Schemas) -> None:
    assert any(words in message for message in errors(converted(data, schemas)))


def test_a_class_that_is_not_known_keeps_what_the_file_tells(schemas: Schemas) -> None:
    inputs = [slot("image", "IMAGE", 1), slot("seed", "INT", widget=True), slot("size", "INT", widget=True)]
    data = canvas(
        {"type": "SampleSource"},
        {"type": "Strange", "inputs": inputs, "widgets_values": [5, "fixed", 640]},
        links=[[1, 1, 0, 2, 0, "IMAGE"]],
    )
    assert converted(data, schemas).nodes["2"].inputs == {"seed": 5, "size": 640, "image": Link("1", 0)}


def test_a_subgraph_within_itself_ends_in_words(schemas: Schemas) -> None:
    data = load("subgraphs")["workflow"]
    data["definitions"]["subgraphs"][0]["nodes"].append({"id": 99, "type": "aaaa-1", "mode": 0})
    with pytest.raises(GraphError, match="holds itself"):
        converted(data, schemas)


def test_subgraphs_that_multiply_end_in_words(schemas: Schemas, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fomm_nodes.graph.convert.MOST_NODES", 500)

    def level(number: int) -> dict[str, Any]:
        kind = f"level{number + 1}" if number < 20 else "SampleSource"
        nodes = [{"id": place, "type": kind, "mode": 0} for place in range(2)]
        return {"id": f"level{number}", "name": f"level{number}", "nodes": nodes, "links": []}

    data = canvas({"type": "level0"}, definitions={"subgraphs": [level(number) for number in range(21)]})
    with pytest.raises(GraphError, match="at most 500 nodes"):
        converted(data, schemas)


def test_a_very_long_chain_of_reroutes_ends_in_words(schemas: Schemas) -> None:
    reroutes = [
        {"type": "Reroute", "inputs": [slot("", "*", place)], "outputs": [slot("", "*")]} for place in range(2000)
    ]
    links = [[place, place, 0, place + 1, 0, "*"] for place in range(1, 2001)]
    data = canvas(*reroutes, {"type": "SampleSink", "inputs": [slot("image", "IMAGE", 2000)]}, links=links)
    with pytest.raises(GraphError, match="wires of a sensible length"):
        converted(data, schemas)


@pytest.mark.parametrize("seed", range(60))
def test_a_damaged_file_ends_in_words(seed: int, schemas: Schemas) -> None:
    """Any part of the file replaced by something else: converted all the same, or refused by a GraphError."""
    chance = random.Random(seed)
    data = copy.deepcopy(load(chance.choice(CASES))["workflow"])
    for _ in range(3):
        _damage(data, chance)
    with contextlib.suppress(GraphError):
        json.dumps(parse_graph(json.dumps(data), schemas).to_api())


def _damage(data: Any, chance: random.Random) -> None:
    """Replace one value, more often a deep one."""
    while True:
        keys = list(data) if isinstance(data, dict) else list(range(len(data)))
        key = chance.choice(keys)
        inner = data[key]
        if not isinstance(inner, (dict, list)) or not inner or chance.random() < 0.15:
            data[key] = chance.choice([None, -1, 10**30, "", "x", [], {}, [None], {"a": 1}, 0.5, True])
            return
        data = inner
