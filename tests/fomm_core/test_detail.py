"""Parts that are held still, and large frames from a large source: identities, ranges, what is refused."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from fomm_nodes.fomm_core.detail import DETAIL_MODES, transfer_detail
from fomm_nodes.fomm_core.errors import ImageError
from fomm_nodes.fomm_core.geometry import Motion, identity_flow
from fomm_nodes.fomm_core.motion import hold
from nearness import near
from torch import Tensor

SIZE = 16


def still() -> Tensor:
    return identity_flow(1, SIZE, SIZE, like=torch.zeros(1)).contiguous()


def moving(count: int = 3, shift: float = 0.25) -> Motion:
    """Everything comes from further right; a third of it is hidden, and all belongs to part 1."""
    flow = still().expand(count, -1, -1, -1) + torch.tensor([shift, 0.0])
    mask = torch.zeros(count, 3, SIZE, SIZE)
    mask[:, 1] = 1
    occlusion = torch.ones(count, 1, SIZE, SIZE)
    occlusion[..., : SIZE // 3] = 0
    return Motion(flow, occlusion, mask)


def pictures(count: int, side: int) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(4))


def test_a_white_mask_stops_everything_and_a_black_one_nothing() -> None:
    motion = moving()
    held = hold(motion, torch.ones(1, 40, 40))
    near(held.flow, still().expand(3, -1, -1, -1))
    near(held.occlusion, torch.ones(3, 1, SIZE, SIZE))
    near(held.mask[:, 0], torch.ones(3, SIZE, SIZE))
    free = hold(motion, torch.zeros(3, 40, 40))
    assert torch.equal(free.flow, motion.flow)
    assert torch.equal(free.occlusion, motion.occlusion)
    assert torch.equal(free.mask, motion.mask)


@pytest.mark.parametrize(("softness", "least", "most"), [(0.0, 0, 2), (0.1, 5, 12)])  # a pixel's width, and 16 / 10 * 3
def test_between_held_and_moving_the_motion_is_mixed(softness: float, least: int, most: int) -> None:
    mask = torch.zeros(1, 4 * SIZE, 4 * SIZE)
    mask[..., : 2 * SIZE] = 1
    held = hold(moving(1), mask, softness=softness)
    shift = (held.flow - still())[0, SIZE // 2, :, 0]
    assert bool((shift.diff() >= -1e-6).all())
    near(shift[0], 0.0, of=0.25)
    near(shift[-1], 0.25)
    steps = int(((shift > 0.01) & (shift < 0.24)).sum())
    assert least <= steps <= most
    near(held.mask.sum(1), torch.ones(1, SIZE, SIZE))
    assert bool(((held.occlusion >= 0) & (held.occlusion <= 1)).all())


def test_each_frame_may_have_its_own_mask() -> None:
    mask = torch.stack([torch.full((SIZE, SIZE), value) for value in (0.0, 0.5, 1.0)])
    held = hold(moving(), mask, softness=0.0)
    near((held.flow - still())[..., 0].mean((1, 2)), [0.25, 0.125, 0.0])
    assert hold(Motion(moving().flow), mask).occlusion is None


@pytest.mark.parametrize(
    ("mask", "softness", "words"),
    [
        (torch.ones(2, 8, 8), 0.0, "each of 3 frames"),
        (torch.ones(1, 1, 8, 8), 0.0, "expected one mask"),
        (torch.ones(1, 0, 8), 0.0, "expected one mask"),
        (torch.full((1, 8, 8), math.nan), 0.0, "NaN"),
        (torch.ones(1, 8, 8), 0.6, "softness"),
        (torch.ones(1, 8, 8), math.nan, "softness"),
    ],
)
def test_masks_that_do_not_fit_are_refused(mask: Tensor, softness: float, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        hold(moving(), mask, softness=softness)


@pytest.mark.parametrize("mode", DETAIL_MODES)
@pytest.mark.parametrize("align_corners", [True, False])
def test_a_source_that_does_not_move_comes_out_as_it_went_in(mode: str, align_corners: bool) -> None:
    source = pictures(1, 64)
    frames = F.interpolate(source, size=(SIZE, SIZE), mode="bilinear", antialias=True).expand(2, -1, -1, -1)
    # -1 and 1 are the outermost pixels' centres under one convention, and the picture's borders under the other
    flow = identity_flow(2, 64, 64, like=source) * (1.0 if align_corners else 63 / 64)
    made = transfer_detail(frames, Motion(flow), source, align_corners=align_corners, mode=mode)
    near(made, source.expand(2, -1, -1, -1), 1e-4)  # positions are float32 shares of half an image


@pytest.mark.parametrize("mode", DETAIL_MODES)
def test_what_the_source_does_not_show_is_the_frame(mode: str) -> None:
    frames, source, motion = pictures(3, SIZE), pictures(1, 64), moving()
    hidden = Motion(motion.flow, torch.zeros(3, 1, SIZE, SIZE))
    large = F.interpolate(frames, size=(64, 64), mode="bicubic", antialias=True).clamp(0, 1)
    for made in (
        transfer_detail(frames, hidden, source, align_corners=True, mode=mode),
        transfer_detail(frames, motion, source, align_corners=True, mode=mode, strength=0.0),
    ):
        near(made, large)
    shown = transfer_detail(frames, motion, source, align_corners=True, mode=mode)
    near(shown[..., :16], large[..., :16])  # occluded
    near(shown[..., 60:], large[..., 60:])  # from beyond the source's border
    assert float((shown[..., 30:50] - large[..., 30:50]).abs().max()) > 0.1


@pytest.mark.parametrize("mode", DETAIL_MODES)
def test_colours_stay_within_range(mode: str) -> None:
    made = transfer_detail(pictures(3, SIZE).round(), moving(), pictures(3, 64).round(), align_corners=False, mode=mode)
    assert made.shape == (3, 3, 64, 64)
    assert bool(((made >= 0) & (made <= 1)).all())


def test_high_pass_keeps_the_frames_light() -> None:
    frames, source = torch.full((1, 3, SIZE, SIZE), 0.7), torch.full((1, 3, 64, 64), 0.2)
    motion = Motion(still())
    near(transfer_detail(frames, motion, source, align_corners=True, mode="high-pass").mean(), 0.7)
    near(transfer_detail(frames, motion, source, align_corners=True).mean(), 0.2)


@pytest.mark.parametrize(
    ("frames", "source", "words", "more"),
    [
        (pictures(2, 8), pictures(1, 8), "each of the motion's 3", {}),
        (pictures(3, 8), pictures(2, 8), "one source or one for each", {}),
        (pictures(3, 8), pictures(1, 8)[:, :1], "3 channels", {}),
        (pictures(3, 8), pictures(1, 8), "mode", {"mode": "magic"}),
        (pictures(3, 8), pictures(1, 8), "strength", {"strength": 1.5}),
    ],
)
def test_what_does_not_fit_is_refused(frames: Tensor, source: Tensor, words: str, more: dict) -> None:
    with pytest.raises(ImageError, match=words):
        transfer_detail(frames, moving(), source, align_corners=True, **more)
