"""`fomm crop`, and the squares of `fomm animate`, run in this process."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from fomm_nodes.cli.cropping import crop, face
from fomm_nodes.cli.main import main
from fomm_nodes.fomm_core.region import load_region
from fomm_nodes.fomm_core.shipped import ASSETS
from fomm_nodes.fomm_core.video import VideoReader, VideoWriter, read_image, write_image
from fomm_nodes.fomm_core.whole import Square
from scenes import ground, placed

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def fomm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """`fomm(...)` runs the command in a folder with photo.png (two faces) and wide.mp4."""
    monkeypatch.chdir(tmp_path)
    portrait = read_image(ASSETS / "source.png")
    whole = placed(placed(ground(360, 640), portrait, 350, 60, 256), portrait[:, ::-1], 60, 100, 220)
    write_image("photo.png", whole)
    with VideoReader(ASSETS / "driving.mp4") as reader, VideoWriter("wide.mp4", fps=25) as writer:
        for frame in islice(reader, 3):
            writer.write(placed(ground(270, 480), frame, 60, 40, 200))

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(list(arguments))
        output = capfd.readouterr()
        return code, output.out, output.err

    return run


def test_arguments_are_read(tmp_path: Path) -> None:
    assert [crop(text) for text in ("auto", "off", "face", "person")] == ["auto", "off", "face", "person"]
    assert crop("10,20.5,30") == Square(10, 20.5, 30)
    assert crop("10,20,30,-45") == Square(10, 20, 30, -45)
    assert [face(text) for text in ("largest", "all", "2")] == ["largest", "all", 2]
    for wrong in ("dog", "1,2", "1,2,3,4,5", "a,b,c", str(tmp_path / "none.safetensors")):
        with pytest.raises(argparse.ArgumentTypeError):
            crop(wrong)
    with pytest.raises(argparse.ArgumentTypeError, match="from 0"):
        face("-1")


def test_one_command_gives_the_whole_photograph_back(fomm: Run) -> None:
    code, out, err = fomm("animate", "photo.png", "wide.mp4", "-o", "out.mp4", "--size", "model")
    assert code == 0, err
    assert "3 frames of 640x360" in out
    assert "fomm: 2 faces in photo.png, 10" in err
    assert "tracked 3 of 3 frames" in err
    assert "fomm: warning: photo.png shows 2 faces" in err
    code, out, err = fomm("animate", "photo.png", "wide.mp4", "-o", "all", "--size", "model", "--face", "all", "-q")
    assert (code, out, err) == (0, "", "")
    assert len(list(Path("all").iterdir())) == 3


def test_squares_are_written_and_used_again(fomm: Run) -> None:
    code, out, err = fomm("crop", "wide.mp4", "-o", "square.safetensors")
    assert (code, "tracked 3 of 3" in out) == (0, True), err
    region = load_region("square.safetensors")
    assert (len(region), region.size) == (1, (270, 480))
    assert fomm("crop", "photo.png", "-o", "face.png", "--face", "all")[0] == 0
    faces = [read_image(f"face-{number}.png") for number in (0, 1)]
    assert faces[0].shape[0] < faces[1].shape[0]
    assert fomm("crop", "photo.png", "-o", "one.png", "--crop", "478,180,200", "--size", "64")[0] == 0
    assert read_image("one.png").shape == (64, 64, 3)
    assert fomm("crop", "wide.mp4", "-o", "head.mp4", "--size", "96", "--crop", "square.safetensors")[0] == 0
    with VideoReader("head.mp4") as reader:
        assert (reader.info.width, reader.info.height, reader.count(), reader.info.fps) == (96, 96, 3, 25)
    options = ("--size", "model", "--face", "1", "--crop-driving", "square.safetensors", "--no-paste")
    code, out, err = fomm("animate", "photo.png", "wide.mp4", "-o", "out.mp4", *options)
    assert (code, "3 frames of 128x128" in out) == (0, True), err


def test_previews_render_nothing(fomm: Run) -> None:
    before = set(Path().iterdir())
    code, out, err = fomm("animate", "photo.png", "wide.mp4", "--preview", "look.png")
    assert code == 0, err
    assert "tracked 3 of 3 frames" in out
    assert read_image("look.png").shape[1] > 1000
    assert fomm("animate", "photo.png", "wide.mp4", "--preview", "look.html")[0] == 0
    assert "data:image/png;base64," in Path("look.html").read_text()
    assert fomm("crop", "wide.mp4", "-o", "clip.png", "--preview")[0] == 0
    assert fomm("crop", "photo.png", "-o", "picture.png", "--preview")[0] == 0
    made = {path.name for path in set(Path().iterdir()) - before}
    assert made == {"look.png", "look.html", "clip.png", "picture.png"}
    code, _, err = fomm("crop", "photo.png", "-o", "picture.png", "--preview")
    assert (code, "exists already" in err) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("crop", "photo.png"), 2, "-o"),
        (("crop", "photo.png", "-o", "a.png", "--size", "0"), 2, "at least 1"),
        (("crop", "photo.png", "-o", "a.png", "--crop", "dog"), 2, "960,400,300"),
        (("crop", "none.png", "-o", "a.png"), 1, "none.png"),
        (("crop", "photo.png", "-o", "photo.png", "-y"), 1, "for both"),
        (("crop", "photo.png", "-o", "a.png", "--face", "7"), 1, "2 faces"),
        (("crop", "wide.mp4", "-o", "a.png", "--crop", "2000,0,5"), 1, "outside"),
    ],
)
def test_wrong_usage(fomm: Run, arguments: tuple[str, ...], code: int, message: str) -> None:
    got, _, err = fomm(*arguments)
    assert got == code
    assert message in err
    assert "Traceback" not in err
    assert not Path("a.png").exists()


def test_a_picture_without_a_face_gives_its_middle(fomm: Run) -> None:
    write_image("empty.png", ground(90, 160))
    code, _, err = fomm("crop", "empty.png", "-o", "a.png")
    assert (code, "no face" in err) == (0, True)
    assert np.array_equal(read_image("a.png"), ground(90, 160)[:, 35:125])
