from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from fomm_nodes.fomm_core.errors import ImageError, RegionError
from fomm_nodes.fomm_core.faces import FaceFinder, FaceTracker, Track, track
from fomm_nodes.fomm_core.faces.track import smoothed
from fomm_nodes.fomm_core.region import FRAMINGS, Framing
from fomm_nodes.fomm_core.video.shots import ShotFinder, cuts
from nearness import DOUBLE, near

VOX = FRAMINGS["vox"]
MESH = 0.02
"""Of a distance: the mesh finds other places on the same face where noise or the background differ."""


def clip(portrait: np.ndarray, places: list[int | None], *, mirrored: int | None = None) -> Iterator[np.ndarray]:
    """A face at these x in a frame of 300x700; None: it is not there. The other, mirrored, stays where it is."""
    y, x = np.mgrid[:300, :700]
    empty = np.stack([x / 700, y / 300, (x + y) / 1000], -1) * 120 + 60
    noise = np.random.default_rng(0)
    for place in places:
        frame = empty.copy()
        if mirrored is not None:
            frame[20:276, mirrored : mirrored + 256] = portrait[:, ::-1]
        if place is not None:
            frame[30:286, place : place + 256] = portrait
        yield np.clip(frame + noise.normal(0, 2, frame.shape), 0, 255).astype(np.uint8)


def test_a_moving_face_is_followed(finder: FaceFinder, portrait: np.ndarray) -> None:
    places = [40 + 8 * i for i in range(20)]
    tracking = track(clip(portrait, places), finder=finder, eyes=True, times=[i / 25 for i in range(20)])
    (one,) = tracking.tracks
    assert tracking.summary() == "1 face, tracked 20 of 20 frames"
    assert bool(one.found.all())
    way = one.square[:, 0] - one.square[0, 0]
    side = float(one.square[:, 2].median())
    assert float((way - 8 * torch.arange(20)).abs().max()) < 0.03 * side
    assert float(one.square[:, 2].std()) < 0.02 * side
    assert one.eyes is not None
    assert float(one.eyes.min()) > 0.2
    fixed = one.region(VOX)
    assert len(fixed) == 1
    bounds = fixed.bounds()[0]
    assert bool((one.square[:, 0] - side / 2 > bounds[0]).all())
    assert bool((one.square[:, 0] + side / 2 < bounds[2]).all())
    follow = one.region(VOX, follow=True)
    assert len(follow) == 20
    assert follow.times is not None
    shares = one.square[:, 2] / follow.side
    assert float((shares - VOX.share).abs().max()) < 0.03
    away = (follow.centre[:, 0] - one.square[:, 0]) / follow.side
    assert float((away - (0.5 - VOX.x)).abs().max()) < 0.03


def test_a_still_face_keeps_its_framing(finder: FaceFinder, portrait: np.ndarray) -> None:
    (one,) = track(clip(portrait, [200] * 6), finder=finder).tracks
    fixed = one.region(VOX)
    near(float(one.square[0, 2] / fixed.side[0]), VOX.share, MESH)
    assert one.eyes is None


def test_a_face_that_leaves_and_returns_is_bridged(finder: FaceFinder, portrait: np.ndarray) -> None:
    places: list[int | None] = [200] * 5 + [None] * 4 + [240] * 16
    (one,) = track(clip(portrait, places), finder=finder).tracks
    assert not bool(one.found[5:9].any())
    assert bool(one.found[:5].all())
    assert bool(one.found[-6:].all())
    assert bool(torch.isnan(one.square[5:9]).all())
    follow = one.region(VOX, follow=True)
    assert bool(follow.centre.isfinite().all())
    halfway = float((follow.centre[0, 0] + follow.centre[-1, 0]) / 2)
    near(float(follow.centre[7, 0]), halfway, 3 / 8, of=40)  # of the way from one place to the other: between the two


def test_two_faces_by_place_or_all(finder: FaceFinder, portrait: np.ndarray) -> None:
    places = [380 + 4 * i for i in range(8)]
    for which, expected in (("left", 128), ("right", 520), (0, 128), (1, 520)):
        (one,) = track(clip(portrait, places, mirrored=0), finder=finder, which=which).tracks
        # of the portrait's width: its face may be beside its middle, and the other face is further away
        near(float(one.square[-1, 0]), expected, 0.175, of=256, about=f"which={which}")
    both = track(clip(portrait, places, mirrored=0), finder=finder, which="all")
    assert len(both.tracks) == 2
    assert both.summary() == "2 faces, tracked 8, 8 of 8 frames"
    assert track(clip(portrait, places, mirrored=0), finder=finder, which=2).tracks == ()


def test_each_shot_gets_its_own_square(finder: FaceFinder, portrait: np.ndarray) -> None:
    tracking = track(clip(portrait, [20] * 10 + [420] * 10), finder=finder)
    assert tracking.shots == (0, 10)
    (one,) = tracking.tracks
    assert bool(one.found.all())
    region = one.region(VOX)
    assert len(region) == 20
    assert region.centre[:10, 0].unique().numel() == region.centre[10:, 0].unique().numel() == 1
    near(float(region.centre[10, 0] - region.centre[9, 0]), 400, MESH)
    follow = one.region(VOX, follow=True)
    near(float(follow.centre[10, 0] - follow.centre[9, 0]), 400, MESH)


