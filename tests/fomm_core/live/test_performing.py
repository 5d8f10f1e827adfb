"""A live image shows what the library renders of the same frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from fomm_nodes.fomm_core import AnimationSession, TransferOptions, transfer
from fomm_nodes.fomm_core.checkpoints import load_builtin
from fomm_nodes.fomm_core.errors import KeypointError
from fomm_nodes.fomm_core.fitting import from_uint8, to_uint8
from fomm_nodes.fomm_core.live import LiveOptions, Performer, Take
from fomm_nodes.fomm_core.live.performer import shrunk
from fomm_nodes.fomm_core.motion import load_keypoints
from fomm_nodes.fomm_core.video import VideoReader, read_picture
from fomm_nodes.fomm_core.video.pixels import Pixels
from nearness import NETWORK, ONE_STEP, near, steps_near

FIXED = LiveOptions(adapt=False, smooth=False)


@pytest.fixture(scope="module")
def portrait(root: Path) -> Pixels:
    return read_picture(root / "fomm_core" / "assets" / "source.png")


@pytest.fixture(scope="module")
def driving(portrait: Pixels) -> list[Pixels]:
    """The portrait, moved within a wider image."""
    wide = np.pad(portrait[..., :3], ((20, 20), (80, 120), (0, 0)), mode="edge")
    return [np.ascontiguousarray(np.roll(wide, 3 * number, 1)) for number in range(4)]


def play(performer: Performer, frames: list[Pixels], start: float = 0.0) -> list[np.ndarray]:
    return [performer.step(frame, start + number * 0.04).image for number, frame in enumerate(frames)]


@pytest.mark.slow
def test_a_take_renders_to_the_same_frames(portrait: Pixels, driving: list[Pixels], tmp_path: Path) -> None:
    """Whatever was turned in between, from the saved performance alone, in absolute mode."""
    performer = Performer(load_builtin(), [("portrait.png", portrait)], LiveOptions(adapt=False))
    shown = []
    with Take(tmp_path / "take", rate=25) as take:
        for number, frame in enumerate(driving):
            if number == 2:
                performer.set_strength(1.5)
            frame_shown = performer.step(frame, number * 0.04)
            take.add(frame_shown.image, frame_shown.keypoints, number * 0.04)
            shown.append(frame_shown.image)
    saved = load_keypoints(take.performance).keypoints
    source = performer.source()
    session = AnimationSession(load_builtin())
    moved = transfer(source.keypoints, saved, None, TransferOptions(mode="absolute"))
    again = np.concatenate([to_uint8(part.images) for part in session.render(source, moved)])
    assert np.array_equal(again, np.stack(shown))
    assert not np.array_equal(again[0], again[3])
    with VideoReader(take.video) as reader:
        kept = list(reader)
    assert len(kept) == len(again)
    for frame, expected in zip(kept, again, strict=True):
        assert np.abs(frame.astype(int) - expected).mean() < 4  # what H.264 loses at quality 80


@pytest.mark.slow
def test_anchor_strength_and_mirror(portrait: Pixels, driving: list[Pixels]) -> None:
    performer = Performer(load_builtin(), [("portrait.png", portrait)], FIXED)
    source = performer.source()
    rest = to_uint8(next(iter(AnimationSession(load_builtin()).render(source, source.keypoints))).images)[0]
    frames = play(performer, driving)
    plain = performer.step(driving[0], 0.16).box
    steps_near(frames[0], rest, ONE_STEP)  # the first frame is the anchor, but for an inverse times its matrix
    assert np.abs(frames[3].astype(int) - rest).max() > 20
    performer.set_anchor()
    steps_near(performer.step(driving[3], 0.2).image, rest, ONE_STEP)
    performer.set_strength(0)
    steps_near(performer.step(driving[0], 0.24).image, rest, ONE_STEP)
    performer.set_strength(1)
    with pytest.raises(KeypointError, match="strength"):
        performer.set_strength(3)
    mirrored = Performer(
        load_builtin(), [("portrait.png", portrait)], LiveOptions(adapt=False, smooth=False, mirror=True)
    )
    flipped = [np.ascontiguousarray(frame[:, ::-1]) for frame in driving]
    assert all(np.array_equal(a, b) for a, b in zip(play(mirrored, flipped), frames, strict=True))
    seen = mirrored.step(flipped[0], 1).box
    near(plain[0] + plain[2] + seen[0], driving[0].shape[1], NETWORK)  # both in pixels of what came


@pytest.mark.slow
def test_a_group_that_has_no_share_stays(portrait: Pixels, driving: list[Pixels]) -> None:
    performer = Performer(load_builtin(), [("portrait.png", portrait)], FIXED)
    groups = performer.groups()
    play(performer, driving[:1])
    free = performer.step(driving[3], 0.04).keypoints.position
    rest = performer.source().keypoints.position
    performer.set_share("head", 0)
    performer.set_share("mouth", 0.5)
    shown = performer.step(driving[3], 0.08).keypoints.position
    head, mouth = list(groups["head"]), list(groups["mouth"])
    near(shown[:, head], rest[:, head])
    near(shown[:, mouth], (rest[:, mouth] + free[:, mouth]) / 2)
    others = [number for number in range(rest.shape[1]) if number not in (*head, *mouth)]
    assert torch.equal(shown[:, others], free[:, others])
    assert not torch.equal(free[:, head], rest[:, head])
    for group, share in (("nose", 0.5), ("head", 1.5)):
        with pytest.raises(KeypointError, match="share"):
            performer.set_share(group, share)
    drawn = Performer(load_builtin(), [("grey.png", np.full((128, 128, 3), 127, np.uint8))], FIXED)
    with pytest.raises(KeypointError, match=r"no keypoint of the model moves the mouth of grey\.png"):
        drawn.set_share("mouth", 0)


@pytest.mark.slow
def test_sources_are_switched_and_sizes_change_without_a_jump_of_size(portrait: Pixels, driving: list[Pixels]) -> None:
    sources = [("a", portrait), ("b", np.ascontiguousarray(portrait[:, ::-1]))]
    performer = Performer(load_builtin(), sources, LiveOptions(smooth=False))
    first = performer.step(driving[0], 0.0).image
    performer.choose(1)
    assert not np.array_equal(performer.step(driving[0], 0.1).image, first)
    with pytest.raises(KeypointError, match="from 0 to 1"):
        performer.choose(2)
    performer.governor.index = len(performer.governor.levels) - 1
    shown = performer.step(driving[0], 0.2)
    assert shown.level.size < (128, 128)
    assert shown.image.shape == first.shape
    with pytest.raises(KeypointError, match="an image to animate"):
        Performer(load_builtin(), [])


@pytest.mark.slow
def test_a_driver_without_a_face_drives_by_its_middle(portrait: Pixels) -> None:
    performer = Performer(load_builtin(), [("a", portrait)], FIXED)
    grey = np.full((90, 160, 3), 127, np.uint8)
    shown = performer.step(grey, 0.0)
    assert not shown.face
    assert shown.box == (35.0, 0.0, 90.0)
    assert performer.step(np.full((60, 60, 3), 99, np.uint8), 0.04).box == (0.0, 0.0, 60.0)


@pytest.mark.slow
def test_a_face_that_comes_later_is_found_by_a_glance(portrait: Pixels, driving: list[Pixels]) -> None:
    performer = Performer(load_builtin(), [("a", portrait)], FIXED)
    empty = np.full_like(driving[0], 127)
    before = performer.see(empty, 0.0)
    performer.glance(empty, 0.5)  # too early to look again
    performer.glance(driving[0], 0.9)
    assert not performer.see(driving[0], 0.91).face
    performer.glance(driving[0], 1.0)
    after = performer.see(driving[0], 1.04)
    assert after.face
    assert after.inside
    assert after.box != before.box
    assert after.anchor is not before.anchor
    aside = np.ascontiguousarray(np.roll(driving[0], 90, 1))
    performer.glance(aside, 2.1)
    left = performer.see(aside, 2.14)
    assert left.face
    assert not left.inside
    assert left.box == after.box


def test_shrinking_keeps_the_aspect() -> None:
    assert shrunk(np.zeros((300, 600, 3), np.uint8), 320).shape == (160, 320, 3)
    assert shrunk(np.zeros((30, 60, 3), np.uint8), 320).shape == (30, 60, 3)
    assert from_uint8(shrunk(np.full((300, 600, 3), 9, np.uint8), 10)).mean().item() > 0
