"""The `fomm render` command over servers that fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("httpx")
pytest.importorskip("websockets")

from fomm_nodes.nodes.cli import main
from PIL import Image


@pytest.fixture
def batch(tmp_path: Path) -> list[str]:
    """Twelve pictures, and a graph with a node that only servers have."""
    folder = tmp_path / "in" / "faces"
    folder.mkdir(parents=True)
    for number in range(12):
        Image.new("RGB", (4, 4), (number, 0, 0)).save(folder / f"{number:02d}.png")
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "faces/00.png"}, "_meta": {"title": "Face"}},
        "2": {"class_type": "Slow", "inputs": {}},
        "9": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
    }
    (tmp_path / "graph.json").write_text(json.dumps(graph))
    files = ["-i", str(tmp_path / "in"), "-o", str(tmp_path / "out")]
    return ["render", str(tmp_path / "graph.json"), "--set", "Face.image=faces/*.png", *files]


def finished(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "out").glob("*.png"))


ALL = [f"{number:02d}.png" for number in range(12)]


def test_a_batch_over_two_servers_of_which_one_dies(comfy, batch, tmp_path, monkeypatch, capsys) -> None:
    first, second = comfy(), comfy()
    second.hold.set()
    servers = ["--server", first.url, "--server", second.url]
    execute = type(first)._execute

    def dies_at_its_third(self, *arguments):
        if self is first and len(self.ran) == 2:
            self.die()
        self.hold.set()
        return execute(self, *arguments)

    monkeypatch.setattr(type(first), "_execute", dies_at_its_third)
    assert main([*batch, *servers]) == 0
    assert finished(tmp_path) == ALL
    assert len(first.ran) >= 2
    assert len(second.ran) >= 9
    assert "12 done" in capsys.readouterr().err
    ran = len(second.ran)
    assert main([*batch, *servers]) == 0  # nothing left, and the dead one is nobody's business
    assert len(second.ran) == ran


def test_a_batch_whose_servers_all_die_is_finished_by_the_next_call(
    comfy, batch, tmp_path, monkeypatch, capsys
) -> None:
    monkeypatch.setattr("fomm_nodes.nodes.render.comfyui.PATIENCE", 1.0)
    server = comfy()
    execute = type(server)._execute

    def dies_at_its_fifth(self, *arguments):
        if self is server and len(self.ran) == 4:
            self.die()
        self.hold.set()
        return execute(self, *arguments)

    monkeypatch.setattr(type(server), "_execute", dies_at_its_fifth)
    assert main([*batch, "--server", server.url]) != 0
    assert "no ComfyUI server is left" in capsys.readouterr().err
    assert finished(tmp_path) == ALL[:4]
    other = comfy()
    assert main([*batch, "--server", other.url]) == 0
    assert finished(tmp_path) == ALL
    assert len(other.ran) == 8


def test_a_job_that_takes_too_long_fails_and_the_others_go_on(comfy, batch, tmp_path, monkeypatch) -> None:
    server = comfy()
    execute = type(server)._execute

    def stuck_once(self, *arguments):
        self.hold.clear() if len(self.history) == 3 else self.hold.set()
        return execute(self, *arguments)

    monkeypatch.setattr(type(server), "_execute", stuck_once)
    assert main([*batch, "--server", server.url, "--timeout", "1", "--retries", "0"]) == 1
    assert len(finished(tmp_path)) == 11
