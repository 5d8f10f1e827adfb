"""The worker process with a ComfyUI behind it, as Blender's preference asks for."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from fomm_nodes.nodes.hosts.blender.client import Client, Settings
from PIL import Image

pytest.importorskip("httpx")
pytest.importorskip("websockets")


def finish(client: Client, ended) -> None:
    end = time.monotonic() + 90
    while not ended():
        assert time.monotonic() < end, "it took too long"
        client.poll()
        time.sleep(0.02)


def test_jobs_go_to_the_server_and_can_be_cancelled_there(comfy, tmp_path: Path) -> None:
    server = comfy()
    Image.new("RGB", (8, 6), "red").save(tmp_path / "face.png")
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "face.png"}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
    }
    slow = {**graph, "3": {"class_type": "Slow", "inputs": {"images": ["1", 0]}}}
    slow["2"] = {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "x"}}
    client = Client(Settings(sys.executable, inputs=(tmp_path,), device="cpu", server=server.url))
    done, failed = [], []
    try:
        client.submit(graph, output=tmp_path / "out" / "anna", on_done=done.append, on_error=failed.append)
        finish(client, lambda: done or failed)
        assert failed == []
        assert [made.path.name for made in done[0].files] == ["anna.png"]
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
