"""The `fomm render` command over servers that fail."""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import threading
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("httpx")
pytest.importorskip("websockets")

from fomm_nodes.batch.comfyui.engine import ComfyUIEngine
from fomm_nodes.batch.render import render
from fomm_nodes.cli.main import main
from PIL import Image


@pytest.fixture
def batch(tmp_path: Path) -> list[str]:
    """Twelve images, and a graph with a node that only servers have."""
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
    monkeypatch.setattr("fomm_nodes.batch.comfyui.engine.PATIENCE", 1.0)
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


@pytest.mark.slow
def test_sixty_jobs_over_three_servers_to_which_everything_happens(comfy, tmp_path, monkeypatch) -> None:
    for name, seconds in (("FIRST_PAUSE", 0.05), ("LONGEST_PAUSE", 0.2), ("POLL_LISTENING", 0.1)):
        monkeypatch.setattr(f"fomm_nodes.batch.comfyui.engine.{name}", seconds)
    inputs = tmp_path / "in"
    inputs.mkdir()
    for number in range(60):
        Image.new("RGB", (4, 4), (number, 0, 0)).save(inputs / f"{number:02d}.png")
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "00.png"}, "_meta": {"title": "Face"}},
        "9": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
    }
    servers = [comfy() for _ in range(3)]
    engine = ComfyUIEngine([server.url for server in servers], answer_seconds=0.3, patience=10)
    chance, over, happened = random.Random(0), threading.Event(), Counter()

    def trouble() -> None:
        while not over.wait(0.04):
            index = chance.randrange(3)
            server = servers[index]
            kind = chance.choice(["die", "forget", "silent", "deaf", "cut", "lose", "error"])
            happened[kind] += 1
            if kind == "die":
                server.die()
                servers[index] = comfy(server.port)
            elif kind == "forget":
                server.forget()
            elif kind == "silent":
                server.silent.set()
                over.wait(0.5)
                server.silent.clear()
            elif kind == "deaf":
                for socket in list(server.sockets.values()):
                    with contextlib.suppress(OSError):
                        socket.shutdown(2)
            elif kind == "cut":
                server.cut_downloads = 1
            elif kind == "lose":
                server.loses = 1
            else:
                server.status = 502
                over.wait(0.1)
                server.status = 0

    thread = threading.Thread(target=trouble)
    thread.start()
    try:
        monkeypatch.setattr("fomm_nodes.batch.driver.LOSSES", 50)
        summary = render(
            graph, {"Face.image": "*.png"}, output=tmp_path / "out", engine=engine, input_folder=inputs, retries=50
        )
    finally:
        over.set()
        thread.join()
    assert summary.complete, summary.failures
    assert len(happened) == 7, happened
    assert len(finished(tmp_path)) == 60
    for path in inputs.iterdir():
        with Image.open(tmp_path / "out" / path.name) as picture:
            expected = tuple(hashlib.sha256(path.read_bytes() + b"\0").digest()[:3])
            assert picture.getpixel((0, 0)) == expected
    assert {path.name for path in (tmp_path / "out").iterdir()} - set(finished(tmp_path)) == {".fomm", "report.html"}
