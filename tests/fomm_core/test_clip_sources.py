"""A clip that is moved by a clip: transfer frame by frame, and rendering with a source for each frame."""

from __future__ import annotations

import pytest
import torch
from fomm_nodes.fomm_core import AnimationOptions, AnimationSession, Keypoints, load_builtin
from fomm_nodes.fomm_core.animation import drive, drive_each
from fomm_nodes.fomm_core.errors import KeypointError
from fomm_nodes.fomm_core.motion import TransferOptions
from nearness import NETWORK, near


def keypoints(seed: int, frames: int) -> Keypoints:
    generator = torch.Generator().manual_seed(seed)
    position = torch.rand(frames, 10, 2, generator=generator) - 0.5
    jacobian = torch.eye(2) + 0.1 * torch.randn(frames, 10, 2, 2, generator=generator)
    return Keypoints(position, jacobian)


def test_a_source_that_stands_still_is_driven_as_a_picture() -> None:
    source, driving = keypoints(0, 1), keypoints(1, 6)
    still = Keypoints(source.position.expand(6, -1, -1), source.jacobian.expand(6, -1, -1, -1))
    for options in (AnimationOptions(), AnimationOptions(anchor="best"), AnimationOptions(TransferOptions("absolute"))):
        each, alone = drive_each(still, driving, options), drive(source, driving, options)
        near(each.position, alone.position)
        near(each.jacobian, alone.jacobian)


def test_a_driver_that_stands_still_leaves_the_source_as_it_moves() -> None:
    source, driving = keypoints(0, 6), keypoints(1, 1)
    still = Keypoints(driving.position.expand(6, -1, -1), driving.jacobian.expand(6, -1, -1, -1))
    moved = drive_each(source, still, AnimationOptions())
    near(moved.position, source.position)
    near(moved.jacobian, source.jacobian)


def test_the_scale_is_that_of_the_first_frame() -> None:
    source, driving = keypoints(0, 6), keypoints(1, 6)
    grown = Keypoints(torch.cat([source.position[:1], 3 * source.position[1:]]), source.jacobian)
    moved, larger = (drive_each(some, driving, AnimationOptions()) for some in (source, grown))
    near(larger.position - grown.position, moved.position - source.position, of=1)


def test_frames_have_to_be_as_many() -> None:
    with pytest.raises(KeypointError, match="got 3 and 4"):
        drive_each(keypoints(0, 3), keypoints(1, 4), AnimationOptions())


def test_each_frame_is_rendered_from_its_own_source() -> None:
    session = AnimationSession(load_builtin())
    generator = torch.Generator().manual_seed(0)
    pictures = torch.rand(3, 3, 64, 64, generator=generator)
    driven = session.detect(pictures.flip(0))
    made = []

    def source(number: int):
        def make():
            made.append(number)
            return session.prepare(pictures[number : number + 1])

        return make

    frames = torch.cat([part.images for part in session.render_each(map(source, range(3)), driven)])
    assert sorted(made) == [0, 1, 2]
    for number in range(3):
        prepared = session.prepare(pictures[number : number + 1])
        alone = next(iter(session.render(prepared, driven[number])))
        near(frames[number : number + 1], alone.images, NETWORK, of=1)
    with pytest.raises(ValueError, match="longer than"):
        list(session.render_each(map(source, range(2)), driven))
