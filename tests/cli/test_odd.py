"""`fomm animate` with images, clips, squares and masks that are none of the usual: the right result, or words."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from fomm_nodes.cli.main import main
from fomm_nodes.fomm_core.region import Region, save_region
from fomm_nodes.fomm_core.shipped import ASSETS
from fomm_nodes.fomm_core.video import VideoReader, VideoWriter, read_image, write_image
from scenes import ground, placed

Run = Callable[..., tuple[int, str, list[str]]]
ONE = 65536


def portrait() -> np.ndarray:
    return read_image(ASSETS / "source.png")


def heads(count: int) -> list[np.ndarray]:
    with VideoReader(ASSETS / "driving.mp4") as reader:
        return list(islice(reader, count))


def film(path: str, frames: list[np.ndarray]) -> None:
    with VideoWriter(path, fps=25) as writer:
        for frame in frames:
            writer.write(frame)


@pytest.fixture
def fomm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """`fomm(...)` animates in a folder with photo.png (640x360, a face at the right) and talk.mp4, and returns the exit
    code, what is printed, and the warnings.
    """
    monkeypatch.chdir(tmp_path)
    write_image("photo.png", placed(ground(360, 640), portrait(), 350, 60, 256))
    film("talk.mp4", [placed(ground(270, 480), frame, 60, 40, 200) for frame in heads(2)])

    def run(*arguments: str) -> tuple[int, str, list[str]]:
        code = main(["animate", "--size", "model", "--model", "demo-128", "-o", "out", "-q", *arguments])
        output = capfd.readouterr()
        return code, output.err, [line for line in output.err.splitlines() if "warning" in line]

    return run


def result() -> np.ndarray:
    return np.stack([read_image(path) for path in sorted(Path("out").iterdir())])


@pytest.mark.parametrize(("name", "seen"), [("source-redhead.png", True), ("source-mouse.png", None)])
def test_drawn_faces_and_animals(fomm: Run, name: str, seen: bool | None) -> None:
    write_image("drawn.png", placed(ground(360, 640), read_image(ASSETS / name), 330, 40, 300))
    code, err, warnings = fomm("drawn.png", "talk.mp4")
    assert code == 0, err
    found = not any("no face was found in drawn.png" in warning for warning in warnings)
    assert seen in (None, found)
    assert result().shape == ((2, 360, 640, 3) if found else (2, 128, 128, 3))


def test_a_head_that_is_turned_far_aside_drives_and_moves(fomm: Run) -> None:
    with VideoReader(ASSETS / "driving.mp4") as reader:
        aside = list(islice(reader, 17, 20))
    write_image("aside.png", placed(ground(360, 640), aside[1], 330, 40, 280))
    film("aside.mp4", [placed(ground(270, 480), frame, 60, 40, 200) for frame in aside])
    for source, clip in (("aside.png", "talk.mp4"), ("photo.png", "aside.mp4")):
        code, err, _ = fomm(source, clip, "-y")
        assert code == 0, err
        assert result().shape[1:] == (360, 640, 3)
        for path in Path("out").iterdir():
            path.unlink()


def test_a_face_that_leaves_and_returns(fomm: Run) -> None:
    frames = [placed(ground(270, 480), frame, 60, 40, 200) for frame in heads(10)]
    film("away.mp4", frames[:3] + [ground(270, 480)] * 4 + frames[3:])
    code, err, warnings = fomm("photo.png", "away.mp4")
    assert (code, len(result())) == (0, 14), err
    (told,) = warnings
    assert re.search("not seen in [4-7] frames", told)  # it is looked for every few frames


def test_ten_faces(fomm: Run) -> None:
    whole = ground(600, 1400)
    for number in range(10):
        placed(whole, portrait(), 20 + number % 5 * 275, 20 + number // 5 * 290, 256)
    write_image("ten.png", whole)
    code, err, warnings = fomm("ten.png", "talk.mp4")
    assert code == 0, err
    assert "10 faces" in warnings[0]
    assert "--face 0 to 9" in warnings[0]
    moved = (result() != whole).any((0, 3))
    assert 0 < moved.mean() < 0.15  # one of them
    Path("out").rename("one")
    code, err, _ = fomm("ten.png", "talk.mp4", "--face", "all", "--frames", "1")
    assert code == 0, err
    changed = (result()[0] != whole).any(-1)
    assert all(changed[100 + 290 * row, 150 + 275 * column] for row in range(2) for column in range(5))


def test_a_phone_clip_that_lies_on_its_side(fomm: Run) -> None:
    upright = [placed(ground(480, 270), frame, 30, 120, 200) for frame in heads(2)]
    film("upright.mp4", upright)
    film("lying.mp4", [np.ascontiguousarray(np.rot90(frame)) for frame in upright])
    data = bytearray(Path("lying.mp4").read_bytes())
    place = data.index(b"tkhd") + 4 + 40
    numbers = (0, ONE, 0, -ONE, 0, 0, 0, 0, 1 << 30)
    data[place : place + 36] = b"".join(number.to_bytes(4, "big", signed=True) for number in numbers)
    Path("turned.mp4").write_bytes(bytes(data))
    with VideoReader("turned.mp4") as reader:
        assert (reader.info.rotation, reader.info.width) == (90, 270)
    made = []
    for name in ("upright.mp4", "turned.mp4"):
        code, err, warnings = fomm("photo.png", name)
        assert (code, warnings) == (0, []), err
        made.append(result().astype(int))
        Path("out").rename(name.removesuffix(".mp4"))
    assert np.abs(made[0] - made[1]).mean() < 1


@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (4000, 1)])
@pytest.mark.parametrize("crop", ["auto", "face", "person"])
def test_pictures_of_odd_shapes(fomm: Run, size: tuple[int, int], crop: str) -> None:
    write_image("odd.png", ground(*size))
    code, err, _ = fomm("odd.png", "talk.mp4", "--crop", crop)
    assert code == 0, err
    assert result().shape == (2, 128, 128, 3)


@pytest.mark.slow
def test_a_picture_of_48_megapixels(fomm: Run) -> None:
    huge = cv2.resize(read_image("photo.png"), (8000, 6000), interpolation=cv2.INTER_LINEAR)
    cv2.imwrite("huge.jpg", huge[..., ::-1])
    code, err, _ = fomm("huge.jpg", "talk.mp4", "--frames", "1", "-o", "out.jpg-%d.jpg")
    assert code == 0, err
    (frame,) = [read_image(path) for path in Path().glob("out.jpg*")]
    assert frame.shape == (6000, 8000, 3)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--crop", "nan,100,200"), 2, "such as 960,400,300; got 'nan,100,200'"),
        (("--crop", "100,inf,200"), 2, "960,400,300"),
        (("--crop", "100,100,0"), 2, "960,400,300"),
        (("--crop-driving", "100,100,-5"), 2, "960,400,300"),
        (("--crop", "2000,100,200"), 1, "lies outside"),
        (("--crop-driving", "-900,100,200"), 2, ""),
        (("--crop-driving=-900,100,200",), 1, "480x270 image"),
        (("--crop", "other.safetensors"), 1, "300x200"),
        (("--crop-driving", "long.safetensors"), 1, "7"),
        (("--crop", "lost.safetensors"), 2, "lost.safetensors"),
        (("--crop", "photo.safetensors"), 2, "photo.safetensors"),
        (("--hold", "lost.png"), 1, "lost.png"),
        (("--hold", "talk.mp4"), 1, "talk.mp4"),
        (("--hold", "square.png"), 1, "shape, 640x360"),
        (("--face", "5"), 1, "1 face, and got 5"),
        (("--face", "1", "--crop", "person"), 1, "no choice of a face"),
        (("--detail", "sharp"), 2, "high-pass"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_squares_and_masks_that_do_not_fit(fomm: Run, arguments: tuple[str, ...], code: int, message: str) -> None:
    save_region(
        "other.safetensors", Region(torch.tensor([[100.0, 100]]), torch.tensor([50.0]), torch.zeros(1), 200, 300)
    )
    seven = Region(torch.full((7, 2), 150.0), torch.full((7,), 99.0), torch.zeros(7), 270, 480)
    save_region("long.safetensors", seven)
    Path("photo.safetensors").write_bytes(Path("photo.png").read_bytes())
    write_image("square.png", ground(90, 90))
    got, err, _ = fomm("photo.png", "talk.mp4", *arguments)
    assert got == code, err
    assert message in err
    assert "Traceback" not in err
    assert not Path("out").exists()
