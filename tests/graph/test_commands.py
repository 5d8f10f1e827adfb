"""`fomm graph` and `fomm check`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from fomm_nodes.cli.main import main

from .conftest import DATA, canvas, load, slot

WORKFLOWS = Path(__file__).parents[2] / "workflows"


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "saved.json"
    path.write_text(json.dumps(load("subgraphs")["workflow"]), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/object_info" else 404)
            self.end_headers()
            self.wfile.write((DATA / "object_info.json").read_bytes())

        def log_message(self, *words: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as made:
        Thread(target=made.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{made.server_port}"
        made.shutdown()


def test_graph_writes_what_a_server_runs(saved: Path, server: str, capsys: pytest.CaptureFixture[str]) -> None:
    target = saved.with_name("api.json")
    for source in (str(DATA / "object_info.json"), server, f"{server}/object_info"):
        assert main(["graph", str(saved), "-o", str(target), "-y", "--object-info", source]) == 0
        assert json.loads(target.read_text(encoding="utf-8")) == load("subgraphs")["prompt"]
        target.unlink()
    capsys.readouterr()
    assert main(["graph", str(WORKFLOWS / "animate.json")]) == 0
    assert json.loads(capsys.readouterr().out) == load("of-animate")["prompt"]


def test_graph_overwrites_only_when_told(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = saved.with_name("api.json")
    target.write_text("mine", encoding="utf-8")
    assert main(["graph", str(WORKFLOWS / "animate.json"), "-o", str(target)]) == 1
    assert "exists already" in capsys.readouterr().err
    assert target.read_text(encoding="utf-8") == "mine"
    assert main(["graph", str(WORKFLOWS / "animate.json"), "-o", str(target), "-y"]) == 0
    assert json.loads(target.read_text(encoding="utf-8"))


def test_graph_refuses_to_guess(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = saved.with_name("api.json")
    assert main(["graph", str(saved), "-o", str(target)]) == 1
    told = capsys.readouterr().err
    assert "“SamplePass” is none here" in told
    assert "--force" in told
    assert not target.exists()
    assert main(["graph", str(saved), "-o", str(target), "--force"]) == 0
    assert target.exists()


def test_check_says_all_at_once(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sink = {"type": "SampleSink", "inputs": [slot("image", "IMAGE", 5)], "widgets_values": ["x", 1.0, "", "three"]}
    saved.write_text(json.dumps(canvas(sink)), encoding="utf-8")
    arguments = ["check", str(saved), "--object-info", str(DATA / "object_info.json")]
    assert main(arguments) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[-1] == "1 node, 4 errors, 0 warnings"
    assert sum(line.startswith("error: SampleSink") for line in told) == 4
    assert main([*arguments, "--json"]) == 1
    listed = json.loads(capsys.readouterr().out)
    assert {entry["port"] for entry in listed} == {"image", "i", "c"}


def test_check_of_our_own_graphs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = str(WORKFLOWS / "animate.json")
    assert main(["check", path, "--models", str(tmp_path), "--input", str(tmp_path)]) == 0
    assert main(["check", path, "--list"]) == 0
    told = capsys.readouterr().out
    assert "4.strength\tAnimate to Video.strength\t1" in told
    data = json.loads(Path(path).read_text(encoding="utf-8"))
    next(node for node in data["nodes"] if node["id"] == 3)["widgets_values"][0] = "vox.safetensors"
    (tmp_path / "other.json").write_text(json.dumps(data), encoding="utf-8")
    assert main(["check", str(tmp_path / "other.json"), "--models", str(tmp_path)]) == 1
    assert (
        "'vox.safetensors' is missing; there are demo-128 (built-in), demo-128-acting (built-in)"
        in capsys.readouterr().out
    )
    assert main(["check", str(tmp_path / "other.json")]) == 0  # the folder is not known: it may be there


def test_check_says_where_it_does_not_look(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = str(WORKFLOWS / "animate-files.json")
    assert main(["check", path]) == 0
    told = capsys.readouterr().out
    assert "files are checked only with --input FOLDER; not checked: Load Image.image: face.jpg, " in told
    assert "Load Video.file: talk.mp4" in told
    assert main(["check", path, "--input", str(tmp_path)]) == 1
    told = capsys.readouterr().out
    assert "'face.jpg' is not there" in told
    assert "looked for" not in told
    assert main(["check", path, "--quiet"]) == 0
    assert main(["check", str(WORKFLOWS / "animate.json")]) == 0  # names no file
    assert "looked for" not in capsys.readouterr().out


@pytest.mark.parametrize("command", ["graph", "check"])
def test_a_file_without_a_graph(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.json"
    path.write_text("{", encoding="utf-8")
    for name in (path, tmp_path / "not.json"):
        assert main([command, str(name)]) == 1
        told = capsys.readouterr().err
        assert told.startswith("fomm: error: expected")
        assert "Traceback" not in told
