"""People in images and clips: MediaPipe's numbers, boxes, squares."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from fomm_nodes.fomm_core.errors import CheckpointError, ImageError, RegionError
from fomm_nodes.fomm_core.faces import FaceFinder
from fomm_nodes.fomm_core.persons import PersonFinder, finder
from fomm_nodes.fomm_core.persons.network import MASK_SIZE
from fomm_nodes.fomm_core.shipped import ASSETS
from fomm_nodes.fomm_core.video import VideoReader, VideoWriter, read_image
from fomm_nodes.fomm_core.whole import CropOptions, find_driving, find_source, reframed
from nearness import near
from scenes import ground, placed

NUMBERS = Path(__file__).parents[2] / "data" / "persons" / "litert.npz"
HALF_WEIGHTS = 5e-3
"""Weights in float16, as LiteRT has them too; sums of other orders pass a sigmoid that is steep at outlines."""
PIXELS = 0.06
"""Of a person's side: the mask has 256 pixels, and sees another surrounding."""


@pytest.fixture(scope="module")
def people() -> PersonFinder:
    return PersonFinder()


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    return read_image(ASSETS / "source.png")


@pytest.fixture(scope="module")
def photo(portrait: np.ndarray) -> np.ndarray:
    return placed(ground(360, 640), portrait, 350, 60, 256)


def test_the_mask_is_that_of_mediapipe(people: PersonFinder, portrait: np.ndarray) -> None:
    assert portrait.shape == (MASK_SIZE, MASK_SIZE, 3)
    with torch.inference_mode():
        mask = people.network(torch.from_numpy(portrait).permute(2, 0, 1)[None].float() / 255)[0, 0]
    near(mask[::4, ::4], torch.from_numpy(np.load(NUMBERS)["mask"]), HALF_WEIGHTS)
    assert 0.3 < float(mask.mean()) < 0.8


def test_a_person_is_boxed_wherever_they_stand(people: PersonFinder, photo: np.ndarray) -> None:
    found = people.find(photo)
    assert found is not None
    assert found.certainty > 0.8
    assert 345 < found.left < 450
    assert 550 < found.right < 611
    floats = people.find(torch.from_numpy(photo).permute(2, 0, 1).float() / 255)
    assert floats is not None
    near(floats.square, found.square, PIXELS)
    moved = people.find(np.roll(photo, -200, 1))
    assert moved is not None
    near(moved.left, found.left - 200, PIXELS, of=found.square[2])
    with pytest.raises(ImageError):
        people.find(photo[..., 0])


def test_nobody(people: PersonFinder) -> None:
    assert people.find(np.zeros((90, 160, 3), np.uint8)) is None
    assert people.find(np.full((1, 1, 3), 90, np.uint8)) is None


def test_squares_of_pictures_and_clips_hold_the_body(portrait: np.ndarray, photo: np.ndarray, tmp_path: Path) -> None:
    faces, options = FaceFinder(), CropOptions(source="person")
    found = find_source(photo, "a.png", options, None, faces)
    assert found.words.startswith("1 person in a.png, ")
    (region,) = found.regions
    person = PersonFinder().find(photo)
    assert person is not None
    near(float(region.side[0]), person.square[2] / 0.85 * options.room, 0.02)  # snapped to whole pixels
    with VideoWriter(tmp_path / "walk.mkv", fps=25) as writer:
        for step in range(6):
            writer.write(placed(ground(360, 640), portrait, 100 + 40 * step, 60, 200))
        writer.write(np.zeros((360, 640, 3), np.uint8))
    with VideoReader(tmp_path / "walk.mkv") as reader:
        fixed = find_driving(reader, "walk.mkv", options, None, faces)
        follow = find_driving(reader, "walk.mkv", CropOptions(source="person", follow=True), None, faces)
    assert fixed.words == "1 person in walk.mkv, seen in 6 of 7 frames"
    assert [warning for warning in fixed.warnings if "1 frame" in warning]
    assert fixed.region is not None
    assert follow.region is not None
    left, _, right, _ = fixed.region.bounds()[0].tolist()
    assert left < 130
    assert right > 470
    assert float(follow.region.side.max()) < 0.85 * float(fixed.region.side[0])
    assert float(follow.region.centre[5, 0] - follow.region.centre[0, 0]) > 120
    close = reframed(fixed, options.close(), None).region
    assert close is not None
    assert float(close.side[0]) <= float(fixed.region.side[0])


def test_without_a_person_the_middle_is_taken_and_told(tmp_path: Path) -> None:
    faces, options = FaceFinder(), CropOptions(source="person")
    empty = np.zeros((90, 160, 3), np.uint8)
    found = find_source(empty, "a.png", options, None, faces)
    assert (found.regions, found.words, len(found.warnings)) == ((), "no person in a.png", 1)
    with VideoWriter(tmp_path / "a.mp4", fps=25) as writer:
        writer.write(np.stack([empty] * 2))
    with VideoReader(tmp_path / "a.mp4") as reader:
        assert find_driving(reader, "a.mp4", options, None, faces).region is None


def test_a_person_in_both_or_a_choice_of_faces() -> None:
    assert CropOptions(source="person").driving == "person"
    assert CropOptions(source="person", driving="off").driving == "off"
    with pytest.raises(RegionError, match="no choice of a face"):
        CropOptions(source="person", face="all")


def test_missing_weights_say_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(finder, "PERSON_WEIGHTS", tmp_path / "none.safetensors")
    with pytest.raises(CheckpointError, match="Install fomm-nodes again"):
        PersonFinder()
