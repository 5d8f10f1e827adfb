"""What is found in images and clips, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from fomm_nodes.fomm_core.config import PRESETS, preset
from fomm_nodes.fomm_core.errors import RegionError
from fomm_nodes.fomm_core.faces import Track, choose
from fomm_nodes.fomm_core.region import FRAMINGS
from fomm_nodes.fomm_core.video import VideoReader, VideoWriter
from fomm_nodes.fomm_core.whole import (
    FAMILIES,
    CropOptions,
    Square,
    find_driving,
    find_source,
    framing_of,
    pose_warning,
    preview_sheet,
)
from fomm_nodes.fomm_core.whole.finding import is_close
from fomm_nodes.fomm_core.whole.found import APART, border_warning, real_cuts
from nearness import near
from scenes import ground, placed

SNAPPED = 0.02
"""Squares of some hundred pixels are snapped to whole ones, and centred on a mesh that differs with the crop."""

VOX = FRAMINGS["vox"]


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_has_its_framing(name: str) -> None:
    row = next(FAMILIES[word] for word in name.split("-") if word in FAMILIES)
    assert framing_of(preset(name), name) == (None if row is None else FRAMINGS[row])


@pytest.mark.parametrize(
    ("config", "name", "row"),
    [
        ("vox-256", "vox-cpk", "vox"),
        ("vox-adv-256", "vox-adv-cpk", "vox"),
        ("taichi-256", "taichi-cpk", None),
        ("demo-128", "mine", "demo"),
        ("vox-256", "mine", "vox"),
    ],
)
def test_the_name_decides_where_it_says_the_kind(config: str, name: str, row: str | None) -> None:
    assert framing_of(preset(config), name) == (None if row is None else FRAMINGS[row])


def test_close_crops_are_known_by_their_face(portrait: np.ndarray, photo: np.ndarray, finder) -> None:
    (face,) = finder.find(portrait)
    assert is_close(face, FRAMINGS["demo"])
    assert is_close(face, VOX)
    small = placed(ground(512, 512), portrait, 40, 40, 256)
    for picture in (photo, small):
        assert not is_close(choose(finder.find(picture), "largest"), VOX)
    found = find_source(small, "square.png", CropOptions(), VOX, finder)
    assert len(found.regions) == 1
    assert find_source(portrait, "p.png", CropOptions(), VOX, finder).regions == ()
    assert len(find_source(portrait, "p.png", CropOptions(source="face"), VOX, finder).regions) == 1


def test_squares_lie_alike_around_the_faces(photo: np.ndarray, clip: Path, finder) -> None:
    close = CropOptions().close()
    (region,) = find_source(photo, "", close, VOX, finder).regions
    (roomy,) = find_source(photo, "", CropOptions(), VOX, finder).regions
    near(float(roomy.side / region.side), CropOptions().room, SNAPPED)
    assert torch.equal(region.snapped().centre, region.centre)  # crops are plain slices
    with VideoReader(clip) as reader:
        driving = find_driving(reader, "", close, VOX, finder)
    assert driving.region is not None
    assert len(driving.region) == 1
    (face,) = finder.find(photo)
    share = face.size / float(region.side)
    other = float(driving.track.square[:, 2].median() / driving.region.side)
    near(share, VOX.share, SNAPPED)
    assert 0.75 * share < other <= 1.01 * share  # smaller where the head needs room


def test_a_small_face_is_told(portrait: np.ndarray, finder) -> None:
    found = find_source(placed(ground(360, 640), portrait, 400, 100, 100), "a.png", CropOptions(), VOX, finder)
    assert len(found.regions) == 1
    assert "pixels large" in found.warnings[0]


def test_gaps_small_faces_and_others_in_a_clip_are_told(head: list[np.ndarray], finder, tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "clip", fps=25) as writer:
        for number, frame in enumerate(head):
            whole = placed(ground(270, 480), frame, 300, 60, 90)
            writer.write(whole if not 4 <= number < 7 else ground(270, 480))
    with VideoReader(tmp_path / "clip") as reader:
        found = find_driving(reader, "clip", CropOptions(), VOX, finder)
    assert found.track is not None
    assert found.region is not None
    gone = int((~found.track.found).sum())
    assert 3 <= gone < 8
    assert any(f"not seen in {gone} frames" in warning for warning in found.warnings)
    assert any("pixels large" in warning for warning in found.warnings)
    both = [placed(placed(ground(270, 480), frame, 20, 30, 220), frame[:, ::-1], 270, 60, 180) for frame in head[:4]]
    with VideoWriter(tmp_path / "two", fps=25) as writer:
        writer.write(np.stack(both))
    with VideoReader(tmp_path / "two") as reader:
        found = find_driving(reader, "two", CropOptions(), VOX, finder)
    assert "shows 2 faces" in found.warnings[0]


def track_of(square: torch.Tensor, shots: tuple[int, ...], turn: torch.Tensor | None = None) -> Track:
    count = len(square)
    zero = torch.zeros(count)
    found = square.isfinite().all(1)
    return Track(found, square, zero, zero if turn is None else turn, zero, None, zero + 1, 300, 300, shots)


def test_a_cut_is_one_where_the_face_jumps() -> None:
    square = torch.tensor([[100.0, 100, 50]]).repeat(9, 1)
    square[6:, 0] += 30
    assert real_cuts(track_of(square, (0, 3, 6))) == (0, 6)
    square[3:, 2] *= 1.5
    assert real_cuts(track_of(square, (0, 3, 6))) == (0, 3, 6)
    square[2] = torch.nan
    assert real_cuts(track_of(square, (0, 3))) == (0, 3)


@pytest.mark.parametrize("side", [-1, 1])
def test_faces_look_different_ways_from_a_limit_on(side: int, portrait: np.ndarray, finder) -> None:
    (face,) = finder.find(portrait)
    square = torch.tensor([[100.0, 100, 50]]).repeat(2, 1)
    turns = torch.tensor([face.turn + side * (APART - 0.01), face.turn + side * (APART + 0.01)])
    alike, apart = (pose_warning(face, track_of(square, (0,), turns), frame, torch.zeros(2)) for frame in (0, 1))
    assert alike is None
    assert apart is not None
    assert "turned aside" in apart


def test_poses_that_are_far_apart_are_told(portrait: np.ndarray, finder) -> None:
    (face,) = finder.find(portrait)
    square = torch.tensor([[100.0, 100, 50]]).repeat(4, 1)
    track = track_of(square, (0,), torch.tensor([face.turn, 0.9, 0.9, face.turn]))
    distances = torch.tensor([0.15, 0.4, 0.35, 0.02])
    assert pose_warning(face, track, 0, distances) is None  # another is nearer, but this one is near, too
    told = pose_warning(face, track, 1, distances)
    assert told is not None
    assert "distance 0.40" in told
    assert "turned aside" in told
    assert "`anchor=best` takes frame 3 (0.02)" in told
    assert pose_warning(face, track, 1, distances, chosen=True) is None  # the best frame is what is used
    assert pose_warning(None, None, 1, distances) is not None
    assert pose_warning(None, None, 1, torch.tensor([0.35, 0.4, 0.4, 0.4])) is None  # people differ
    alone = pose_warning(face, track, 1, torch.tensor([0.4, 0.4, 0.38, 0.4]))
    assert alone is not None
    assert "anchor=best" not in alone
    assert pose_warning(face, track, 1, torch.tensor([0.4, 0.4, 0.38, 0.4]), chosen=True) == alone
    gone = track_of(square.masked_fill(torch.arange(4)[:, None] == 3, torch.nan), (0,))
    told = pose_warning(face, gone, 1, distances)
    assert told is not None
    assert "takes frame 0" in told  # not one in which nobody is seen
    told = pose_warning(face, track, 1, distances, (0, 3))
    assert told is not None
    assert "takes frame 0" in told  # nor one of another shot


def test_a_face_that_the_border_cuts_off_is_told() -> None:
    square = torch.tensor([[150.0, 150, 100]]).repeat(20, 1)
    assert border_warning("a.mp4", track_of(square, (0,))) is None
    square[:2, 0] = 275
    told = border_warning("a.mp4", track_of(square, (0,)))
    assert told is not None
    assert "2 of 20 frames of a.mp4" in told
    square[:2, 0] = 265  # an ear
    assert border_warning("a.mp4", track_of(square, (0,))) is None


@pytest.mark.parametrize(
    "options",
    [
        {"source": "dog"},
        {"source": "person", "face": 1},
        {"face": "third"},
        {"face": -1},
        {"face": True},
        {"feather": 0.7},
        {"room": 0.5},
    ],
)
def test_wrong_choices(options: dict) -> None:
    with pytest.raises(RegionError):
        CropOptions(**options)


def test_a_preview_shows_both(photo: np.ndarray, head: list[np.ndarray]) -> None:
    square = Square(600, 180, 200).region(360, 640)
    sheet = preview_sheet(photo, [square], [([(0, head[0]), (5, head[5])], None)], ["words"])
    assert sheet.dtype == np.uint8
    assert sheet.ndim == 3
    orange = (np.abs(sheet.astype(int) - (255, 90, 0)).max(-1) < 30).sum()
    assert orange > 500
    without = preview_sheet(photo, [], [], [])
    assert (np.abs(without.astype(int) - (255, 90, 0)).max(-1) < 30).sum() == 0
