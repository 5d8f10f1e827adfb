"""A ComfyUI server behind the worker: which node made which file, and what a server without our blocks is told."""

from __future__ import annotations

from pathlib import Path

from fomm_nodes.batch.comfyui.client import RefusedError
from fomm_nodes.batch.comfyui.prompt import refusal
from fomm_nodes.batch.comfyui.remote import STEM, makers_of
from fomm_nodes.batch.engine import Job
from fomm_nodes.batch.outputs import Made, final_names, labels

SAVER = {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "fomm/my masks"}}
GRAPH = {
    "1": {"class_type": "FOMM_LoadExample", "inputs": {}, "_meta": {"title": "Load Example"}},
    "4": SAVER,
    "7": {"class_type": "SaveVideo", "inputs": {"video": ["1", 1], "filename_prefix": "video/film"}},
}


def job(graph: dict) -> Job:
    return Job("1", graph, (), Path("out") / STEM, "")


def names(graph: dict, *nodes: str) -> list[Path]:
    """As a server's files are called here."""
    words = labels(graph)
    return final_names(job(graph), [Made(words[node], Path(f"{n}.png")) for n, node in enumerate(nodes)])


def test_each_file_has_the_node_that_made_it() -> None:
    assert makers_of(GRAPH, names(GRAPH, "4", "4", "7")) == ["4", "4", "7"]


def test_one_that_is_alone_needs_no_name() -> None:
    graph = {"1": GRAPH["1"], "4": SAVER}
    assert makers_of(graph, names(graph, "4")) == ["4"]
    assert makers_of(graph, names(graph, "4", "4")) == ["4", "4"]


def test_what_no_name_tells_is_left_open() -> None:
    assert makers_of(GRAPH, [Path("result.png"), Path("result_other_00001.png")]) == ["", ""]


def test_a_server_without_our_blocks_is_told_how_to_get_them() -> None:
    missing = {"type": "missing_node_type", "message": "Cannot execute because a node is missing.", "details": ""}
    missing["extra_info"] = {"node_id": "1", "class_type": "FOMM_LoadExample"}
    said = str(refusal(job(GRAPH), RefusedError("no", 400, {"error": missing, "node_errors": {}}), "http://here:8188"))
    assert "custom_nodes" in said
    missing["extra_info"] = {"node_id": "1", "class_type": "SomebodysNode"}
    said = str(refusal(job(GRAPH), RefusedError("no", 400, {"error": missing, "node_errors": {}}), "http://here:8188"))
    assert "custom_nodes" not in said
