"""The recipe of the demo model's clips: puppets that talk and blink, made from the example's portrait."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from demo_clips import (
    acting,
    clips,
    eyes,
    glances,
    head,
    measure,
    mouth,
    points,
    portraits,
    puppet,
    speech,
    stills,
    topology,
)
from demo_clips import landmarks as places
from demo_clips.rig import Expression
from demo_clips.verify import Seen, fault
from fomm_nodes.fomm_core import shipped
from fomm_nodes.fomm_core.errors import DataError
from fomm_nodes.fomm_core.faces import FaceFinder
from fomm_nodes.fomm_core.training.data.points import mirrored
from fomm_nodes.fomm_core.video import read_image
from nearness import DOUBLE, near

pytest.importorskip("scipy", reason="scipy makes the triangles")
SIDE = 160


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder()


@pytest.fixture(scope="module")
def portrait(finder: FaceFinder) -> puppet.Portrait:
    picture = cv2.resize(read_image(shipped.ASSETS / "source.png"), (256, 256), interpolation=cv2.INTER_AREA)
    found = stills.with_lids(picture, finder.find(picture, eyes=True)[0], np.ones((256, 256), np.float32))
    assert found is not None
    assert found.eyes_seen == (True, True)
    return found


@pytest.fixture(scope="module")
def doll(portrait: puppet.Portrait) -> puppet.Puppet:
    return puppet.Puppet(portrait, face_triangles(portrait.landmarks))


def face_triangles(landmarks: np.ndarray) -> np.ndarray:
    """Like MediaPipe's, which no package of ours carries: none between the lips."""
    from scipy.spatial import Delaunay

    triangles = Delaunay(landmarks[:, :2]).simplices.astype(np.int32)
    return triangles[~np.isin(triangles, puppet.INNER_LIPS).all(1)]


@pytest.fixture(scope="module")
def inside(doll: puppet.Puppet) -> mouth.Inside:
    return doll.inside(mouth.Mouth.drawn(np.random.default_rng(3), doll.skin_colour))


def test_a_puppet_at_rest_is_the_picture(doll: puppet.Puppet, portrait: puppet.Portrait, inside: mouth.Inside) -> None:
    frame, where = doll.frame(doll.pose, doll.rig.rest, inside, 256)
    off = np.abs(frame.astype(int) - portrait.picture).max(-1)
    assert np.median(off) <= 3
    assert (off <= 24).mean() > 0.97  # between the lips it is painted
    lids = portrait.landmarks[[*places.LIDS[0], *places.LIDS[1]], :2] + 0.5
    near(where[22:54], lids, 1.5, of=1)  # a pixel and a half: far cheeks are brought forward
    near(where[54:].reshape(2, 5, 2), portrait.irises + 0.5, 1.5, of=1)


@pytest.mark.parametrize("wanted", [0.1, 0.3, 0.5, 0.8])
def test_a_mouth_opens_as_far_as_it_is_told(
    doll: puppet.Puppet, inside: mouth.Inside, finder: FaceFinder, wanted: float
) -> None:
    expression = replace(doll.rig.rest, mouth=wanted)
    frame, where = doll.frame(doll.pose, expression, inside, SIDE)
    near(points.opening(where[None])[0], wanted, 0.1)  # seen from the front, but for the head's own turn
    seen = finder.find(frame)[0].mouth_opening
    assert 0.4 * wanted < seen < 1.1 * wanted + 0.03  # the mesh sees wide mouths narrower


def test_a_smile_that_shows_teeth_can_be_shut(doll: puppet.Puppet, inside: mouth.Inside, finder: FaceFinder) -> None:
    open_mouth, _ = doll.frame(doll.pose, doll.rig.rest, inside, SIDE)
    frame, where = doll.frame(doll.pose, Expression(mouth=0.0), inside, SIDE)
    assert points.opening(where[None])[0] < 0.02
    assert finder.find(frame)[0].mouth_opening < 0.5 * finder.find(open_mouth)[0].mouth_opening


def test_lips_round_and_spread(doll: puppet.Puppet) -> None:
    def width(**other: float) -> float:
        moved = doll.shape + doll.rig.moves(replace(doll.rig.rest, **other))
        return float(np.linalg.norm(moved[61] - moved[291]))

    assert width(width=-1.0) < 0.85 * width() < 0.95 * width(width=1.0)
    rest = doll.rig.moves(doll.rig.rest)
    near(rest, 0, DOUBLE, of=1)  # a width of the face
    smile = doll.rig.moves(replace(doll.rig.rest, smile=1.0))
    assert smile[[61, 291], 1].max() < -0.01  # up
    raised = doll.rig.moves(replace(doll.rig.rest, brows=(1.0, 0.0)))
    assert raised[105, 1] < -0.02
    near(raised[334], 0, 0.005, of=1)  # widths of the face: a brow by itself hardly moves the other
    near(raised[list(places.OVAL)], 0, DOUBLE, of=1)


