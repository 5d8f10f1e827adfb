"""Regions' covariances through everything that happens to keypoints over time, and what bad input makes of them."""

from __future__ import annotations

import pytest
import torch
from family_models import small_family_config, small_family_model
from fomm_nodes.fomm_core.errors import KeypointError, SizeError
from fomm_nodes.fomm_core.geometry import (
    Keypoints,
    axes_map,
    inverse_covariance,
    principal_axes,
    region_gaussians,
    spline_at,
    spline_through,
)
from fomm_nodes.fomm_core.motion import TransferOptions, resample, smooth_gaussian, smooth_one_euro, transfer
from nearness import DOUBLE, near


def regions(frames: int, *, flips: bool = False) -> Keypoints:
    """A slow clip of 3 regions; with `flips`, maps whose signs change from frame to frame."""
    share = torch.linspace(0, 1, frames, dtype=torch.float64)[:, None, None, None]
    shape = torch.tensor([[0.05, 0.02], [0.02, 0.03]], dtype=torch.float64)
    covariance = shape * (1 + share) * torch.tensor([1.0, 2.0, 3.0]).double()[:, None, None]
    maps = axes_map(covariance)
    if flips:
        maps = maps * (1 - 2 * (torch.arange(frames) % 2)).double()[:, None, None, None]
    position = torch.linspace(-0.5, 0.5, 3, dtype=torch.float64)[None, :, None] * (1 + share[..., 0]).expand(-1, -1, 2)
    return Keypoints(position, maps, covariance=covariance)


def test_axes_are_those_of_the_singular_values() -> None:
    maps = torch.randn(2000, 2, 2, dtype=torch.float64)
    covariance = maps @ maps.mT
    axes, variances = principal_axes(covariance)
    near(axes @ torch.diag_embed(variances) @ axes.mT, covariance, DOUBLE)
    near(axes @ axes.mT, torch.eye(2, dtype=torch.float64).expand_as(axes), DOUBLE)
    assert (axes.det() < 0).all()
    assert (variances[:, 0] >= variances[:, 1]).all()


def test_axes_have_gradients() -> None:
    covariance = torch.tensor([[0.05, 0.02], [0.02, 0.03]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: axes_map((x + x.mT) / 2), covariance)
    even = torch.eye(2, dtype=torch.float64).mul(0.1).requires_grad_()
    (gradient,) = torch.autograd.grad(axes_map(even).sum(), even)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("flat", [[[0.0, 0.0], [0.0, 0.0]], [[0.1, 0.0], [0.0, 0.0]], [[0.1, 0.1], [0.1, 0.1]]])
def test_a_region_that_has_collapsed_stays_finite(flat: list[list[float]]) -> None:
    covariance = torch.tensor(flat).expand(1, 1, 2, 2)
    heat = region_gaussians(torch.zeros(1, 1, 2), covariance, 9, 9)
    assert torch.isfinite(inverse_covariance(covariance)).all()
    assert (heat >= 0).all()
    near(heat.max().item(), 1)
    assert torch.isfinite(axes_map(covariance)).all()
    assert axes_map(covariance).det().abs().item() > 0
    model = small_family_model("mraa")
    position = torch.zeros(1, 4, 2)
    collapsed = Keypoints(position, axes_map(covariance).expand(1, 4, 2, 2), covariance=covariance.expand(1, 4, 2, 2))
    frames = model(torch.rand(1, 3, 64, 64), model.detect(torch.rand(1, 3, 64, 64)), collapsed)
    assert torch.isfinite(frames.images).all()


@pytest.mark.parametrize(
    "smooth", [lambda clip: smooth_gaussian(clip, sigma=1.0), lambda clip: smooth_one_euro(clip, fps=10)]
)
def test_signs_that_flip_do_not_cancel(smooth) -> None:
    calm, flipping = smooth(regions(8)), smooth(regions(8, flips=True))
    near(flipping.jacobian.abs(), calm.jacobian.abs(), DOUBLE)
    near(flipping.covariance, calm.covariance, DOUBLE)
    near(
        resample(regions(8, flips=True), 10, 25)[0].jacobian.abs(),
        resample(regions(8), 10, 25)[0].jacobian.abs(),
        DOUBLE,
    )


def test_covariances_are_the_driver_s() -> None:
    source, driving = regions(1), regions(5)
    for mode in ("relative", "absolute"):
        moved = transfer(source, driving, driving[0], TransferOptions(mode=mode))
        assert moved.covariance is not None
        assert torch.equal(moved.covariance, driving.covariance)
    still = transfer(source, driving, driving[0], TransferOptions(strength=0))
    assert still.covariance is not None
    near(still.covariance, source.covariance.expand(5, -1, -1, -1), DOUBLE)
    twice = transfer(source, driving, driving[0], TransferOptions(strength=2))
    assert twice.covariance is not None
    assert (principal_axes(twice.covariance)[1] > 0).all()


def test_keypoints_with_and_without_covariances_do_not_mix() -> None:
    clip = regions(3)
    plain = Keypoints(clip.position, clip.jacobian)
    with pytest.raises(KeypointError, match="covariances in all keypoints or in none"):
        transfer(clip[0], plain, plain[0])
    with pytest.raises(KeypointError, match="covariances, or all without"):
        Keypoints.cat([clip, plain])
    with pytest.raises(KeypointError, match="expected covariances of shape"):
        Keypoints(clip.position, covariance=clip.position)


def test_splines_go_through_their_points() -> None:
    """But for the softening; and affine maps are found as such."""
    control = torch.rand(4, 5, 2, dtype=torch.float64) * 2 - 1
    theta, weights = spline_through(control, control)
    moved = torch.stack([spline_at(control[i], control[i], theta[i], weights[i]) for i in range(4)])
    near(moved, control, 0.1)  # 0.01 on the diagonal bends it so far
    assert torch.isfinite(spline_through(torch.zeros(1, 5, 2), torch.rand(1, 5, 2))[0]).all()


def test_sizes_of_tps() -> None:
    config = small_family_config("tps")
    assert config.nearest_size(8, 8) == (32, 32)
    with pytest.raises(SizeError, match=r"more than 16x16 pixels.*nearest good size is 32x32"):
        config.check_size(16, 16)
    config.check_size(16, 32)
    large = small_family_model("tps").with_config(config.for_size(128, 128))
    assert large.config.detector.scale_factor == 0.5
    found = large.detect(torch.rand(1, 3, 128, 128))
    frames = large(torch.rand(1, 3, 128, 128), found, found)
    assert frames.images.shape == (1, 3, 128, 128)
    assert frames.motion is not None
    assert [level.shape[-1] for level in frames.motion.levels] == [8, 16, 32]
