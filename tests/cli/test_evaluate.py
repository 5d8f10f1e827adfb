"""`fomm evaluate`, run in this process on the built-in model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fomm_nodes.cli.evaluate import METRIC_NAMES, frame_size
from fomm_nodes.cli.main import main
from fomm_nodes.fomm_core.checkpoints import ASSETS
from fomm_nodes.fomm_core.video import VideoWriter

Run = Callable[..., tuple[int, str, str]]
QUICK = ("--frames", "3", "--metrics", "pixels")


@pytest.fixture
def fomm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """`fomm(...)` runs the command in a folder that holds `clips/` and returns (exit code, output, messages)."""
    monkeypatch.chdir(tmp_path)
    for name, shade in {"id1#a": 30, "id2#a": 90, "id2#b": 150}.items():
        path = tmp_path / "clips" / f"{name}.mp4"
        path.parent.mkdir(exist_ok=True)
        with VideoWriter(path, fps=25) as writer:
            for index in range(4):
                frame = np.full((64, 64, 3), shade, np.uint8)
                frame[20:40, 10 + 5 * index : 30 + 5 * index] = 255 - shade
                writer.write(frame)

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        output = capfd.readouterr()
        return code, output.out, output.err

    return run


def test_a_table(fomm: Run) -> None:
    code, out, err = fomm("evaluate", "demo-128", "clips", "--split", "all", *QUICK)
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith("3 clips, 6 frames")
    assert [line.split()[0] for line in lines[1:]] == ["L1", "PSNR", "SSIM"]
    assert "reconstructing clips: 6 of 6 frames" in err


def test_held_out_clips_are_the_default(fomm: Run) -> None:
    assert fomm("evaluate", "demo-128", "clips", *QUICK)[1].startswith(("1 clip,", "2 clips,"))
    held_out = json.loads(fomm("evaluate", "demo-128", "clips", "--json", *QUICK)[1])["clips"]
    learned = json.loads(fomm("evaluate", "demo-128", "clips", "--json", "--split", "train", *QUICK)[1])["clips"]
    identities = [{clip["name"].split("#")[0] for clip in clips} for clips in (held_out, learned)]
    assert identities[0].isdisjoint(identities[1])
    assert len(held_out) + len(learned) == 3


def test_files(fomm: Run) -> None:
    files = ("-o", "page.html", "-o", "figures.json")
    code, out, err = fomm("evaluate", "demo-128", "clips", "--json", "--quiet", *files, *QUICK)
    assert (code, err) == (0, "")
    figures = json.loads(Path("figures.json").read_text())
    assert figures == json.loads(out)
    assert figures["model"] == "demo-128"
    assert figures["size"] == {"width": 128, "height": 128}
    assert set(figures["total"]["l1"]) == {"model", "baseline", "frames"}
    assert "data:image/jpeg" in Path("page.html").read_text()
    code, _, err = fomm("evaluate", "demo-128", "clips", *files, *QUICK)
    assert code == 1
    assert "exists already" in err
    assert fomm("evaluate", "demo-128", "clips", "-y", *files, *QUICK)[0] == 0


def test_one_video(fomm: Run) -> None:
    code, out, _ = fomm("evaluate", "demo-128", ASSETS / "driving.mp4", "--size", "128x64", *QUICK)
    assert code == 0
    assert out.startswith("1 clip, 2 frames")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["evaluate"], 2, "MODEL"),
        (["evaluate", "demo-128", "nowhere"], 1, "does not exist"),
        (["evaluate", "demo-128", "clips", "-o", "page.pdf"], 2, ".html or .json"),
        (["evaluate", "demo-128", "clips", "--metrics", "fid"], 2, "invalid choice"),
        (["evaluate", "demo-128", "clips", "--size", "x"], 2, "128"),
        (["evaluate", "demo-128", "clips", "--size", "65", *QUICK], 1, "65"),
        (["evaluate", "demo-128", "clips", "--frames", "1"], 1, "at least 2 frames"),
        (["evaluate", "no-model", "clips", *QUICK], 1, "no-model"),
    ],
)
def test_what_goes_wrong_is_said(fomm: Run, arguments: list[str], code: int, message: str) -> None:
    found, out, err = fomm(*arguments)
    assert (found, out) == (code, "")
    assert message in err


def test_names_and_sizes() -> None:
    from fomm_nodes.fomm_core.training.metrics import METRICS

    assert tuple(METRICS) == METRIC_NAMES
    assert frame_size("64") == (64, 64)
    assert frame_size("128x64") == (64, 128)
