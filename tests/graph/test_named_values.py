"""Values that a file holds by name, and those whose names no class knows."""

from __future__ import annotations

from typing import Any

import pytest
from fomm_nodes.graph.check import check
from fomm_nodes.graph.schemas import Schemas
from fomm_nodes.graph.settings import targets
from fomm_nodes.graph.unknown_classes import PROMPTS

from .conftest import canvas, converted, load, slot

SAMPLER = {"seed": 5, "control_after_generate": "fixed", "steps": 7, "cfg": 2.5, "denoise": 0.5}


def test_names_count_where_positions_are_those_of_another_version(schemas: Schemas) -> None:
    named = {**SAMPLER, "sampler_name": "euler", "scheduler": "normal"}
    data = canvas({"type": "KSampler", "widgets_values": [0.5, "euler"], "widgets_values_named": named})
    graph = converted(data, schemas)
    assert graph.nodes["1"].inputs == {name: value for name, value in named.items() if "control" not in name}
    assert not graph.problems


def test_a_value_without_a_name_here_is_kept_and_told(schemas: Schemas) -> None:
    named = {**SAMPLER, "sampler_name": "euler", "scheduler": "normal", "shift": 3.5, "upload": "image"}
    graph = converted(canvas({"type": "KSampler", "widgets_values": [], "widgets_values_named": named}), schemas)
    assert graph.nodes["1"].inputs["shift"] == 3.5
    assert "upload" not in graph.nodes["1"].inputs
    assert [(problem.severity, problem.port) for problem in graph.problems] == [("warning", "shift")]


def test_names_and_positions_that_contradict_are_told(schemas: Schemas) -> None:
    data = canvas({"type": "SampleSource", "widgets_values": ["b"], "widgets_values_named": {"name": "a"}})
    data["nodes"][0]["type"] = "Strange"
    graph = converted(data, schemas)
    assert graph.nodes["1"].inputs == {"name": "a"}
    assert "by name are taken" in str(graph.problems[0])


FORMATS = {
    "video/h264-mp4": [["pix_fmt", ["yuv420p", "yuv420p10le"]], ["crf", "INT", {"default": 19, "min": 0, "max": 100}]],
    "image/gif": [],
}
COMBINE = {
    "input": {
        "required": {
            "images": ["IMAGE"],
            "frame_rate": ["FLOAT", {"default": 8}],
            "format": [["image/gif", "video/h264-mp4"], {"formats": FORMATS}],
            "save_output": ["BOOLEAN", {"default": True}],
        }
    },
    "output": [],
    "output_node": True,
}
SAVED = {
    "frame_rate": 24,
    "format": "video/h264-mp4",
    "pix_fmt": "yuv420p10le",
    "crf": 12,
    "save_output": True,
    "videopreview": {"hidden": False, "params": {}},
}


def combined(values: dict[str, Any], schema: dict[str, Any] = COMBINE) -> Any:
    data = canvas({"type": "Combine", "inputs": [slot("images", "IMAGE")], "widgets_values": values})
    return converted(data, Schemas({"Combine": schema}))


def test_settings_that_a_video_format_brings() -> None:
    graph = combined(SAVED)
    assert graph.nodes["1"].inputs == {name: value for name, value in SAVED.items() if name != "videopreview"}
    assert not graph.problems
    assert combined({**SAVED, "crf": None}).nodes["1"].inputs["crf"] is None
    short = combined({name: value for name, value in SAVED.items() if name != "crf"})
    assert (short.nodes["1"].inputs["crf"], short.problems[0].port) == (19, "crf")


def test_they_are_checked_and_can_be_set() -> None:
    schemas = Schemas({"Combine": COMBINE})
    graph = combined({**SAVED, "crf": 101})
    assert any("expected 0 to 100; got 101" in str(problem) for problem in check(graph, schemas))
    assert "crf" in [target.port for target in targets(graph, schemas)]


def test_they_are_kept_where_the_class_does_not_tell_of_them() -> None:
    plain = {"input": {"required": {"format": [["image/gif", "video/h264-mp4"]]}}, "output": [], "output_node": True}
    graph = combined(SAVED, plain)
    assert graph.nodes["1"].inputs == {name: value for name, value in SAVED.items() if name != "videopreview"}
    assert {problem.port for problem in graph.problems} == {"frame_rate", "pix_fmt", "crf", "save_output"}


def test_an_unknown_class_with_values_by_name_is_converted() -> None:
    inputs = [slot("model", "MODEL", 1), slot("file", "COMBO", widget=True), slot("upload", "IMAGEUPLOAD", widget=True)]
    data = canvas(
        {"type": "Loader", "outputs": [slot("MODEL", "MODEL")]},
        {
            "type": "Strange",
            "inputs": inputs,
            "widgets_values": ["a.png", "image", 3, "randomize"],
            "widgets_values_named": {
                "file": "a.png",
                "upload": "image",
                "seed": 3,
                "control_after_generate": "randomize",
            },
            "properties": {"cnr_id": "strange-pack"},
        },
        links=[[1, 1, 0, 2, 0, "MODEL"]],
    )
    graph = converted(data, Schemas({}))
    assert graph.nodes["2"].inputs == {"file": "a.png", "seed": 3, "model": ("1", 0)}
    assert [problem.severity for problem in graph.problems] == ["warning", "warning"]
    assert "strange-pack" in str(graph.problems[1])


def test_prompts_of_core_classes_are_known_without_schemas(schemas: Schemas) -> None:
    text = {"text": "a {day|night} // now"}
    data = canvas({"type": "CLIPTextEncode", "widgets_values": [text["text"]], "widgets_values_named": text})
    assert converted(data, Schemas({})).nodes["1"].inputs == {"text": "a day "}
    listed = {entry.name for entry in schemas.inputs("CLIPTextEncode") if entry.options.get("dynamicPrompts")}
    assert PROMPTS["CLIPTextEncode"] == listed


@pytest.mark.parametrize("named", [True, False])
def test_a_custom_choice_is_sent_with_its_number(named: bool) -> None:
    values = {"choice": "b", "index": -1, "option1": "a", "option2": "b", "option3": ""}
    node: dict[str, Any] = {"type": "CustomCombo", "widgets_values": list(values.values())}
    data = canvas(node | ({"widgets_values_named": values} if named else {}))
    schemas = Schemas({"CustomCombo": {"input": {"required": {"choice": ["COMBO", {"options": []}]}}, "output": []}})
    graph = converted(data, schemas)
    assert graph.nodes["1"].inputs == {**values, "index": 1}
    assert not graph.problems


def test_nodes_of_a_bypassed_subgraph_within_another_are_neither_checked_nor_set(schemas_2026: Schemas) -> None:
    graph = converted(load("shown-outside")["workflow"], schemas_2026)
    idle = [name for name, node in graph.nodes.items() if node.idle]
    assert idle == ["17:60:70"]
    assert "17:60:70" not in {target.node.id for target in targets(graph, schemas_2026)}
    assert not [problem for problem in check(graph, schemas_2026) if problem.node == "17:60:70"]