def test_a_jaw_takes_the_chin_along_and_leaves_the_rest(doll: puppet.Puppet) -> None:
    moves = doll.rig.moves(replace(doll.rig.rest, mouth=0.6))
    assert moves[places.CHIN, 1] > 0.03
    assert moves[[50, 280], 1].max() < moves[places.CHIN, 1] / 3  # the cheeks
    near(moves[[33, 263, 4, 10, 168]], 0, DOUBLE, of=1)


@pytest.mark.parametrize(("lids", "shut"), [((1, 1), (True, True)), ((1, 0), (True, False)), ((0, 1), (False, True))])
def test_eyes_shut_each_by_itself(
    doll: puppet.Puppet, inside: mouth.Inside, finder: FaceFinder, lids: tuple, shut: tuple
) -> None:
    rest, _ = doll.frame(doll.pose, doll.rig.rest, inside, 256)
    frame, where = doll.frame(doll.pose, replace(doll.rig.rest, lids=lids), inside, 256)
    before, after = (np.array(finder.find(shown, eyes=True)[0].eye_opening) for shown in (rest, frame))
    assert ((after < 0.7 * before) == np.array(shut)).all()
    gaps = [where[first + 9 : first + 16, 1] - where[first + 1 : first + 8, 1] for first in (22, 38)]
    assert [bool(np.abs(gap).max() < 0.5) for gap in gaps] == list(shut)
    away = np.abs(frame.astype(int) - rest).max(-1)
    assert away[: int(where[22:54, 1].min()) - 25].max() <= 1  # above the eyes nothing happens


def test_eyes_look_aside(portrait: puppet.Portrait) -> None:
    picture = portrait.picture.astype(np.float32)
    for lids, iris in zip(places.LIDS, portrait.irises, strict=True):
        eye = eyes.Eye(picture, portrait.landmarks[list(lids), :2], iris)
        open_eye = eye.painted(0, (0, 0))
        assert (open_eye == picture[eye.place]).all()
        columns = np.arange(open_eye.shape[1])
        height = int(iris[0, 1] - eye.top)

        def dark(shown: np.ndarray, row: int = height, at: np.ndarray = columns) -> float:
            weight = np.clip(120 - shown[row].mean(-1), 0, None)
            return float((weight * at).sum() / weight.sum())

        right, left = eye.painted(0, (0.12, 0)), eye.painted(0, (-0.12, 0))
        assert dark(left) + 0.5 < dark(open_eye) < dark(right) - 0.5


def test_a_picture_without_room_for_an_eye_is_left_alone() -> None:
    contour = np.linspace((3, 5), (6, 5), 16)
    eye = eyes.Eye(np.zeros((12, 12, 3), np.float32), contour, np.full((5, 2), 5.0))
    assert not eye.has_room


def test_a_hidden_eye_is_left_as_it_is(portrait: puppet.Portrait, finder: FaceFinder) -> None:
    face = finder.find(portrait.picture, eyes=True)[0]
    assert face.lids is not None
    elsewhere = replace(face, lids=face.lids + torch.tensor([0.0, 20.0])[:, None, None])  # as behind dark glasses
    found = stills.with_lids(portrait.picture, elsewhere, portrait.mask)
    assert found is not None
    assert found.eyes_seen == (True, False)
    doll = puppet.Puppet(found, face_triangles(found.landmarks))
    assert doll.can_shut == (True, False)
    calm = head.Motion(np.zeros((24, 3)), np.zeros((24, 3)), np.ones(24))
    acts = [acting.draw_act(doll, calm, 25.0, np.random.default_rng(seed)) for seed in range(9)]
    lids = np.array([step.expression.lids for act in acts for step in act.steps])
    assert lids[:, 0].max() == 1
    assert lids[:, 1].max() == 0


def test_a_hole_is_filled_as_smoothly_as_it_can_be() -> None:
    y, x = np.mgrid[:20, :30].astype(np.float32)
    picture = np.dstack([2 * x, 3 * y, x + y]).astype(np.float32)
    hole = np.zeros((20, 30), bool)
    hole[4:15, 6:22] = True
    near(eyes.filled(np.where(hole[..., None], 255, picture), hole), picture, 1e-4)  # float32 holds the image


