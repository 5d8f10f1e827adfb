"""Groups of keypoints: what moves with them is where their name says, and nothing else moves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from fomm_nodes.fomm_core import AnimationSession, load_builtin, prepare_source
from fomm_nodes.fomm_core.errors import ImageError, KeypointError
from fomm_nodes.fomm_core.faces import Face, FaceFinder
from fomm_nodes.fomm_core.fitting import from_uint8, to_uint8
from fomm_nodes.fomm_core.geometry import Keypoints, resize_maps
from fomm_nodes.fomm_core.grouping import (
    CHIN,
    FOREHEAD,
    NOSE_RIDGE,
    OVAL,
    UNDER_NOSE,
    KeypointGroups,
    face_areas,
    group_by_masks,
    group_keypoints,
)
from fomm_nodes.fomm_core.plots import draw_parts
from fomm_nodes.fomm_core.prepared import PreparedSource
from fomm_nodes.fomm_core.shipped import ASSETS
from fomm_nodes.fomm_core.video import VideoReader, read_image
from torch import Tensor

OUTSIDE = 0.1
"""Of the change inside the mouth's part, that of the rest of the image may be."""


@pytest.fixture(scope="module")
def session() -> AnimationSession:
    return AnimationSession(load_builtin())


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder()


def grouped(session: AnimationSession, finder: FaceFinder, picture: Tensor) -> tuple[PreparedSource, KeypointGroups]:
    source = prepare_source(session, picture, size=128)
    (face, *_) = finder.find(to_uint8(source.image)[0], tiles="never")
    return source, group_keypoints(session, source, face)


def change_of(session: AnimationSession, source: PreparedSource, numbers: tuple[int, ...]) -> Tensor:
    """Mean change of the pixels where these keypoints are moved to four sides, [H, W]."""
    sides = torch.tensor([[1.0, 0], [0, 1], [-1, 0], [0, -1]])
    position = source.keypoints.position.repeat(4, 1, 1)
    position[:, list(numbers)] += 0.06 * sides[:, None]
    assert source.keypoints.jacobian is not None
    moved = Keypoints(position, source.keypoints.jacobian.expand(4, -1, -1, -1))
    frames = torch.cat([rendered.images for rendered in session.render(source, moved)])
    (rest,) = (rendered.images for rendered in session.render(source, source.keypoints))
    return (frames - rest).abs().mean((0, 1))


def check_mouth(session: AnimationSession, source: PreparedSource, found: KeypointGroups) -> None:
    change = change_of(session, source, found.groups["mouth"])
    part = resize_maps(found.part("mouth")[None, None], *change.shape)[0, 0]
    inside = part >= 0.25 * part.max()
    assert 0.01 < inside.float().mean() < 0.15
    assert change[~inside].mean() <= OUTSIDE * change[inside].mean()
    assert change[inside].mean() > 0.005  # it does move


def test_the_mouth_of_the_example_moves_alone(session: AnimationSession, finder: FaceFinder) -> None:
    source, found = grouped(session, finder, from_uint8(read_image(ASSETS / "source.png")))
    check_mouth(session, source, found)
    named = sorted(number for numbers in found.groups.values() for number in numbers)
    assert named == list(range(10))
    assert {"mouth", "head", "idle"} <= set(found.groups)
    drawn = draw_parts(source.image, {name: found.part(name) for name in ("mouth", "head")})
    assert drawn.shape == source.image.shape
    assert (drawn - source.image).abs().mean() > 0.05
    with pytest.raises(KeypointError, match="expected a group out of"):
        found.part("nose")


@pytest.mark.slow
def test_the_mouths_of_twelve_portraits_move_alone(session: AnimationSession, finder: FaceFinder, shared: Path) -> None:
    if not (shared / "clips" / "index.json").is_file():
        pytest.skip(f"no clips at {shared}")
    portraits: dict[str, Path] = {}
    for entry in json.loads((shared / "clips" / "index.json").read_text()):
        if entry["part"] == "portrait":
            portraits.setdefault(entry["identity"], shared / "clips" / entry["file"])
    done = 0
    for path in sorted(portraits.values(), key=lambda path: ("test" not in path.parts, path)):
        with VideoReader(path) as reader:
            picture = from_uint8(next(iter(reader)))
        if not finder.find(to_uint8(picture)[0], tiles="never"):
            continue  # hidden by hands or hair
        check_mouth(session, *grouped(session, finder, picture))
        done += 1
        if done == 12:
            break
    assert done == 12


def a_face(height: int, width: int) -> Face:
    """A mesh whose outline is a circle, upright in the middle of the image."""
    points = torch.full((468, 3), 0.5)
    angles = torch.arange(len(OVAL)) / len(OVAL) * 2 * torch.pi
    points[list(OVAL), 0] = 0.5 + 0.25 * angles.sin()
    points[list(OVAL), 1] = 0.5 - 0.25 * angles.cos()
    for number, y in ((FOREHEAD, 0.35), (NOSE_RIDGE, 0.5), (UNDER_NOSE, 0.6), (CHIN, 0.75)):
        points[number, :2] = torch.tensor([0.5, y])
    return Face(points * torch.tensor([width, height, 1.0]), 1.0, 1.0, height, width)


def test_areas_lie_where_the_face_is() -> None:
    areas = face_areas(a_face(200, 200), 40, 40)
    assert sum(area.int() for area in areas.values()).max() == 1
    assert areas["mouth"][26, 20]
    assert areas["eyes"][17, 20]
    assert areas["head"][12, 20]
    assert areas["head"][21, 20]
    assert areas["body"][38, 20]
    assert not any(area[2, 2] for area in areas.values())


def test_without_a_face_there_are_numbers(session: AnimationSession) -> None:
    source = prepare_source(session, from_uint8(read_image(ASSETS / "source.png")), size=128)
    found = group_keypoints(session, source)
    assert next(name for name in found.groups if name != "idle") == "part 0"
    assert found.parts.shape[0] == 10
    assert ((found.parts >= 0) & (found.parts <= 1)).all()


def test_masks_name_what_moves_in_them(session: AnimationSession) -> None:
    """Where a keypoint's part lies, its mask is: the halves of an image, in another size than the networks'."""
    source = prepare_source(session, from_uint8(read_image(ASSETS / "source.png")), size=128)
    left = torch.zeros(2, 50, 70)
    left[0, :, :35], left[1, :, 35:] = 1, 1
    found = group_by_masks(session, source, left)
    width = found.parts.shape[-1]
    for name, half in (("part 0", slice(0, width // 2)), ("part 1", slice(width // 2, width))):
        for number in found.groups[name]:
            part = found.parts[number]
            assert part[:, half].sum() > 0.5 * part.sum()
    numbers = sorted(number for group in found.groups.values() for number in group)
    assert numbers == list(range(len(found.parts)))


@pytest.mark.parametrize("masks", [torch.zeros(4, 4), torch.zeros(0, 4, 4), torch.full((1, 4, 4), torch.nan)])
def test_masks_that_are_none(session: AnimationSession, masks: Tensor) -> None:
    source = prepare_source(session, from_uint8(read_image(ASSETS / "source.png")), size=128)
    with pytest.raises(ImageError, match=r"expected masks \[P, H, W\]"):
        group_by_masks(session, source, masks)
