"""A ComfyUI server behind the worker: what one without our blocks is told."""

from __future__ import annotations

from pathlib import Path

from fomm_nodes.batch.comfyui.client import RefusedError
from fomm_nodes.batch.comfyui.prompt import refusal
from fomm_nodes.batch.engine import Job

GRAPH = {"1": {"class_type": "FOMM_LoadExample", "inputs": {}, "_meta": {"title": "Load Example"}}}


def job(graph: dict) -> Job:
    return Job("1", graph, (), Path("out"), "")


def test_a_server_without_our_blocks_is_told_how_to_get_them() -> None:
    missing = {"type": "missing_node_type", "message": "Cannot execute because a node is missing.", "details": ""}
    missing["extra_info"] = {"node_id": "1", "class_type": "FOMM_LoadExample"}
    said = str(refusal(job(GRAPH), RefusedError("no", 400, {"error": missing, "node_errors": {}}), "http://here:8188"))
    assert "custom_nodes" in said
    missing["extra_info"] = {"node_id": "1", "class_type": "SomebodysNode"}
    said = str(refusal(job(GRAPH), RefusedError("no", 400, {"error": missing, "node_errors": {}}), "http://here:8188"))
    assert "custom_nodes" not in said
