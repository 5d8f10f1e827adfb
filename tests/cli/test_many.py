"""`fomm animate` with several images or clips, run in this process."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fomm_nodes.cli.main import main
from fomm_nodes.cli.many import Inputs, given_inputs, place_of, result_names
from fomm_nodes.fomm_core import drivers
from fomm_nodes.fomm_core.session import AnimationSession
from fomm_nodes.fomm_core.shipped import ASSETS
from fomm_nodes.fomm_core.video import VideoReader, VideoWriter, read_image, write_image
from scenes import ground, placed

Run = Callable[..., tuple[int, str, str]]
SMALL = ("--size", "model", "--model", "demo-128")


@pytest.fixture
def fomm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """`fomm(...)` runs the command in a folder with two portraits and two clips; returns (code, output, messages)."""
    monkeypatch.chdir(tmp_path)
    for folder in ("portraits", "clips"):
        Path(folder).mkdir()
    for name in ("a.png", "b.png"):
        shutil.copy(ASSETS / "source.png", Path("portraits", name))
    Path("portraits", "notes.txt").write_text("no picture")
    with VideoReader(ASSETS / "driving.mp4") as reader:
        frames = [frame for _, frame in zip(range(10), reader, strict=False)]
    for name, part in (("nod.mp4", frames[:2]), ("turn.mp4", frames[:10:3])):
        with VideoWriter(Path("clips", name), fps=25) as writer:
            for frame in part:
                writer.write(frame)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(list(arguments))
        output = capfd.readouterr()
        return code, output.out, output.err

    return run


def made(folder: str = "out") -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def test_each_picture_by_each_clip_and_nothing_twice(fomm: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    for place, name in ((AnimationSession, "prepare"), (AnimationSession, "detect"), (drivers, "find_driving")):
        inner = getattr(place, name)

        def counting(*args: Any, name: str = name, inner: Callable[..., Any] = inner, **others: Any) -> Any:
            done.append(name)
            return inner(*args, **others)

        monkeypatch.setattr(place, name, counting)
    code, out, err = fomm("animate", "portraits/*", "clips/*", "-o", "out", *SMALL)
    assert code == 0, err
    assert made() == ["a-nod.mp4", "a-turn.mp4", "b-nod.mp4", "b-turn.mp4"]
    assert Counter(done) == {"prepare": 2, "detect": 2, "find_driving": 2}
    assert "4 results made, 0 failed" in err
    assert out.count("frames of 128x128") == 4
    code, out, err = fomm("animate", "portraits/*", "clips/*", "-o", "out", *SMALL)
    assert (code, out) == (0, "")
    assert "0 results made, 4 already there" in err
    assert fomm("animate", "portraits/a.png", "clips/turn.mp4", "-o", "alone.mp4", *SMALL)[0] == 0
    assert Path("alone.mp4").read_bytes() == Path("out/a-turn.mp4").read_bytes()


def test_one_that_fails_does_not_end_the_others(fomm: Run) -> None:
    Path("portraits", "aa.png").write_bytes(b"no picture at all")
    Path("clips", "cut.mp4").write_bytes(Path("clips", "nod.mp4").read_bytes()[:300])
    code, out, err = fomm("animate", "portraits/*", "clips/*", "-o", "out/*.gif", *SMALL, "-q")
    assert (code, out) == (1, "")
    assert made() == ["a-nod.gif", "a-turn.gif", "b-nod.gif", "b-turn.gif"]
    assert err.count("fomm: error: ") == 5
    assert "out/aa-nod.gif" in err.replace("\\", "/")
    assert "Traceback" not in err


def test_lists_and_other_files(fomm: Run) -> None:
    names = ("portraits/b.png", "portraits/a.png", "clips/nod.mp4")
    code, _, err = fomm("animate", *names, *SMALL, "--occlusion", "masks/*.mp4", "--save-keypoints", "*.safetensors")
    assert code == 0, err
    assert sorted(Path().glob("*.mp4")) == [Path("a-nod.mp4"), Path("b-nod.mp4")]
    assert made("masks") == ["a-nod.mp4", "b-nod.mp4"]
    assert Path("b-nod.safetensors").exists()
    code, _, err = fomm("animate", "portraits/*", "--keypoints", "b-nod.safetensors", "-o", "moved", *SMALL)
    assert (code, made("moved")) == (0, ["a.mp4", "b.mp4"]), err
    code, _, err = fomm("animate", "portraits/*", "clips/nod.mp4", "--preview", "look-*.png", *SMALL)
    assert (code, len(list(Path().glob("look-*-nod.png")))) == (0, 2), err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("portraits/*", "clips/*", "-o", "out.mp4"), 2, "such as out/*.webm"),
        (("portraits/*", "clips/*", "-o", "out", "--preview", "look.png"), 2, "--preview"),
        (("portraits/*", "clips/*", "-o", "out", "--occlusion", "mask.mp4"), 2, "--occlusion"),
        (("portraits/*", "clips/*", "-o", "out", "--face", "all"), 2, "2 images and 2 clips"),
        (("portraits/*", "clips/*", "lost.mp4", "-o", "out"), 1, "lost.mp4"),
        (("clips/*", "portraits/*", "-o", "out"), 1, "expected an image as SOURCE"),
        (("portraits/*.gif", "clips/*", "-o", "out"), 1, "No file fits that pattern"),
        (("portraits/a.png", "clips/nod.mp4", "clips/turn.mp4", "--face", "all"), 1, "2 clips, and 1 face in a.png"),
    ],
)
def test_wrong_usage(fomm: Run, arguments: tuple[str, ...], code: int, message: str) -> None:
    got, out, err = fomm("animate", *arguments, *SMALL)
    assert (got, out) == (code, "")
    assert message in err
    assert "Traceback" not in err
    assert not Path("out").exists()


def test_pictures_come_first_then_clips(fomm: Run) -> None:
    assert fomm("--version")[0] == 0
    a, b, nod, turn = (Path(name) for name in ("portraits/a.png", "portraits/b.png", "clips/nod.mp4", "clips/turn.mp4"))
    for names in (["portraits/*", "clips/*"], [str(path) for path in (a, b, nod, turn)]):
        assert given_inputs(names, performance=False) == Inputs((a, b), (nod, turn))
    assert given_inputs([str(a), str(b)], performance=False) == Inputs((a,), (b,))  # the last name is a clip
    assert given_inputs([str(a), "portraits/*.png"], performance=False) == Inputs((a,), (Path("portraits/*.png"),))
    assert given_inputs([str(a), str(b)], performance=True) == Inputs((a, b), ())
    assert given_inputs([str(a), str(nod)], performance=True) == Inputs((a,), (nod,))


def test_names_of_results_are_clear() -> None:
    inputs = Inputs(
        (Path("x/a.png"), Path("x/a.jpg"), Path("y/a.png"), Path("b.png")), (Path("c.mp4"), Path("d-c.mp4"))
    )
    names = list(result_names(inputs).values())
    assert names[:6] == ["x-a-png-c", "x-a-png-d-c", "a-jpg-c", "a-jpg-d-c", "y-a-png-c", "y-a-png-d-c"]
    odd = Inputs((Path("b.png"), Path("b-d.png")), (Path("d-c.mp4"), Path("c.mp4")))
    assert list(result_names(odd).values()) == ["b-d-c", "b-c", "b-d-d-c", "b-d-c-2"]
    assert place_of(None, "n") == Path("n.mp4")
    assert place_of(Path("out"), "n") == Path("out/n.mp4")
    assert place_of(Path("out/*-x.webm"), "n") == Path("out/n-x.webm")


def test_a_clip_for_each_face(fomm: Run) -> None:
    portrait = read_image(ASSETS / "source.png")
    whole = placed(placed(ground(360, 640), portrait, 350, 60, 256), portrait[:, ::-1], 60, 100, 220)
    write_image("pair.png", whole)
    still = ("clips/still.mp4", "clips/turn.mp4")
    with VideoReader("clips/turn.mp4") as reader, VideoWriter(still[0], fps=25) as writer:
        writer.write(np.stack([next(iter(reader))] * 2))
    assert fomm("animate", "pair.png", *still, "--face", "all", "-o", "out", *SMALL)[0] == 0
    frames = np.stack([read_image(path) for path in sorted(Path("out").iterdir())]).astype(int)
    assert len(frames) == 4  # as long as the longest
    moved = np.abs(frames[3] - frames[0]).mean((0, 2))
    assert moved[:300].max() < 0.1 * moved[340:].max()  # the left clip stands still, and so does the left face
    code, _, err = fomm("animate", "pair.png", *still, "--face", "all", "--no-paste", "-o", "alone", *SMALL)
    assert (code, "as nothing is pasted back" in err) == (1, True)
    assert fomm("animate", "pair.png", *still, "--face", "all", "--preview", "look.png", *SMALL)[0] == 0
    assert read_image("look.png").shape[0] > 700  # a row of crops for each clip
    assert fomm("animate", "pair.png", *still[::-1], "--face", "all", "-o", "turned", *SMALL, "--compare")[0] == 0
    frames = np.stack([read_image(path) for path in sorted(Path("turned").iterdir())]).astype(int)
    assert frames.shape == (4, 360, 640 + 2 * 360 + 640, 3)
    moved = np.abs(frames[3] - frames[0]).mean((0, 2))[-640:]
    assert moved[340:].max() < 0.1 * moved[:300].max()
