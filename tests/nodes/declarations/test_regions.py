"""The blocks that make regions: by finding faces, from boxes, masks and numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from clip_files import frames_of
from fomm_nodes.fomm_core.config import PRESETS, preset
from fomm_nodes.fomm_core.errors import ImageError, RegionError
from fomm_nodes.fomm_core.region import FRAMINGS, Region, region_at
from fomm_nodes.fomm_core.shipped import ASSETS
from fomm_nodes.fomm_core.video import VideoWriter
from fomm_nodes.fomm_core.whole import USUAL, framing_of
from fomm_nodes.nodes.declarations import region_ports
from fomm_nodes.nodes.declarations.find_region import chosen_framing
from fomm_nodes.nodes.declarations.region_ports import Samples
from fomm_nodes.nodes.spec import Absent
from nearness import near
from PIL import Image
from torch import Tensor

Run = Callable[..., dict]
BOX = {"x": 10, "y": 20, "width": 30, "height": 40}
LATER = {"x": 16, "y": 20, "width": 30, "height": 40}


@pytest.fixture(scope="module")
def photograph() -> Tensor:
    """IMAGE [1, 360, 640, 3]: a real face (NASA, public domain) of 110 px or so at the right of a grey image."""
    face = Image.open(ASSETS / "source.png").convert("RGB").resize((200, 200), Image.Resampling.LANCZOS)
    picture = Image.new("RGB", (640, 360), (90, 96, 104))
    picture.paste(face, (400, 110))
    return torch.from_numpy(np.array(picture)).float()[None] / 255


@pytest.fixture
def filmed(photograph: Tensor, tmp_path: Path) -> Path:
    """A clip of five frames in which the same face moves sideways, two pixels a frame."""
    path = tmp_path / "filmed.mp4"
    with VideoWriter(path, fps=10) as writer:
        for shift in range(5):
            writer.write((photograph.roll(2 * shift, 2) * 255).round().byte().numpy())
    return path


def test_a_face_is_found_framed_as_wished(run: Run, photograph: Tensor, held: Any) -> None:
    alone = run("FindRegion", images=photograph, framing="face")
    face: Region = alone["region"]
    assert alone["found"] == 1
    assert alone["report"].startswith("1 face, ")
    x, y = face.centre[0].tolist()
    assert 450 < x < 550
    assert 150 < y < 270
    vox, demo = (run("FindRegion", images=photograph, framing=name)["region"] for name in ("vox", "demo"))
    near(face.side / vox.side, 0.60)
    near(face.side / demo.side, 0.50)
    assert torch.equal(run("FindRegion", images=photograph)["region"].side, vox.side)
    assert torch.equal(run("FindRegion", images=photograph, model=held)["region"].side, demo.side)
    near(run("FindRegion", images=photograph, framing="face", scale=1.5)["region"].side, face.side * 1.5)


def test_beside_the_region_come_box_mask_and_preview(run: Run, photograph: Tensor, host: Any) -> None:
    made = run("FindRegion", images=photograph, framing="face")
    box, mask = made["bounds"], made["area"]
    assert set(box) == {"x", "y", "width", "height"}
    assert all(type(number) is int for number in box.values())
    assert mask.shape == (1, 360, 640)
    rows, columns = mask[0].nonzero().unbind(1)
    assert abs(int(columns.min()) - box["x"]) <= 1
    assert abs(int(rows.max()) + 1 - box["y"] - box["height"]) <= 1
    assert made["preview"].shape == (1, 360, 640, 3)
    assert not torch.equal(made["preview"], photograph)
    assert host.told[-1][2]


def test_faces_are_told_apart_by_place_and_number(run: Run, photograph: Tensor) -> None:
    small = torch.nn.functional.interpolate(photograph[:, 110:310, 400:600].movedim(-1, 1), scale_factor=0.75)
    two = photograph.clone()
    two[:, 150:300, 50:200] = small.movedim(1, -1)
    places = {
        name: float(run("FindRegion", images=two, framing="face", **wish)["region"].centre[0, 0])
        for name, wish in {
            "largest": {},
            "left": {"which": "left"},
            "right": {"which": "right"},
            "middle": {"which": "middle"},
            "0": {"which": "number", "number": 0},
            "1": {"which": "number", "number": 1},
        }.items()
    }
    assert places["left"] == places["0"] < 200 < places["right"] == places["1"] == places["largest"]
    assert places["middle"] == places["right"]  # 500 is nearer to 320 than 125 is
    made = run("FindRegion", images=two, which="number", number=2)
    assert (made["found"], made["report"]) == (0, "2 faces, none of them number 2: used the middle")


def test_without_a_face_the_middle_is_taken_or_the_graph_stops(run: Run, portrait: Tensor) -> None:
    made = run("FindRegion", images=portrait)
    assert (made["found"], made["report"]) == (0, "no face: used the middle")
    assert made["region"].centre.tolist() == [[36, 40]]
    assert made["region"].side.tolist() == [72]
    with pytest.raises(RegionError, match="expected a face in “images”; found no face"):
        run("FindRegion", images=portrait, no_face="stop")


def test_a_clip_is_followed_or_gets_one_square(run: Run, filmed: Path, host: Any) -> None:
    fixed = run("FindRegion", images=filmed)
    assert len(fixed["region"]) == 1
    assert isinstance(fixed["bounds"], dict)
    assert (fixed["found"], fixed["report"]) == (5, "1 face, tracked 5 of 5 frames")
    follow = run("FindRegion", images=filmed, movement="follow")
    assert len(follow["region"]) == 5
    assert [len(boxes) for boxes in follow["bounds"]] == [1] * 5
    assert len({box["width"] for (box,) in follow["bounds"]}) <= 2
    assert follow["area"].shape == (5, 360, 640)
    assert len(follow["preview"]) == 3  # every second of five
    steps = follow["region"].centre[:, 0].diff()
    assert bool((steps > 0.5).all())
    batch = run("FindRegion", images=frames_of(filmed), movement="follow")
    # images have no rate, so the same frames are smoothed over other seconds: half a pixel at most
    near(batch["region"].centre, follow["region"].centre, 0.5 / 640, of=640)
    assert host.told[0][:2] == (5, 6)


def test_a_clip_can_be_cancelled(run: Run, filmed: Path, host: Any) -> None:
    host.cancel_after = 1
    with pytest.raises(host.Cancelled):
        run("FindRegion", images=filmed)


def test_samples_are_few_and_spread() -> None:
    samples = Samples()
    for _ in range(1000):
        samples.add(torch.zeros(3, 20, 2000))
    kept = [frame for frame, _ in samples._kept]
    assert len(kept) <= 8
    assert kept[0] == 0
    assert kept[-1] >= 750
    drawn = samples.drawn(region_at(10, 10, 10, height=20, width=2000))
    assert drawn.shape[0] <= 4
    assert drawn.shape[1:] == (8, 768, 3)


def test_a_mask_that_would_fill_the_memory_is_left_out(run: Run, filmed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(region_ports, "MOST_NUMBERS", 4 * 360 * 640)
    made = run("FindRegion", images=filmed, movement="follow")
    assert isinstance(made["area"], Absent)
    assert "5 frames of 640x360" in made["area"].reason
    assert isinstance(run("FindRegion", images=filmed)["area"], Tensor)


SHAPES = {
    "one dict": (BOX, [BOX]),
    "a list of one frame": ([BOX], [BOX]),
    "several in one frame": ([[BOX, LATER]], [BOX]),
    "a list for each frame": ([[BOX], [BOX], [LATER]], [BOX, BOX, LATER]),
    "a frame without": ([[BOX], [], [LATER]], [BOX, {**BOX, "x": 13}, LATER]),
    "floats with labels": ([[{**BOX, "label": "face", "score": 0.9}]] * 3, [BOX] * 3),
    "tuples for each frame": ([(10, 20, 30, 40)] * 3, [BOX] * 3),
    "numpy": (np.array([[10, 20, 30, 40]] * 3, np.float32), [BOX] * 3),
    "a tensor": (torch.tensor([10, 20, 30, 40]), [BOX]),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_boxes_is_read(run: Run, clip: Tensor, shape: str) -> None:
    value, expected = SHAPES[shape]
    made = run("RegionFromBox", images=clip[:3], box=value, movement="follow")["region"]
    wanted = [[box["x"] + 15, box["y"] + 20] for box in expected]
    assert made.centre.tolist() == wanted
    assert made.side.tolist() == [40] * len(expected)


def test_fixed_holds_all_boxes(run: Run, clip: Tensor) -> None:
    made = run("RegionFromBox", images=clip[:3], box=[[BOX], [], [LATER]], scale=1.5)
    assert made["region"].centre.tolist() == [[28, 40]]
    assert made["region"].side.tolist() == [60]
    assert isinstance(made["bounds"], dict)


def test_the_second_box_and_corners_of_a_bbox(run: Run, portrait: Tensor) -> None:
    second = run("RegionFromBox", images=portrait, box=[[BOX, LATER]], number=1)["region"]
    assert second.centre.tolist() == [[31, 40]]
    corners = run("RegionFromBox", images=portrait, box=[(10, 20, 40, 60)], box_numbers="xyxy")["region"]
    assert corners.centre.tolist() == [[25, 40]]


def landmarks(*frames: list[list[float]], size: tuple[int, int] = (80, 72)) -> dict[str, Any]:
    faces = [[{"bbox_xyxy": np.array(box, np.float32), "score": 1.0} for box in boxes] for boxes in frames]
    return {"frames": faces, "image_size": size, "connection_sets": {}}


def test_landmarks_are_read(run: Run, clip: Tensor) -> None:
    found = landmarks([[10, 20, 40, 60]], [], [[16, 20, 46, 60]])
    made = run("RegionFromBox", images=clip[:3], box=found, movement="follow")["region"]
    assert made.centre.tolist() == [[25, 40], [28, 40], [31, 40]]


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ([], "nothing was found"),
        ([[], [], []], "nothing was found"),
        ({**BOX, "x": math.nan}, "finite numbers"),
        ({**BOX, "width": 0}, "30|width and a height above 0"),
        ({"x": 1, "y": 2}, "none of width, height"),
        ("face", "expected a box"),
        ([[BOX]] * 4, "3 frames; got boxes of 4 frames"),
        ({**BOX, "x": 500}, "lies outside"),
        (landmarks([[0, 0, 9, 9]], size=(480, 640)), "found in one of 640x480"),
        ({"frames": [[{"bbox": 1}]]}, "bbox_xyxy"),
        (landmarks([[9, 9, 9, 20]]), "above 0"),
    ],
)
def test_boxes_that_are_none_are_refused(run: Run, clip: Tensor, box: Any, words: str) -> None:
    with pytest.raises(RegionError, match=words):
        run("RegionFromBox", images=clip[:3], box=box, movement="follow")


def test_a_video_tells_its_size_by_its_first_frame(run: Run, filmed: Path) -> None:
    made = run("RegionFromBox", images=filmed, box=BOX)
    assert made["region"].size == (360, 640)
    assert made["preview"].shape == (1, 360, 640, 3)


def test_a_mask_gives_its_square(run: Run) -> None:
    mask = torch.zeros(3, 80, 72)
    mask[0, 20:60, 10:40] = 1
    mask[2, 20:60, 16:46] = 0.6
    mask[2, 0, 0] = 0.2  # haze
    follow = run("RegionFromMask", mask=mask, movement="follow")
    assert follow["region"].centre.tolist() == [[25, 40], [28, 40], [31, 40]]
    assert follow["region"].side.tolist() == [40] * 3
    assert run("RegionFromMask", mask=mask)["region"].centre.tolist() == [[28, 40]]
    assert run("RegionFromMask", mask=mask, threshold=0.7)["region"].centre.tolist() == [[25, 40]]
    assert run("RegionFromMask", mask=mask[0])["region"].centre.tolist() == [[25, 40]]
    full = run("RegionFromMask", mask=torch.ones(1, 80, 72))
    assert full["region"].side.tolist() == [80]
    assert full["bounds"] == {"x": 0, "y": 0, "width": 72, "height": 80}


def test_masks_that_mark_nothing_are_refused(run: Run) -> None:
    with pytest.raises(RegionError, match="marks something"):
        run("RegionFromMask", mask=torch.zeros(2, 80, 72))
    with pytest.raises(RegionError, match="NaN"):
        run("RegionFromMask", mask=torch.full((1, 8, 8), math.nan))
    with pytest.raises(ImageError, match="expected a mask"):
        run("RegionFromMask", mask=torch.zeros(1, 8, 8, 3))
    with pytest.raises(ImageError, match="expected a mask"):
        run("RegionFromMask", mask=torch.zeros(0, 8, 8))


def test_numbers_are_shares_or_pixels(run: Run, portrait: Tensor) -> None:
    middle = run("RegionFromNumbers", images=portrait)["region"]
    assert (middle.centre.tolist(), middle.side.tolist()) == ([[36, 40]], [72])
    pixels = run(
        "RegionFromNumbers", images=portrait, unit="pixels", centre_x=20.0, centre_y=30.0, side=16.0, angle=90.0
    )
    assert (pixels["region"].centre.tolist(), pixels["region"].side.tolist()) == ([[20, 30]], [16])
    near(pixels["region"].angle, math.pi / 2)
    with pytest.raises(RegionError, match="lies outside"):
        run("RegionFromNumbers", images=portrait, unit="pixels", centre_x=-500.0)
    with pytest.raises(ImageError, match="NaN"):
        run("RegionFromNumbers", images=torch.full_like(portrait, math.nan))


@pytest.mark.parametrize("name", PRESETS)
def test_auto_frames_as_the_command_does(name: str) -> None:
    model: Any = SimpleNamespace(config=preset(name), name=name)
    assert chosen_framing("auto", model) == (framing_of(preset(name), name) or FRAMINGS[USUAL])
    assert chosen_framing("vox", model) == FRAMINGS["vox"]


def test_all_faces_come_from_left_to_right(run: Run, photograph: Tensor, tmp_path: Path) -> None:
    two = photograph.clone()
    two[:, 140:310, 60:260] = photograph[:, 125:295, 400:600]
    made = run("FindRegion", images=two, which="all")
    left, right = made["region"]
    assert float(left.centre[0, 0]) < 200 < 400 < float(right.centre[0, 0])
    assert (made["found"], made["report"].split(",")[0]) == (2, "2 faces")
    assert [len(boxes) for boxes in made["bounds"]] == [2]
    assert made["area"].shape == (1, 360, 640)
    assert made["preview"].shape == (1, 360, 640, 3)
    for word, face in (("left", left), ("right", right)):
        assert torch.equal(run("FindRegion", images=two, which=word)["region"].centre, face.centre)
    assert len(run("FindRegion", images=photograph, which="all")["region"]) == 1
    clip = tmp_path / "two.mp4"
    with VideoWriter(clip, fps=10) as writer:
        for shift in range(4):
            writer.write((two.roll(shift, 2) * 255).round().byte().numpy())
    followed = run("FindRegion", images=clip, which="all", movement="follow")
    assert [len(face) for face in followed["region"]] == [4, 4]
    assert followed["found"] == 2
    assert float(followed["region"][0].centre[0, 0]) < float(followed["region"][1].centre[0, 0])
    assert [len(boxes) for boxes in followed["bounds"]] == [2] * 4
    assert isinstance(run("FindRegion", images=clip, which="all")["bounds"][0], list)
