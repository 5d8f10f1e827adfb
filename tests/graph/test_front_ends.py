"""Canvases become what ComfyUI's own front end makes of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fomm_nodes.batch.render import local_schemas
from fomm_nodes.graph.check import check
from fomm_nodes.graph.reading import parse_graph
from fomm_nodes.graph.saved import saved_graph
from fomm_nodes.graph.schemas import Schemas, schemas_from, schemas_of
from fomm_nodes.nodes.block_table import known_blocks
from front_ends import is_as_the_front_end_has_it, real_workflows

from .conftest import CASES, CASES_2026, converted, errors, load, sent, sent_inputs

ALTERNATIVES = "of its alternatives in braces, {this|that}, the first is taken; a canvas draws one"
WORKFLOWS = Path(__file__).parents[2] / "workflows"


@pytest.mark.parametrize("name", CASES)
def test_as_the_front_end_converts_it(name: str, schemas: Schemas) -> None:
    case = load(name)
    graph = converted(case["workflow"], schemas)
    assert sent(graph) == case["prompt"]
    for key, node in case["prompt"].items():  # the order of the inputs too
        assert list(graph.nodes[key].inputs) == list(node["inputs"])
    assert errors(graph) == []


@pytest.mark.parametrize("form", ["workflow", "saved"])
@pytest.mark.parametrize("name", CASES_2026)
def test_as_the_front_end_of_2026_converts_it(name: str, form: str, schemas_2026: Schemas) -> None:
    case = load(name)
    graph = converted(case[form], schemas_2026)
    assert sent_inputs(graph) == {key: node["inputs"] for key, node in case["prompt"].items()}
    for key, node in case["prompt"].items():
        assert list(graph.nodes[key].inputs) == list(node["inputs"])
    assert {problem.message for problem in graph.problems} == {ALTERNATIVES}


@pytest.mark.parametrize("name", CASES_2026)
def test_values_by_name_need_no_schemas(name: str) -> None:
    """But texts stay as they are: only a class says which of them hold alternatives."""
    case = load(name)
    graph = converted(case["saved"], Schemas({}))
    inputs = sent_inputs(graph)
    differing = [key for key, node in case["prompt"].items() if inputs[key] != node["inputs"]]
    assert [case["prompt"][key]["class_type"] for key in differing] == ["KindPrompt"]
    assert errors(graph) == []
    assert all("unchecked" in problem.message for problem in graph.problems)


@pytest.mark.parametrize("path", sorted(WORKFLOWS.glob("*.json")), ids=lambda path: path.stem)
def test_our_own_graphs_need_no_server_to_be_converted(path: Path) -> None:
    graph = converted(json.loads(path.read_text(encoding="utf-8")), schemas_of(known_blocks()))
    assert sent(graph) == load(f"of-{path.stem}")["prompt"]
    assert not graph.problems


def test_a_graph_of_ours_that_a_newer_comfyui_has_saved() -> None:
    case, known = load("of-animate-step-by-step-0.33"), local_schemas(None)
    graph = converted(case["saved"], known)
    made = sent_inputs(graph)
    assert made == {key: node["inputs"] for key, node in case["prompt"].items()}
    assert made["25"].items() >= {"format": "auto", "format.codec": "auto", "codec": "auto"}.items()
    of_core = {name for name, node in graph.nodes.items() if not node.type.startswith("FOMM_")}
    assert not [problem for problem in check(graph, known) if problem.node in of_core]


@pytest.mark.parametrize("name", sorted(load("templates-0.33")))
def test_our_templates_as_comfyui_0_33_saves_them(name: str) -> None:
    """Equal to what front end 1.58.1 sends, without a warning; with the titles that it writes, too."""
    case = load("templates-0.33")[name]
    graph = converted(case["saved"], local_schemas(None))
    assert graph.problems == ()
    assert sent(graph) == case["prompt"]


@pytest.mark.parametrize("described", [True, False], ids=["object-info", "no-object-info"])
def test_real_workflows(described: bool) -> None:
    """Against conversions made by the real front end, where folders of them (ui/, api/, object_info.json) are named."""
    if not real_workflows():
        pytest.skip("needs pairs of workflows and their conversions: name their folders in FOMM_WORKFLOWS")
    wrong, count = [], 0
    for folder in real_workflows():
        info = schemas_from(folder / "object_info.json")
        for path in sorted((folder / "ui").glob("*.json")):
            data = json.loads(path.read_text(encoding="utf-8"))
            if not described and not saved_graph(data).names_values:
                continue
            graph = parse_graph(json.dumps(data), info if described else local_schemas(None))
            count += 1
            if not is_as_the_front_end_has_it(sent(graph), path, info):
                wrong.append(f"{folder.name}/{path.name}")
    assert count or not described
    assert not wrong, f"{count - len(wrong)} of {count} identical; not: {wrong}"