def test_no_face_is_no_error_until_a_region_is_wanted(finder: FaceFinder, portrait: np.ndarray) -> None:
    tracking = track(clip(portrait, [None] * 4), finder=finder)
    assert tracking.tracks == ()
    assert tracking.summary() == "no face in 4 frames"
    nan = torch.full((4,), torch.nan)
    empty = Track(torch.zeros(4, dtype=torch.bool), nan[:, None].expand(4, 3), nan, nan, nan, None, nan, 9, 9)
    with pytest.raises(RegionError, match="found in no frame"):
        empty.region(VOX)


def test_what_cannot_be_tracked_is_refused(finder: FaceFinder) -> None:
    tracker = FaceTracker(finder)
    with pytest.raises(ImageError, match="one frame or more"):
        tracker.finish()
    tracker.add(np.zeros((20, 30, 3), np.uint8))
    with pytest.raises(ImageError, match="one size, 30x20; got 20x20"):
        tracker.add(np.zeros((20, 20, 3), np.uint8))
    with pytest.raises(ImageError, match="each of 1 frames; got 2"):
        tracker.finish([0, 1])
    for which in ("tallest", -1, True, 1.5):
        with pytest.raises(ImageError, match="or its number from 0"):
            FaceTracker(finder, which=which)  # type: ignore[arg-type]


def made_up(square: torch.Tensor, roll: torch.Tensor | None = None, shots: tuple[int, ...] = (0,)) -> Track:
    count = len(square)
    zero = torch.zeros(count)
    found = square.isfinite().all(1)
    return Track(found, square, zero if roll is None else roll, zero, zero, None, zero + 1, 400, 400, shots)


def test_a_stray_mesh_does_not_widen_a_fixed_square() -> None:
    square = torch.tensor([[200.0, 200, 60]]).repeat(200, 1)
    calm = made_up(square).region(VOX)
    square[77] = torch.tensor([20, 380, 150])
    again = made_up(square).region(VOX)
    near(again.side, calm.side, DOUBLE)
    near(again.centre, calm.centre, DOUBLE)


def test_shots_without_the_face_take_their_neighbours_square() -> None:
    square = torch.full((30, 3), torch.nan)
    square[10:20] = torch.tensor([200.0, 150, 60])
    region = made_up(square, shots=(0, 10, 20)).region(Framing(0.5))
    assert len(region) == 30
    assert region.side.unique().tolist() == [120]
    assert region.centre.unique(dim=0).tolist() == [[200, 150]]


def test_level_squares_turn_with_the_head() -> None:
    square = torch.tensor([[200.0, 200, 60]]).repeat(40, 1)
    near_half_turn = torch.linspace(3.0, 3.4, 40)
    wrapped = torch.atan2(near_half_turn.sin(), near_half_turn.cos())  # jumps from pi to -pi
    region = made_up(square, wrapped).region(Framing(0.5), follow=True, level=True)
    near(region.angle.float(), near_half_turn, 0.025, of=0.4)  # of the turn: one frame's, for angles are smoothed
    assert made_up(square, wrapped).region(Framing(0.5), follow=True).angle.unique().tolist() == [0]


def test_smoothing_keeps_steady_movement_and_calms_noise() -> None:
    line = torch.linspace(0, 1, 50, dtype=torch.float64)[:, None]
    near(smoothed(line, 3.0), line, DOUBLE)
    noise = torch.randn(200, 1, dtype=torch.float64)
    assert float(smoothed(noise, 3.0).diff(n=2, dim=0).std()) < 0.1 * float(noise.diff(n=2, dim=0).std())
    assert torch.equal(smoothed(line[:1], 3.0), line[:1])


def test_cuts_stand_out_from_their_neighbours() -> None:
    assert cuts([]) == cuts([9.0]) == []
    quiet = [1.0] * 20
    assert cuts(quiet) == []
    assert cuts([*quiet, 9, *quiet]) == [21]
    assert cuts([*quiet, 9, 9, 9, *quiet]) == []  # a fast pan, or a dissolve
    assert cuts([0.0] * 8 + [0.4] + [0.0] * 8) == []  # noise over a still
    assert cuts([0.0] * 8 + [0.6] + [0.0] * 8) == [9]


def test_shots_of_a_clip_whatever_its_size() -> None:
    rng = np.random.default_rng(0)
    for height, width in ((20, 30), (96, 128), (900, 1200)):
        first, second = (rng.integers(0, 256, (6, 8, 3)).astype(np.uint8) for _ in range(2))
        finder = ShotFinder()
        for i in range(16):
            small = first if i < 8 else second
            frame = small.repeat(-(-height // 6), 0).repeat(-(-width // 8), 1)[:height, :width]
            finder.add(frame)
        assert finder.starts == (0, 8)
