"""What `check` finds, and that it finds nothing where nothing is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fomm_nodes.graph.check import check
from fomm_nodes.graph.model import Graph, Problem
from fomm_nodes.graph.reading import parse_graph, read_graph
from fomm_nodes.graph.schemas import Schemas, schemas_of
from fomm_nodes.nodes.block_table import known_blocks

from .conftest import canvas

WORKFLOWS = Path(__file__).parents[2] / "workflows"
GOOD: dict[str, Any] = {
    "1": {"class_type": "SampleSource", "inputs": {"s": "a"}},
    "2": {
        "class_type": "SampleSink",
        "inputs": {"image": ["1", 0], "mask": ["1", 1], "i": 3, "f": 1, "any": ["1", 2], "s": "x", "c": "two"},
    },
    "3": {
        "class_type": "KSampler",
        "inputs": {
            **{"seed": 5, "steps": 20, "cfg": 8, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0},
            **{"model": ["4", 5], "positive": ["4", 5], "negative": ["4", 5], "latent_image": ["4", 5]},
        },
    },
    "4": {"class_type": "SampleSource", "inputs": {"s": "a"}},
}


def graph(**changes: Any) -> Graph:
    """The good graph with some inputs of node 2 changed, None removing them."""
    inputs = {**GOOD["2"]["inputs"], **changes}
    kept = {port: value for port, value in inputs.items() if value is not None}
    return Graph.from_api({**GOOD, "2": {**GOOD["2"], "inputs": kept}})


def test_nothing_is_wrong_with_a_good_graph(schemas: Schemas) -> None:
    assert check(graph(), schemas) == []
    known = schemas_of(known_blocks())
    for path in sorted(WORKFLOWS.glob("*.json")):
        assert check(read_graph(path, known), known) == []


@pytest.mark.parametrize(
    ("changes", "port", "words"),
    [
        ({"image": None}, "image", "it has no wire"),
        ({"image": 3}, "image", "expected a wire that brings IMAGE; got 3"),
        ({"image": ["9", 0]}, "image", "node 9, which is not in the graph"),
        ({"image": ["1", 6]}, "image", "output 6 of “SampleSource” (node 1), which has 6"),
        ({"image": ["1", -1]}, "image", "output -1"),
        ({"image": ["1", 1]}, "image", "expected IMAGE; “SampleSource” (node 1) gives MASK"),
        ({"i": "3"}, "i", "expected a whole number; got '3'"),
        ({"i": True}, "i", "expected a whole number; got True"),
        ({"i": 2.5}, "i", "expected a whole number; got 2.5"),
        ({"f": "x"}, "f", "expected a number; got 'x'"),
        ({"f": float("nan")}, "f", "got nan"),
        ({"s": 3}, "s", "expected text; got 3"),
        ({"c": "three"}, "c", "expected one of one, two; got 'three'"),
        ({"c": "a.safetensors"}, "c", "the file 'a.safetensors' is missing; there are one, two"),
    ],
)
def test_what_is_wrong_with_an_input(changes: dict[str, Any], port: str, words: str, schemas: Schemas) -> None:
    found = check(graph(**changes), schemas)
    assert [(p.severity, p.node, p.title, p.port) for p in found] == [("error", "2", "SampleSink", port)]
    assert words in found[0].message
    assert str(found[0]).startswith(f"error: SampleSink.{port} (node 2): ")


def test_values_out_of_range(schemas: Schemas) -> None:
    for changes, words in (({"steps": 0}, "expected 1 to 10000; got 0"), ({"cfg": 100.5}, "expected 0.0 to 100.0")):
        data = {**GOOD, "3": {**GOOD["3"], "inputs": {**GOOD["3"]["inputs"], **changes}}}
        (found,) = check(Graph.from_api(data), schemas)
        assert words in found.message


def test_a_circle_is_found_beside_other_faults(schemas: Schemas) -> None:
    inputs = {"i": 1, "f": 1.0, "mask": ["1", 1], "image2": ["9", 0]}
    data = {**GOOD, "5": {"class_type": "SamplePass", "inputs": {**inputs, "image": ["5", 0]}}}
    messages = [problem.message for problem in check(Graph.from_api(data), schemas)]
    assert len(messages) == 2
    assert "node 9" in messages[0]
    assert "circle: “SamplePass” (node 5) → “SamplePass” (node 5)" in messages[1]


def test_unknown_nodes_and_the_pack_they_come_from(schemas: Schemas) -> None:
    found = check(Graph.from_api({"1": {"class_type": "Strange", "inputs": {}}}), schemas)
    assert ["“Strange” is none here (a pack has it that is not named" in problem.message for problem in found] == [True]
    saved = canvas({"type": "Strange", "title": "Mine", "properties": {"aux_id": "someone/strange", "ver": "1.2"}})
    found = check(_parsed(saved, schemas), schemas)
    assert [(p.title, "pack “someone/strange 1.2”" in p.message) for p in found] == [("Mine", True)]


def test_a_graph_that_does_nothing(schemas: Schemas) -> None:
    data = {"1": {"class_type": "CLIPTextEncode", "inputs": {"text": "", "clip": ["1", 0]}}}
    assert any("nothing runs" in problem.message for problem in check(Graph.from_api(data), schemas))


@pytest.mark.parametrize(
    ("name", "severity", "words"),
    [
        ("face.png", None, ""),
        ("deep/face.png [input]", None, ""),
        ("gone.png", "error", "'gone.png' is not there"),
        ("../face.png", "error", "leads elsewhere"),
        ("/etc/passwd", "error", "leads elsewhere"),
        ("C:\\face.png", "error", "leads elsewhere"),
        ("", "error", "expected the name of a file"),
        (3, "error", "expected the name of a file"),
        ("face.png [output]", "warning", "output folder"),
    ],
)
def test_files_that_it_loads(name: Any, severity: str | None, words: str, schemas: Schemas, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for path in (tmp_path / "face.png", tmp_path / "deep" / "face.png"):
        path.touch()
    data = {**GOOD, "5": {"class_type": "LoadImage", "inputs": {"image": name}}}
    found = check(Graph.from_api(data), schemas, input_folder=tmp_path)
    assert [problem.severity for problem in found] == ([] if severity is None else [severity])
    assert all(words in problem.message for problem in found)


def test_weights_that_the_maker_noted(schemas: Schemas, tmp_path: Path) -> None:
    noted = {"name": "v.safetensors", "directory": "vae", "url": "https://example.org/v.safetensors"}
    outside = {**noted, "directory": "../.."}
    data = canvas({"type": "SampleSource", "widgets_values": ["a"], "properties": {"models": [noted, outside]}})
    made = _parsed(data, schemas)
    expected = "the file 'v.safetensors' is missing: put it from https://example.org/v.safetensors into models/vae"
    assert [problem.message for problem in _about(made, schemas, tmp_path)] == [expected]
    (tmp_path / "vae").mkdir()
    (tmp_path / "vae" / "v.safetensors").touch()
    assert _about(made, schemas, tmp_path) == []
    assert _about(made, schemas, None) == []


def _about(made: Graph, schemas: Schemas, folder: Path | None) -> list[Problem]:
    return [problem for problem in check(made, schemas, models_folder=folder) if problem.node]


def _parsed(data: dict[str, Any], schemas: Schemas) -> Graph:
    return parse_graph(json.dumps(data), schemas)
