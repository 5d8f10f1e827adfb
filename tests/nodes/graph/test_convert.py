"""Canvases become what ComfyUI's own front end makes of them."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import random
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from fomm_nodes.fomm_core.errors import GraphError
from fomm_nodes.nodes.graph.convert import convert
from fomm_nodes.nodes.graph.model import Graph, Link
from fomm_nodes.nodes.graph.reading import parse_graph, read_graph
from fomm_nodes.nodes.graph.saved import saved_graph
from fomm_nodes.nodes.graph.schemas import Schemas, schemas_from, schemas_of
from fomm_nodes.nodes.graph.texts import first_alternatives
from fomm_nodes.nodes.graph.widgets import inputs_of, named_values
from fomm_nodes.nodes.hosts.block_table import known_blocks

from .conftest import CASES, canvas, load, slot

WORKFLOWS = Path(__file__).parents[3] / "workflows"


def converted(data: dict[str, Any], schemas: Schemas, **options: Any) -> Graph:
    return convert(saved_graph(data), schemas, **options)


def sent(graph: Graph) -> dict[str, Any]:
    return json.loads(json.dumps(graph.to_api()))


def errors(graph: Graph) -> list[str]:
    return [str(problem) for problem in graph.problems if problem.severity == "error"]


@pytest.mark.parametrize("name", CASES)
def test_as_the_front_end_converts_it(name: str, schemas: Schemas) -> None:
    case = load(name)
    graph = converted(case["workflow"], schemas)
    assert sent(graph) == case["prompt"]
    for key, node in case["prompt"].items():  # the order of the inputs too
        assert list(graph.nodes[key].inputs) == list(node["inputs"])
    assert errors(graph) == []


@pytest.mark.parametrize("path", sorted(WORKFLOWS.glob("*.json")), ids=lambda path: path.stem)
def test_our_own_graphs_need_no_server_to_be_converted(path: Path) -> None:
    graph = converted(json.loads(path.read_text(encoding="utf-8")), schemas_of(known_blocks()))
    assert sent(graph) == load(f"of-{path.stem}")["prompt"]
    assert not graph.problems


def test_real_workflows() -> None:
    """Against conversions made by the real front end, where a folder of them (ui/, api/, object_info.json) is named."""
    folder = os.environ.get("FOMM_WORKFLOWS")
    if not folder:
        pytest.skip("needs pairs of workflows and their conversions: name their folder in FOMM_WORKFLOWS")
    known = schemas_from(Path(folder, "object_info.json"))
    wrong, paths = [], sorted(Path(folder, "ui").glob("*.json"))
    for path in paths:
        graph = parse_graph(path.read_text(encoding="utf-8"), known)
        if sent(graph) != json.loads(Path(folder, "api", path.name).read_text(encoding="utf-8")):
            wrong.append(path.name)
    assert paths
    assert not wrong, f"{len(paths) - len(wrong)} of {len(paths)} identical; not: {wrong}"


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
    monkeypatch.setattr("fomm_nodes.nodes.graph.convert.MOST_NODES", 500)

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


# Subgraphs whose values follow `proxyWidgets`


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
    from fomm_nodes.nodes.render.batch import local_schemas

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
    from fomm_nodes.nodes.render.batch import local_schemas

    graph = read_graph(shared / "cases" / "graphs" / f"{name}.json", local_schemas(None))
    assert (graph.nodes["7:5"].inputs["width"], graph.nodes["7:5"].inputs["height"]) == (640, 480)
