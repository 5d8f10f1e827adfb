from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch
from fomm_nodes.fomm_core.errors import ImageError
from fomm_nodes.fomm_core.faces import Face, FaceFinder, choose, find_faces
from fomm_nodes.fomm_core.faces.detect import anchors, decode, merged, overlaps
from fomm_nodes.fomm_core.faces.finder import distinct
from fomm_nodes.fomm_core.faces.measures import eye_opening, mouth_opening, roll, turn
from fomm_nodes.fomm_core.fitting import from_uint8
from fomm_nodes.fomm_core.region import FRAMINGS
from nearness import near

# Read off the portrait by eye: the pupils and the middle of the mouth.
PUPILS, MOUTH = ((112, 101), (160, 102)), (133, 147)


def middle(face: Face) -> tuple[float, float]:
    left, top, width, height = face.box
    return left + width / 2, top + height / 2


def on_canvas(picture: np.ndarray, x: int, y: int, height: int = 360, width: int = 640) -> np.ndarray:
    canvas = np.full((height, width, 3), 128, np.uint8)
    canvas[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
    return canvas


def test_the_portraits_face_is_found_where_it_is(finder: FaceFinder, portrait: np.ndarray) -> None:
    (face,) = finder.find(portrait, eyes=True)
    assert face.score > 0.5
    assert face.presence > 0.9
    assert (face.height, face.width) == (256, 256)
    assert face.irises is not None
    for iris, pupil in zip(face.irises, PUPILS, strict=True):
        assert math.dist(iris[0, :2].tolist(), pupil) < 0.04 * face.size
    mouth = face.points[[61, 291, 13, 14], :2].mean(0)
    assert math.dist(mouth.tolist(), MOUTH) < 0.04 * face.size
    assert abs(face.roll) < 0.1
    assert abs(face.turn) < 0.2
    assert 0.05 < face.mouth_opening < 0.3  # she smiles, teeth shown
    assert all(opening > 0.2 for opening in face.eye_opening or ())


def test_bytes_and_tensors_find_the_same(finder: FaceFinder, portrait: np.ndarray) -> None:
    (face,) = finder.find(portrait, eyes=True)
    for image in (from_uint8(portrait), from_uint8(portrait)[0]):
        (other,) = finder.find(image, eyes=True)
        # the square that the mesh starts from is decided by one more rounding
        assert float((face.points - other.points).norm(dim=-1).max()) < 0.02 * face.size


def test_find_faces_is_the_short_way(portrait: np.ndarray, finder: FaceFinder) -> None:
    assert torch.equal(find_faces(portrait)[0].points, finder.find(portrait)[0].points)


@pytest.mark.parametrize("degrees", [-30, 20])
def test_a_tilted_head_is_measured(degrees: float, finder: FaceFinder, portrait: np.ndarray) -> None:
    matrix = cv2.getRotationMatrix2D((128, 128), -degrees, 0.8)  # OpenCV counts anticlockwise
    turned = cv2.warpAffine(portrait, matrix, (256, 256), borderMode=cv2.BORDER_REPLICATE)
    (upright,), (face,) = finder.find(portrait), finder.find(turned)
    near(face.roll - upright.roll, math.radians(degrees), 0.06, of=1)  # of a radian, 3 degrees: the mesh's own error
    level = face.region(FRAMINGS["vox"], level=True)
    near(float(level.angle[0]), face.roll)
    assert float(face.region().angle[0]) == 0


def test_several_faces_are_sorted_by_size_and_chosen_by_place(finder: FaceFinder, portrait: np.ndarray) -> None:
    canvas = on_canvas(portrait, 20, 60)
    canvas[100:300, 400:600] = cv2.resize(portrait, (200, 200), interpolation=cv2.INTER_AREA)[:, ::-1]
    faces = finder.find(canvas)
    assert len(faces) == 2
    assert faces[0].size > faces[1].size
    large, small = faces
    assert choose(faces, "largest") is choose(faces, "left") is choose(faces, 0) is large
    assert choose(faces, "right") is choose(faces, 1) is small
    assert choose(faces, 2) is None
    assert choose((), "largest") is None
    assert choose(faces, "middle") in faces


def test_small_faces_are_found_in_tiles(finder: FaceFinder, portrait: np.ndarray) -> None:
    small = cv2.resize(portrait, (90, 90), interpolation=cv2.INTER_AREA)  # the face: about 40 pixels
    canvas = on_canvas(small, 1500, 300, 1080, 1920)
    assert finder.find(canvas, tiles="never") == ()
    (face,) = finder.find(canvas)
    x, y = middle(face)
    assert math.dist((x, y), (1500 + 133 * 90 / 256, 300 + 115 * 90 / 256)) < 0.4 * face.size
    canvas[600:1000, 100:500] = cv2.resize(portrait, (400, 400))
    assert len(finder.find(canvas)) == 1
    assert len(finder.find(canvas, tiles="always")) == 2
    with pytest.raises(ImageError, match="never, needed, always; got 'some'"):
        finder.find(canvas, tiles="some")  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (4000, 1), (2, 3), (97, 131)])
