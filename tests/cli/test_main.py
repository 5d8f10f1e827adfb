"""`fomm` and `fomm animate`, run in this process."""

from __future__ import annotations

import argparse
import os
import pickle
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from fomm_nodes import __version__
from fomm_nodes.cli.main import main
from fomm_nodes.cli.moving import anchor_frame
from fomm_nodes.cli.picturing import colour, picture_size
from fomm_nodes.cli.times import frame_rate, place, rate_or_keep
from fomm_nodes.fomm_core.checkpoints import ASSETS
from fomm_nodes.fomm_core.config import PRESETS
from fomm_nodes.fomm_core.motion import load_keypoints
from fomm_nodes.fomm_core.video import VideoReader, VideoWriter, read_image
from PIL import Image

SOURCE, DRIVING = str(ASSETS / "source.png"), str(ASSETS / "driving.mp4")
SMALL = ("--model", "demo-128", "--size", "model", "--frames", "3")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def fomm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """`fomm(...)` runs the command in an empty folder and returns (exit code, output, messages)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        output = capfd.readouterr()
        return code, output.out, output.err

    return run


def frame_count(path: str) -> int:
    with VideoReader(path) as reader:
        return sum(1 for _ in reader)


def files() -> list[str]:
    return sorted(path.name for path in Path().iterdir())


@pytest.mark.parametrize("command", [(), ("animate",), ("evaluate",), ("convert",), ("inspect",), ("doctor",)])
def test_help_shows_examples(fomm: Run, command: tuple[str, ...]) -> None:
    code, out, err = fomm(*command, "--help")
    assert (code, err) == (0, "")
    assert "examples:\n  " in out
    assert out.count("fomm " + " ".join(command)) >= 2


def test_help_names_each_preset(fomm: Run) -> None:
    words = "".join(fomm("animate", "--help")[1].split())  # lines may break at hyphens
    assert [name for name in PRESETS if name not in words] == []


def test_version(fomm: Run) -> None:
    assert fomm("--version") == (0, f"fomm {__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "usage: fomm"),
        (["paint"], "paint"),
        (["animate"], "SOURCE and DRIVING are missing"),
        (["animate", "a.png"], "DRIVING is missing"),
        (["animate", "--example", "a.png"], "omit them"),
        (["animate", "a.png", "b.mp4", "--size", "0"], "512x256"),
        (["animate", "a.png", "b.mp4", "--anchor", "-1"], "--anchor"),
        (["animate", "a.png", "b.mp4", "--anchor", "2", "--best-frame"], "not allowed with"),
        (["animate", "a.png", "b.mp4", "--preset", "vox-256", "--config", "c.yaml"], "not allowed with"),
        (["animate", "a.png", "b.mp4", "--fps", "0"], "29.97"),
        (["animate", "a.png", "b.mp4", "--mode", "sideways"], "relative"),
        (["animate", "a.png", "b.mp4", "--chunk", "0"], "at least 1"),
        (["animate", "a.png", "b.mp4", "--align-corners", "maybe"], "true or false"),
        (["inspect"], "FILE"),
    ],
)
def test_wrong_usage_is_two(fomm: Run, arguments: list[str], message: str) -> None:
    code, out, err = fomm(*arguments)
    assert code == 2
    assert out == ""
    assert message in err


def test_arguments_are_read() -> None:
    assert [picture_size(text) for text in ("auto", "source", "128", "512x256")] == ["auto", "source", 128, (256, 512)]
    assert [colour(text) for text in ("white", "#20b040")] == [(255, 255, 255), (32, 176, 64)]
    assert [anchor_frame(text) for text in ("first", "best", "7")] == ["first", "best", 7]
    assert [frame_rate(text) for text in ("25", "29.97", "24000/1001")] == [
        25,
        Fraction(30000, 1001),
        Fraction(24000, 1001),
    ]


def test_the_example_just_works(fomm: Run) -> None:
    code, out, err = fomm("animate", "--example", "--size", "model", "--frames", "3")
    assert code == 0
    assert out.startswith(f"{Path('fomm-example.mp4').resolve()}: 3 frames of 128x128")
    assert err.count("demo model") == 1
    assert "fomm models get vox" in err
    assert "rendering: 3 of 3 frames" in err
    assert fomm("animate", "--example", *SMALL)[0] == 0
    assert files() == ["fomm-example-2.mp4", "fomm-example.mp4"]
    assert frame_count("fomm-example.mp4") == frame_count("fomm-example-2.mp4") == 3


def test_quiet_says_nothing(fomm: Run) -> None:
    assert fomm("animate", "--example", "-q", "--size", "model", "--frames", "2") == (0, "", "")


@pytest.mark.parametrize("output", ["a.mp4", "a.webm", "a.gif", "b/f-%03d.png", "folder"])
def test_the_ending_chooses_the_kind(fomm: Run, output: str) -> None:
    code, out, err = fomm("animate", SOURCE, DRIVING, "-o", output, *SMALL)
    assert code == 0, err
    assert frame_count(output) == 3


def test_motion_options_arrive(fomm: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from fomm_nodes.fomm_core import pipeline

    class SeenError(Exception):
        pass

    def look(session, source, driving, output, options, **others):
        raise SeenError(options, session, others["performance"])

    monkeypatch.setattr(pipeline, "animate_files", look)
    arguments = "--mode absolute --jacobians off --no-scale --strength 0.5 --best-frame --smooth gaussian"
    arguments += " --smooth-sigma 2.5 --size 128x64 --fit pad --fps 12 --no-audio --quality 33 --start 1 --frames 9"
    arguments += " --compare --overwrite --chunk 3 --precision bfloat16 --device cpu --exact --debug -o x.mp4"
    code, _, err = fomm("animate", SOURCE, DRIVING, *arguments.split())
    assert code == 1
    assert "SeenError" in err
    for text in (
        "mode='absolute', relative_jacobian=False, adapt_scale=False, strength=0.5",
        "anchor='best', smoothing='gaussian', smooth_sigma=2.5",
        "size=(64, 128), fit='pad', background=None, start=1, frames=9, fps=Fraction(12, 1)",
        "audio=False, quality=33, compare=True",
        "overwrite=True",
    ):
        assert text in err


@pytest.mark.parametrize("amx", [True, False])
def test_computing_options_arrive(amx: bool, fomm: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import argparse

    import torch
    from fomm_nodes.cli.models import open_session
    from fomm_nodes.fomm_core import fidelity, precision

    monkeypatch.setattr(precision, "is_fast", lambda dtype, device: True)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx, raising=False)
    given = {"device": "cpu", "precision": "bfloat16", "chunk": 3, "exact": True, "compile": True, "model": None}
    given |= {"preset": None, "config": None, "align_corners": False, "least_db": None}
    session = open_session(argparse.Namespace(**given))
    assert (session.chunk, session.dtype, session.exact, session.device.type) == (3, torch.bfloat16, True, "cpu")
    assert session.compile
    assert session.config.align_corners is False
    session = open_session(argparse.Namespace(**given | {"precision": "auto", "align_corners": None}))
    assert (session.dtype, session.config.align_corners) == (torch.bfloat16 if amx else torch.float32, True)
    monkeypatch.setattr(fidelity, "fidelity", lambda model, dtype, device: 50.0)
    for least, dtype in ((50, torch.bfloat16), (51, torch.float32)):
        assert open_session(argparse.Namespace(**given | {"least_db": least})).dtype == dtype


def test_comparison_mask_and_performance(fomm: Run) -> None:
    extras = ["--compare", "--occlusion", "mask.mp4", "--save-keypoints", "moves.safetensors"]
    assert fomm("animate", SOURCE, DRIVING, "-o", "out.mp4", *SMALL, *extras)[0] == 0
    with VideoReader("out.mp4") as shown, VideoReader("mask.mp4") as mask:
        assert (shown.info.width, shown.info.height) == (384, 128)
        assert (mask.info.width, mask.info.height, mask.info.frame_count) == (128, 128, 3)
    assert len(load_keypoints("moves.safetensors").keypoints) == 3
    code, out, _ = fomm("animate", SOURCE, "--keypoints", "moves.safetensors", *SMALL)
    assert code == 0
    assert "source-moves.mp4: 3 frames" in out
    assert fomm("animate", SOURCE, DRIVING, "--keypoints", "moves.safetensors", "-o", "both.mp4", *SMALL)[0] == 0


def test_files_are_replaced_only_where_asked(fomm: Run) -> None:
    Path("out.mp4").write_text("precious")
    code, _, err = fomm("animate", SOURCE, DRIVING, "-o", "out.mp4", *SMALL)
    assert code == 1
    assert "exists already" in err
    assert "-y" in err
    assert Path("out.mp4").read_text() == "precious"
    assert fomm("animate", SOURCE, DRIVING, "-o", "out.mp4", *SMALL, "-y")[0] == 0
    assert frame_count("out.mp4") == 3


def test_what_is_read_is_never_written(fomm: Run) -> None:
    Path("copy.mp4").write_bytes(Path(DRIVING).read_bytes())
    code, _, err = fomm("animate", SOURCE, "copy.mp4", "-o", "./copy.mp4", "-y", *SMALL)
    assert code == 1
    assert "for both" in err
    assert Path("copy.mp4").read_bytes() == Path(DRIVING).read_bytes()


@pytest.mark.parametrize("kind", ["L", "RGBA", "P", "1", "16 bit", "16 bit grey"])
def test_pictures_of_any_kind(fomm: Run, kind: str) -> None:
    if kind.startswith("16"):
        pixels = cv2.imread(SOURCE).astype(np.uint16) * 257
        cv2.imwrite("kind.png", pixels if kind == "16 bit" else pixels[..., 0])
    else:
        Image.open(SOURCE).convert(kind).save("kind.png")
    code, _, err = fomm("animate", "kind.png", DRIVING, "-o", "out", *SMALL, "--strength", "0")
    assert code == 0, err
    assert 60 < read_image("out/frame-00000.png").mean() < 200


def unpickled_as_command(path: str) -> None:
    class Bomb:
        def __reduce__(self):
            return os.mkdir, ("executed",)

    Path(path).write_bytes(pickle.dumps({"generator": Bomb(), "kp_detector": {}}, protocol=2))


def make_bad_files() -> None:
    Path("empty").touch()
    Path("text").write_text("hello" * 100)
    Path("cut.png").write_bytes(Path(SOURCE).read_bytes()[:9000])
    Path("cut.safetensors").write_bytes((ASSETS / "demo-128.safetensors").read_bytes()[:9000])
    unpickled_as_command("bomb.pth")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.png", DRIVING], "nowhere.png"),
        (["cut.png", DRIVING], "cut.png"),
        ([DRIVING, SOURCE], "Swap the two"),
        ([SOURCE, "nowhere.mp4"], "nowhere.mp4"),
        ([SOURCE, "empty"], "0 bytes"),
        ([SOURCE, "text"], "text"),
        ([SOURCE, DRIVING, "--start", "99"], "99"),
        ([SOURCE, DRIVING, "--anchor", "99"], "from 0 to 2"),
        ([SOURCE, DRIVING, "--strength", "3"], "strength"),
        ([SOURCE, DRIVING, "--quality", "101"], "quality"),
        ([SOURCE, DRIVING, "--device", "quantum"], "fomm doctor"),
        ([SOURCE, DRIVING, "--model", "nothing.pth"], "built-in model (demo-128"),
        ([SOURCE, DRIVING, "--model", "."], "is a folder"),
        ([SOURCE, DRIVING, "--model", "empty"], "empty"),
        ([SOURCE, DRIVING, "--model", "text"], "text"),
        ([SOURCE, DRIVING, "--model", "cut.safetensors"], "cut.safetensors"),
        ([SOURCE, DRIVING, "--model", "bomb.pth"], "bomb.pth"),
        ([SOURCE, DRIVING, "--preset", "vox-256"], "nearest preset is 'demo-128'"),
        ([SOURCE, DRIVING, "--preset", "voxel"], "vox-adv-256"),
        ([SOURCE, DRIVING, "--config", "text"], "YAML"),
        ([SOURCE, "--keypoints", SOURCE], "keypoints"),
        ([SOURCE, "--keypoints", str(ASSETS / "demo-128.safetensors")], "expected a performance"),
        ([SOURCE, DRIVING, "-o", "out.doc"], ".webm"),
        ([SOURCE, DRIVING, "-o", "empty/out.mp4"], "empty"),
    ],
    ids=lambda value: Path(str(value[-1] if isinstance(value, list) else "")).name or None,
)
def test_bad_input_fails_with_a_message(fomm: Run, arguments: list[str], message: str) -> None:
    make_bad_files()
    before = files()
    defaults = ["--size", "model", "--frames", "3"] + ([] if "-o" in arguments else ["-o", "out.mp4"])
    code, out, err = fomm("animate", *defaults, *arguments)
    assert (code, out) == (1, "")
    assert message in err
    assert err.count("fomm: error: ") == 1
    assert "Traceback" not in err
    assert files() == before


def test_debug_shows_where(fomm: Run) -> None:
    code, _, err = fomm("animate", "nowhere.png", DRIVING, "--debug")
    assert code == 1
    assert "Traceback" in err
    assert "fomm: error: expected an existing file" in err


def test_damaged_clip_gives_what_it_has_and_a_warning(fomm: Run) -> None:
    data = Path(DRIVING).read_bytes()
    Path("cut.mp4").write_bytes(data[: len(data) // 2])
    code, out, err = fomm("animate", SOURCE, "cut.mp4", "-q", "-o", "out.mp4", "--size", "model")
    assert (code, out) == (0, "")
    assert "fomm: warning: cut.mp4 ends early" in err
    assert 3 <= frame_count("out.mp4") < 46


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (RuntimeError("CUDA out of memory. Tried to allocate"), "smaller --size"),
        (OSError(28, "No space left on device"), "free some space"),
        (ImportError("libGL.so.1: cannot open shared object file"), "`fomm doctor`"),
        (KeyboardInterrupt(), "stopped"),
        (ZeroDivisionError("division by zero"), "defect"),
    ],
)
def test_failures_are_explained(
    fomm: Run, monkeypatch: pytest.MonkeyPatch, problem: BaseException, message: str
) -> None:
    from fomm_nodes.fomm_core import pipeline

    def fail(*arguments, **options):
        raise problem

    monkeypatch.setattr(pipeline, "animate_files", fail)
    code, out, err = fomm("animate", "--example", *SMALL)
    assert (code, out) == (1, "")
    assert message in err
    assert ("Traceback" in err) == isinstance(problem, ZeroDivisionError)


def test_logging_is_left_as_it_was(fomm: Run) -> None:
    import logging
    import signal

    before = list(logging.getLogger("fomm").handlers), signal.getsignal(signal.SIGTERM)
    fomm("animate", "nowhere.png", DRIVING)
    assert (list(logging.getLogger("fomm").handlers), signal.getsignal(signal.SIGTERM)) == before


def test_places_and_rates_as_they_are_typed() -> None:
    from fomm_nodes.fomm_core.video import Seconds

    assert [place(text) for text in ("60", "2.5s", "0:02.5")] == [60, Seconds(Fraction(5, 2)), Seconds(Fraction(5, 2))]
    assert (rate_or_keep("keep"), rate_or_keep("24")) == ("keep", 24)
    with pytest.raises(argparse.ArgumentTypeError, match=r"a time such as 2\.5s"):
        place("2.5")


def test_a_part_by_time_and_what_is_saved_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An uneven clip, cut by time; the saved movement is told to be uneven."""
    clip, saved = tmp_path / "uneven.mkv", tmp_path / "movement.safetensors"
    with VideoWriter(clip, fps=10, uneven=True) as writer:
        for index, end in enumerate((1, 2, 6, 7, 8, 9)):
            writer.write(np.full((64, 64, 3), 40 * index, np.uint8), [Fraction(end, 10)])
    arguments = [str(SOURCE), str(clip), "-o", str(tmp_path / "out.mp4"), "--size", "model", "-q"]
    assert main(["animate", *arguments, "--start", "0:00.3", "--frames", "0.5s", "--save-keypoints", str(saved)]) == 0
    with VideoReader(tmp_path / "out.mp4") as reader:
        assert (reader.info.fps, reader.count()) == (10, 5)
    capsys.readouterr()
    assert main(["inspect", str(saved)]) == 0
    assert "10 frames per second, 0.5 s; frames are uneven" in capsys.readouterr().out
