"""The worker process with a ComfyUI behind it, as Blender's preference asks for."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import pytest
from fomm_nodes.nodes.hosts.blender.client import Client, Result, Settings
from PIL import Image

pytest.importorskip("httpx")
pytest.importorskip("websockets")


def client_of(server, folder: Path) -> Client:
    return Client(Settings(sys.executable, inputs=(folder,), device="cpu", server=server.url))


def made_by(client: Client, graph: dict[str, Any], output: Path) -> Result:
    done, failed = [], []
    client.submit(graph, output=output, on_done=done.append, on_error=failed.append)
    finish(client, lambda: done or failed)
    assert failed == []
    return done[0]


def finish(client: Client, ended) -> None:
    end = time.monotonic() + 90
    while not ended():
        assert time.monotonic() < end, "it took too long"
        client.poll()
        time.sleep(0.02)


def test_each_file_comes_with_the_node_that_made_it(comfy, tmp_path: Path) -> None:
    """Those that are only for looking at too, though others are kept; with the same title, and inside a group."""
    server = comfy()
    Image.new("RGB", (8, 6), "red").save(tmp_path / "face.png")
    saved = {"images": ["1", 0], "filename_prefix": "x"}
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "face.png"}},
        "3": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}, "_meta": {"title": "Look"}},
        "2": {"class_type": "SaveImage", "inputs": saved},
        "9:4": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}, "_meta": {"title": "Look"}},
    }
    client = client_of(server, tmp_path)
    try:
        files = made_by(client, graph, tmp_path / "out" / "anna").files
        assert {(made.node, made.shown) for made in files} == {("2", False), ("3", True), ("9:4", True)}
        assert [made.path.name for made in files if not made.shown] == ["anna.png"]
        assert all(made.path.is_file() for made in files)
    finally:
        client.close()


def test_what_goes_wrong_is_told_without_names_of_classes(comfy, tmp_path: Path) -> None:
    server = comfy()
    graph = {"1": {"class_type": "LoadImage", "inputs": {"image": "gone.png"}}}
    client = client_of(server, tmp_path)
    failed = []
    try:
        client.submit(graph, on_done=failed.append, on_error=failed.append)
        finish(client, lambda: failed)
        server.die()
        client.submit({"1": {"class_type": "Slow", "inputs": {}}}, on_done=failed.append, on_error=failed.append)
        finish(client, lambda: len(failed) == 2)
        assert "'gone.png' is not there" in failed[0].message
        assert "no server answers" in failed[1].message
        assert all("Error:" not in failure.message for failure in failed)
    finally:
        client.close()


def test_a_server_without_our_pack_gets_a_hint(comfy, tmp_path: Path) -> None:
    server, failed = comfy(), []
    graph = {
        "1": {"class_type": "FOMM_OfAnotherVersion", "inputs": {}, "_meta": {"title": "Animate"}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
    }
    client = client_of(server, tmp_path)
    try:
        client.submit(graph, output=tmp_path / "out" / "a", on_done=failed.append, on_error=failed.append)
        finish(client, lambda: failed)
        assert "put fomm-nodes into the custom_nodes of that ComfyUI" in failed[0].message
        assert failed[0].node == "Animate"
    finally:
        client.close()


def test_jobs_go_to_the_server_and_can_be_cancelled_there(comfy, tmp_path: Path) -> None:
    server = comfy()
    Image.new("RGB", (8, 6), "red").save(tmp_path / "face.png")
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "face.png"}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
    }
    slow = {**graph, "3": {"class_type": "Slow", "inputs": {"images": ["1", 0]}}}
    slow["2"] = {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "x"}}
    client = client_of(server, tmp_path)
    done, failed = [], []
    try:
        files = made_by(client, graph, tmp_path / "out" / "anna").files
        assert [made.path.name for made in files] == ["anna.png"]
        assert list(server.inputs.values()) == [(tmp_path / "face.png").read_bytes()]
        handle = client.submit(slow, on_done=done.append, on_error=failed.append)
        finish(client, lambda: server.running)
        asked = time.monotonic()
        handle.cancel()
        finish(client, lambda: failed)
        assert failed[0].cancelled
        assert time.monotonic() - asked < client.settings.cancel_seconds
    finally:
        server.hold.set()
        client.close()