# Tracks


def test_speech_opens_the_mouth_as_people_do() -> None:
    drawn = [speech.Speech.drawn(48, 25.0, np.random.default_rng(seed)) for seed in range(200)]
    spans = np.array([np.ptp(each.mouth) for each in drawn])
    assert np.median(spans) > 0.4
    assert np.percentile(spans, 90) > 0.55
    assert max(each.mouth.max() for each in drawn) <= 0.8
    assert min(each.mouth.min() for each in drawn) >= 0
    assert max(np.abs(np.diff(each.mouth)).max() for each in drawn) < 0.3  # in 40 ms
    shut = np.mean([each.mouth.min() < 0.1 for each in drawn])
    assert shut > 0.7
    for each in drawn[:20]:
        parts = (each.width, each.smile, each.raised, each.dropped, each.tongue)
        assert all(np.abs(part).max() <= 1 and len(part) == 48 for part in parts)


def test_blinks_last_as_long_as_blinks_do() -> None:
    lengths, clips_with_one, winks = [], 0, 0
    for seed in range(200):
        lids = glances.Glances.drawn(48, 25.0, np.random.default_rng(seed)).lids
        assert lids.min() >= 0
        assert lids.max() <= 1
        clips_with_one += bool((lids > 0.95).all(1).any())
        winks += bool(((lids > 0.95).any(1) & (lids.min(1) < 0.2)).any())
        under = (lids.max(1) > 0.05).astype(int)
        begins, ends = np.flatnonzero(np.diff(under) > 0), np.flatnonzero(np.diff(under) < 0)
        if len(begins) and len(ends):
            lengths += [int(end - begin) for begin, end in zip(begins, ends[ends > begins[0]], strict=False)]
    assert clips_with_one > 120
    assert 5 < winks < 60
    seconds = np.array(lengths) / 25
    assert 0.1 <= np.median(seconds) <= 0.4


def test_an_act_stays_within_what_a_still_can_show(doll: puppet.Puppet) -> None:
    rng = np.random.default_rng(1)
    wild = head.Motion(rng.normal(0, 0.6, (60, 3)), rng.normal(0, 0.5, (60, 3)), rng.uniform(0.5, 2, 60))
    for seed in range(5):
        motion = acting.draw_motion([wild], np.random.default_rng(seed))
        act, again = (acting.draw_act(doll, motion, 25.0, np.random.default_rng(seed)) for _ in range(2))
        assert len(act.steps) == acting.FRAMES
        for step, same in zip(act.steps, again.steps, strict=True):
            assert step.expression == same.expression
            assert np.array_equal(step.pose.shift, same.pose.shift)
            assert np.abs((step.pose.shift - doll.pose.shift)[:2]).max() <= acting.SHIFT_LIMIT * doll.side + 1e-6
            assert acting.SIZES[0] - 1e-9 <= step.pose.scale / doll.pose.scale <= acting.SIZES[1] + 1e-9
            turned = np.degrees(np.abs(step.pose.rotation_vector() - doll.pose.rotation_vector()))
            assert (turned <= np.degrees(acting.TURN_LIMITS) + 6).all()


def test_a_short_motion_is_played_to_and_fro() -> None:
    steady = np.linspace(0, 1, 30)[:, None] * [1.0, 0, 0]
    motion = acting.draw_motion([head.Motion(steady, steady, 1 + steady[:, 0])], np.random.default_rng(0), 200)
    assert len(motion) == 200
    steps = np.abs(np.diff(motion.turn[:, 0]))
    assert steps.max() < 2.1 / 29
    assert 0 <= motion.turn.min() < motion.turn.max() <= 1


# Points, mirrors, and the second look


def test_points_in_a_mirror(doll: puppet.Puppet, inside: mouth.Inside) -> None:
    expression = replace(doll.rig.rest, lids=(0.5, 0.0), gaze=(0.1, 0.0))
    _, where = doll.frame(doll.pose, expression, inside, SIDE)
    other = mirrored(where[None], SIDE)
    near(mirrored(other, SIDE)[0], where, 1e-5)  # float32
    near(points.opening(other)[0], points.opening(where[None])[0], 1e-4)  # likewise
    assert other[0, 0, 0] < other[0, 1, 0]
    assert other[0, 22:38, 0].max() < other[0, 38:54, 0].min()
    gaps = [np.abs(other[0, at + 12, 1] - other[0, at + 4, 1]) for at in (22, 38)]
    assert gaps[1] < 0.75 * gaps[0]  # the half-shut eye is the right one now


