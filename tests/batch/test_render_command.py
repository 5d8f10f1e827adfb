"""`fomm render` and `fomm_nodes.render`."""

from __future__ import annotations

import json
from pathlib import Path

import fomm_nodes
import pytest
from fomm_nodes.cli.main import main
from PIL import Image


@pytest.fixture
def files(pictures, inputs, tmp_path, monkeypatch) -> Path:
    """A folder to work in, with graph.json and inputs/."""
    (tmp_path / "graph.json").write_text(json.dumps(pictures))
    monkeypatch.chdir(tmp_path)
    return tmp_path


ALL = ("render", "graph.json", "--input", "inputs", "--set", "Load Image.image=*.png")


def test_a_dry_run_prints_the_jobs_and_makes_nothing(files, capsys) -> None:
    assert main([*ALL, "--dry-run"]) == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines() == [
        "00001  a  Load Image.image=a.png",
        "00002  b  Load Image.image=b.png",
        "00003  c  Load Image.image=c.png",
    ]
    assert "3 jobs; nothing was rendered" in shown.err
    assert not (files / "output").exists()


def test_a_dry_run_shows_faulty_rows(files, capsys) -> None:
    (files / "table.csv").write_text("1.image\na.png\ngone.png\n")
    assert main(["render", "graph.json", "--input", "inputs", "--jobs", "table.csv", "--dry-run"]) == 1
    assert "FAULTY" in capsys.readouterr().out.splitlines()[1]


def test_a_batch_in_a_worker_process(files, capsys) -> None:
    assert main([*ALL, "-o", "out", "--device", "cpu", "--workers", "1", "--set", "2.width=4"]) == 0
    assert "3 done, 0 failed" in capsys.readouterr().err
    assert sorted(path.name for path in (files / "out").iterdir()) == [
        *(".fomm", "a.png", "b.png", "c.png", "report.html")
    ]
    assert Image.open(files / "out" / "b.png").size == (4, 8)
    assert main([*ALL, "-o", "out", "--device", "cpu", "--workers", "1", "--set", "2.width=4"]) == 0
    assert "(3 of them earlier)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--set", "width=4"], 2, "expected NODE.PORT=VALUE"),
        (["--set", "Upscale Image.width"], 2, "expected NODE.PORT=VALUE"),
        (["--retries", "-1"], 2, "--retries of at least 0"),
        (["--server", "http://localhost:1", "--ray"], 2, "not both"),
        (["--input", "nowhere"], 1, "there is no 'nowhere'"),
        (["--set", "Load Image.image=x*.png"], 1, "there are none"),
        (["--jobs", "gone.csv"], 1, "there is no 'gone.csv'"),
    ],
)
def test_wrong_usage_is_said(arguments, code, words, files, capsys) -> None:
    assert main(["render", "graph.json", "--input", "inputs", *arguments]) == code
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--set", "Load Image.image=x*.png"],
        ["--set", "Nobody.image=a.png"],
        ["--set", "2.width=much"],
        ["--set", "2.width=4", "--set", "2.width=8", "--name", "same"],
        ["--jobs", "gone.csv"],
        ["--device", "no-such-device"],
    ],
)
def test_what_fails_in_planning_leaves_no_folder(arguments, files) -> None:
    before = sorted(files.rglob("*"))
    assert main(["render", "graph.json", "--input", "inputs", "-o", "new/out", *arguments]) == 1
    assert sorted(files.rglob("*")) == before
    (files / "new" / "out").mkdir(parents=True)
    (files / "new" / "mine.txt").write_text("mine")
    assert main(["render", "graph.json", "--input", "inputs", "-o", "new/out", *arguments]) == 1
    assert sorted(path.name for path in (files / "new").rglob("*")) == ["mine.txt", "out"]


def test_what_fails_in_planning_keeps_what_is_done(files, capsys) -> None:
    assert main([*ALL, "-o", "out", "--device", "cpu"]) == 0
    before = sorted(files.rglob("*"))
    assert main([*ALL[:-1], "Load Image.image=x*.png", "-o", "out"]) == 1
    assert sorted(files.rglob("*")) == before
    assert main([*ALL, "-o", "out", "--device", "cpu"]) == 0
    assert "(3 of them earlier)" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["{broken", "[]", ""])
def test_a_broken_graph_is_said(text, files, capsys) -> None:
    (files / "graph.json").write_text(text)
    assert main(["render", "graph.json"]) == 1
    assert "graph.json" in capsys.readouterr().err


def test_a_graph_with_a_node_that_nobody_knows_is_refused(files, capsys) -> None:
    node = {"id": 7, "type": "SomebodysNode", "pos": [0, 0], "mode": 0, "inputs": [], "outputs": []}
    (files / "graph.json").write_text(json.dumps({"nodes": [node], "links": [], "version": 0.4}))
    assert main(["render", "graph.json", "-o", "out"]) == 1
    assert "“SomebodysNode” is none here" in capsys.readouterr().err
    assert not list((files / "out").glob("[!.]*"))


def test_one_failing_job_makes_the_exit_code(files, capsys) -> None:
    (files / "inputs" / "b.png").write_bytes(b"no picture")
    assert main([*ALL, "-o", "out", "--device", "cpu", "--retries", "0"]) == 1
    said = capsys.readouterr().err
    assert "failed: b: “Load Image” (node 1): expected an image that can be read; 'b.png' is none" in said
    assert "2 done, 1 failed" in said
    assert "Traceback" in (files / "out" / "report.html").read_text(encoding="utf-8")


def test_from_python(files, pictures) -> None:
    summary = fomm_nodes.render(
        "graph.json",
        {"Load Image.image": "*.png", "2.width": [4, 8]},
        input_folder="inputs",
        output="made",
        device="cpu",
    )
    assert (summary.done, summary.failed, summary.left, summary.complete) == (6, 0, 0, True)
    assert summary.report == Path("made/report.html")
    rows = [{"1.image": "a.png", "output": "x"}]
    again = fomm_nodes.render(pictures, rows, input_folder="inputs", output="made", device="cpu", report=False)
    assert (again.done, again.report) == (1, None)
    with pytest.raises(ValueError, match="expected the engine 'local'"):
        fomm_nodes.render(pictures, engine="magic", input_folder="inputs")
