"""Hold and Transfer Detail as blocks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from fomm_nodes.fomm_core import Motion
from fomm_nodes.fomm_core.errors import ImageError
from fomm_nodes.fomm_core.geometry import identity_flow
from fomm_nodes.nodes.declarations.border import MotionClip
from nearness import near
from torch import Tensor

Run = Callable[..., dict]


@pytest.fixture
def motion() -> MotionClip:
    """Five frames of 64x64 in which all comes from further right."""
    flow = identity_flow(5, 32, 32, like=torch.zeros(1)) + torch.tensor([0.5, 0.0])
    return MotionClip(Motion(flow, torch.ones(5, 1, 32, 32)), (64, 64), "crop", True)


def test_what_is_held_stays_as_it_is(run: Run, motion: MotionClip, portrait: Tensor) -> None:
    mask = torch.zeros(1, 80, 72)  # of the source, whose upper and lower edge "crop" cuts off
    mask[:, :40] = 1
    held = run("Hold", motion=motion, mask=mask, softness=0.0)["held"]
    assert (held.size, held.fit, len(held)) == ((64, 64), "crop", 5)
    near(held.motion.flow[:, :15], identity_flow(5, 32, 32, like=torch.zeros(1))[:, :15])
    assert torch.equal(held.motion.flow[:, 17:], motion.motion.flow[:, 17:])
    moved = run("WarpImage", motion=held, image=portrait)["moved_image"]
    near(moved[:, :32], portrait[:, 4:36].expand(5, -1, -1, -1))
    assert torch.equal(run("Hold", motion=motion, mask=torch.zeros(80, 72))["held"].motion.flow, motion.motion.flow)


@pytest.mark.parametrize(
    "mask", [torch.zeros(2, 8, 8), torch.zeros(1, 0, 8), torch.full((1, 8, 8), math.nan), torch.zeros(1, 8, 8, 3)]
)
def test_masks_that_do_not_fit_are_refused(run: Run, motion: MotionClip, mask: Tensor) -> None:
    with pytest.raises(ImageError, match="mask"):
        run("Hold", motion=motion, mask=mask)


@pytest.mark.parametrize("mode", ["transfer", "high-pass"])
def test_frames_get_the_sources_size_and_pixels(run: Run, host: Any, motion: MotionClip, mode: str) -> None:
    source = torch.rand(1, 250, 200, 3, generator=torch.Generator().manual_seed(1))
    still = MotionClip(Motion(identity_flow(5, 32, 32, like=source)), (64, 64), "crop", True)
    frames = torch.nn.functional.interpolate(
        source[:, 25:225].movedim(-1, 1), size=(64, 64), mode="bilinear", antialias=True
    ).movedim(1, -1)
    made = run("TransferDetail", frames=frames.expand(5, -1, -1, -1), motion=still, source=source, mode=mode)["images"]
    near(made, source[:, 25:225].expand(5, -1, -1, -1), 1e-4)  # positions are float32 shares of half an image
    assert [told[:2] for told in host.told] == [(4, 5), (5, 5)]


def test_frames_and_sources_that_do_not_fit_are_refused(run: Run, motion: MotionClip) -> None:
    pictures = torch.rand(5, 64, 64, 3)
    with pytest.raises(ImageError, match="expected the 5 frames"):
        run("TransferDetail", frames=pictures[:3], motion=motion, source=pictures[:1])
    with pytest.raises(ImageError, match="“source”: expected one image"):
        run("TransferDetail", frames=pictures, motion=motion, source=pictures[:2])


def moving() -> MotionClip:
    """Nine frames of 64x64; each comes from a 16th further right than the one before."""
    steps = torch.arange(9)[:, None, None, None] * torch.tensor([0.125, 0.0])
    return MotionClip(Motion(identity_flow(9, 32, 32, like=torch.zeros(1)) + steps), (64, 64), "crop", True)


def test_a_video_latent_is_moved_at_as_many_moments_as_it_has(run: Run) -> None:
    video = torch.rand(1, 16, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    made = run("WarpImage", motion=moving(), latent={"samples": video})["moved_latent"]["samples"]
    assert made.shape == video.shape
    for moment, frame in enumerate((0, 4, 8)):
        still = {"samples": video[:, :, moment]}
        alone = run("WarpImage", motion=moving(), latent=still)["moved_latent"]["samples"]
        near(made[:, :, moment], alone[frame][None])


def test_the_latent_of_one_moment_becomes_a_video(run: Run) -> None:
    picture = torch.rand(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    made = run("WarpImage", motion=moving(), latent={"samples": picture[:, :, None]})["moved_latent"]["samples"]
    alone = run("WarpImage", motion=moving(), latent={"samples": picture})["moved_latent"]["samples"]
    assert made.shape == (1, 4, 9, 8, 8)
    assert torch.equal(made[0].movedim(1, 0), alone)


@pytest.mark.parametrize("shape", [(2, 4, 3, 8, 8), (4, 8, 8), (1, 1, 4, 3, 8, 8)])
def test_other_latents_are_refused(run: Run, shape: tuple[int, ...]) -> None:
    with pytest.raises(ImageError, match="of one video"):
        run("WarpImage", motion=moving(), latent={"samples": torch.zeros(shape)})
