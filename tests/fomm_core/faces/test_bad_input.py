"""Pictures and clips that are not what a finder of faces expects: an answer or none, never an error."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from fomm_nodes.fomm_core.faces import FaceFinder, track
from fomm_nodes.fomm_core.region import FRAMINGS, Cropper
from fomm_nodes.fomm_core.shipped import ASSETS
from fomm_nodes.fomm_core.video import VideoReader, VideoWriter, read_image
from fomm_nodes.fomm_core.whole import CropOptions, find_source
from nearness import near
from scenes import ground, placed

VOX = FRAMINGS["vox"]
ONE = 65536


def squeezed(portrait: np.ndarray) -> np.ndarray:
    """As narrow as a profile."""
    return np.asarray(cv2.resize(portrait, (120, 256), interpolation=cv2.INTER_AREA), np.uint8)


def strangers(portrait: np.ndarray) -> dict[str, np.ndarray]:
    profile = ground(360, 640)
    profile[52:308, 300:420] = squeezed(portrait)
    drawn = placed(ground(360, 640), read_image(ASSETS / "source-redhead.png"), 300, 50, 256)
    animal = placed(ground(360, 640), read_image(ASSETS / "source-mouse.png"), 300, 50, 256)
    return {"profile": profile, "drawn": drawn, "animal": animal, "upside down": portrait[::-1, ::-1].copy()}


@pytest.mark.parametrize("name", ["profile", "drawn", "animal", "upside down"])
def test_strange_faces_are_found_whole_or_told(name: str, finder: FaceFinder, portrait: np.ndarray) -> None:
    picture = strangers(portrait)[name]
    height, width = picture.shape[:2]
    faces = finder.find(picture, eyes=True)
    for face in faces:
        x, y, side, _ = face.box
        assert 0 < x + side / 2 < width
        assert 0 < y + side / 2 < height
        assert -1 <= face.turn <= 1
        assert len(face.region(VOX)) == 1
    found = find_source(picture, "it.png", CropOptions(source="face"), VOX, finder)
    assert len(found.regions) == min(len(faces), 1)
    assert found.words.startswith("1 face in it.png, " if faces else "no face in it.png")
    assert bool(found.warnings) == (not faces and height != width)


def test_a_very_large_photograph(finder: FaceFinder, portrait: np.ndarray) -> None:
    picture = np.zeros((6000, 8000, 3), np.uint8)
    picture[1000:3560, 4000:6560] = cv2.resize(portrait, (2560, 2560), interpolation=cv2.INTER_LINEAR)
    (face,) = finder.find(picture)
    (small,) = finder.find(portrait)
    x, y, side, _ = face.box
    expected = [4000 + 10 * small.box[0], 1000 + 10 * small.box[1], 10 * small.size]
    near([x, y, side], expected, 0.05, of=10 * small.size)  # of the face's side: the surroundings differ


def test_a_clip_that_is_turned_to_be_shown(finder: FaceFinder, portrait: np.ndarray, tmp_path: Path) -> None:
    """A phone's: stored lying, shown upright."""
    upright = [placed(ground(640, 360), portrait, 50 + 4 * i, 150, 256) for i in range(4)]
    with VideoWriter(tmp_path / "lying.mp4", fps=25) as writer:
        for frame in upright:
            writer.write(np.ascontiguousarray(np.rot90(frame)))
    data = bytearray((tmp_path / "lying.mp4").read_bytes())
    place = data.index(b"tkhd") + 4 + 40  # version 0: 40 bytes stand before the matrix
    quarter = (0, ONE, 0, -ONE, 0, 0, 0, 0, 1 << 30)
    data[place : place + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in quarter)
    (tmp_path / "phone.mp4").write_bytes(data)
    with VideoReader(tmp_path / "phone.mp4") as reader:
        assert (reader.info.width, reader.info.height, reader.info.rotation) == (360, 640, 90)
        tracking = track(reader.stored(), finder=finder)
        (one,) = tracking.tracks
        assert tracking.summary() == "1 face, tracked 4 of 4 frames"
        (expected,) = track(upright, finder=finder).tracks
        near(one.square, expected.square, 0.05, of=float(expected.square[0, 2]))  # of the face's side: it was encoded
        crops = [Cropper(one.region(VOX), 96)(frame) for frame in reader.stored()]
        assert finder.find(crops[-1], tiles="never")