def test_a_clip_that_shows_something_else_is_found_out() -> None:
    wave = 0.25 - 0.25 * np.cos(np.linspace(0, 12, 48))
    lids = np.zeros((48, 2))
    lids[20:24] = 1
    eye = np.where(lids > 0.9, 0.1, 0.33)
    assert fault(Seen(0.8 * wave + 0.02, eye), wave, lids) is None
    still = np.random.default_rng(0).normal(0.1, 0.01, 48)
    assert "mouth" in str(fault(Seen(still, eye), wave, lids))
    assert "mouth" in str(fault(Seen(0.2 * wave, eye), wave, lids))
    one_open = np.where(np.array([True, False]), eye, 0.33)
    assert "eye" in str(fault(Seen(wave, one_open), wave, lids))
    assert fault(Seen(wave, np.full((48, 2), 0.05)), wave, lids) is None  # eyes that are shut in the still
    lost = np.where(np.arange(48) % 4 == 0, np.nan, wave)
    assert "lost" in str(fault(Seen(lost, eye), wave, lids))


class Given(stills.Still):
    """A still whose puppet is there already."""

    def __init__(self, doll: puppet.Puppet, finder: FaceFinder) -> None:
        self.__dict__.update(puppet=doll, tracker=type("Tracker", (), {"measurer": finder}))


def test_a_performance_is_the_same_each_time(doll: puppet.Puppet, finder: FaceFinder) -> None:
    motion = head.Motion(np.zeros((12, 3)), np.zeros((12, 3)), np.ones(12))
    make = portraits.Performance(Given(doll, finder), motion, 4, 128)
    first, again = make(), make()
    assert len(first.frames) == 12
    assert first.points is not None
    assert first.points.shape == (12, 64, 2)
    assert all((one == other).all() for one, other in zip(first.frames, again.frames, strict=True))
    assert (first.points == again.points).all()
    seen = Seen.of(first.frames, finder)
    assert np.corrcoef(seen.mouth, points.opening(first.points))[0, 1] > 0.9


def test_a_still_of_no_use_gives_no_clip(finder: FaceFinder) -> None:
    motion = head.Motion(np.zeros((12, 3)), np.zeros((12, 3)), np.ones(12))
    assert clips.Take([]).frames == portraits.Performance(Given(None, finder), motion, 4, 128)().frames


# Triangles


def connections(path: Path, edges: list[tuple[int, int]]) -> Path:
    path.write_text(f"# a comment\nOTHER = frozenset([(1, 2)])\n{topology.NAME} = frozenset({edges})\n")
    return path


def test_triangles_are_read_off_the_list_of_edges(tmp_path: Path) -> None:
    edges = [(127, 34), (34, 139), (139, 127), (11, 0), (0, 37), (37, 11)]
    found = topology.face_triangles(connections(tmp_path / "a.py", edges))
    assert found[:2].tolist() == [[127, 34, 139], [11, 0, 37]]
    assert (found[2:] == topology.eye_triangles()).all()
    assert len(topology.eye_triangles()) == 28
    assert set(topology.eye_triangles().ravel().tolist()) == {*places.LIDS[0], *places.LIDS[1]}
    with pytest.raises(DataError, match="three edges"):
        topology.face_triangles(connections(tmp_path / "b.py", [*edges[:2], (139, 128)]))
    (tmp_path / "c.py").write_text("OTHER = frozenset([])\n")
    with pytest.raises(DataError, match="not there"):
        topology.face_triangles(tmp_path / "c.py")


# The table


def test_a_table_says_how_far_mouths_and_eyes_went() -> None:
    eyes = np.full((50, 2), 0.3)
    eyes[10:13] = 0.06
    talking = measure.measure(Seen(np.linspace(0, 0.5, 50), eyes))
    assert talking is not None
    near(talking.mouth, 0.48, 0.01)  # without the ends
    near(talking.shut, 0.2)
    assert talking.blinks == 1
    assert measure.measure(Seen(np.full(50, np.nan), eyes)) is None
    still = measure.Measured(0.02, 0.9, 0)
    assert measure.row("a", [talking, still]) == "| a | 2 | 0.07 / 0.25 / 0.43 | 50% | 0.27 / 0.55 / 0.83 | 0.50 |"
    assert measure.row("b", []) == "| b | 0 | | | | |"


def test_a_folder_of_clips_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(shipped.ASSETS / "driving.mp4", tmp_path / "a.mp4")
    assert measure.main([str(tmp_path), str(tmp_path / "a.mp4"), "--limit", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[2].split("|")[2:] == lines[3].split("|")[2:]
    assert lines[2].split("|")[2].strip() == "1"