def test_pictures_without_a_face_give_none(size: tuple[int, int], finder: FaceFinder) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    for picture in (noise, np.zeros_like(noise), np.full_like(noise, 255)):
        assert finder.find(picture) == ()
    assert finder.find(from_uint8(noise)) == ()


def test_a_face_half_outside_still_has_a_region(finder: FaceFinder, portrait: np.ndarray) -> None:
    for face in finder.find(np.ascontiguousarray(portrait[:, 110:])):
        assert len(face.region(FRAMINGS["vox"])) == 1


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((8, 8, 3), np.float32),
        np.zeros((0, 8, 3), np.uint8),
        torch.zeros(2, 3, 8, 8),
        torch.zeros(8, 8, 3),
        torch.zeros(3, 8, 8, dtype=torch.uint8),
        "face.png",
    ],
)
def test_what_is_no_picture_is_refused(image: object, finder: FaceFinder) -> None:
    with pytest.raises(ImageError, match="expected one image as"):
        finder.find(image)  # type: ignore[arg-type]


def test_candidates_become_boxes() -> None:
    assert anchors().shape == (896, 2)
    assert anchors()[0].tolist() == anchors()[1].tolist() == [0.5 / 16] * 2
    assert anchors()[2].tolist() == [1.5 / 16, 0.5 / 16]
    assert anchors()[512].tolist() == anchors()[517].tolist() == [0.5 / 8] * 2
    boxes, scores = torch.zeros(2, 896, 16), torch.full((2, 896), -9e9)
    boxes[0, :, 2:4] = 64
    scores[0, 100] = 2
    nothing = decode(boxes[1:], scores[1:])[0]
    assert nothing.shape == (0, 17)
    (face,) = decode(boxes, scores)[0]
    place = anchors()[100]
    near(face[:4], torch.cat((place - 0.125, place + 0.125)))
    near(float(face[4]), 1 / (1 + math.exp(-2)))
    near(face[5:].unflatten(0, (6, 2)), place.expand(6, 2))


def test_overlapping_boxes_become_their_weighted_mean() -> None:
    rows = torch.zeros(3, 17)
    rows[:, :5] = torch.tensor([[0.0, 0, 1, 1, 0.9], [0.1, 0, 1.1, 1, 0.6], [3, 3, 4, 4, 0.8]])
    first, second = merged(rows)
    near(float(first[0]), 0.1 * 0.6 / 1.5)
    near(float(first[4]), 0.9)
    assert second[:4].tolist() == [3, 3, 4, 4]
    assert merged(rows[:0]).shape == (0, 17)
    near(overlaps(rows[:1, :4], rows[1:, :4])[0], torch.tensor([0.9 / 1.1, 0]))


def test_the_same_face_counts_once(finder: FaceFinder, portrait: np.ndarray) -> None:
    (face,) = finder.find(portrait)
    assert distinct([face, face]) == [face]


def test_measures_of_made_up_points() -> None:
    points = torch.zeros(468, 3)
    points[[33, 263]] = torch.tensor([[0.0, 0, 0], [10, 10, 0]])
    points[[61, 291]] = torch.tensor([[0.0, 20, 0], [10, 20, 0]])
    points[[13, 14]] = torch.tensor([[5.0, 18, 0], [5, 22, 0]])
    points[[234, 454, 1]] = torch.tensor([[0.0, 8, 9], [10, 8, -9], [2.5, 3, 0]])
    near(float(roll(points)), math.pi / 4)
    near(float(mouth_opening(points)), 0.4)
    near(float(turn(points)), -0.5)
    lids = torch.zeros(2, 71, 3)
    lids[:, 8, 0] = 12
    lids[1, 11:14, 1] = -3
    near(eye_opening(lids).tolist(), [0, 0.25])
