from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
import torch
from fomm_nodes.fomm_core.errors import KeypointError
from fomm_nodes.fomm_core.geometry import Keypoints
from fomm_nodes.fomm_core.motion import smooth_gaussian, smooth_one_euro
from nearness import HALF_SIDE, near

Smooth = Callable[[Keypoints], Keypoints]
BOTH = pytest.mark.parametrize(
    "smooth", [smooth_one_euro, lambda keypoints: smooth_gaussian(keypoints, sigma=2.0)], ids=["one-euro", "gaussian"]
)


def signal(values: torch.Tensor, count: int = 3) -> Keypoints:
    """The same course [T] in every coordinate and map entry."""
    frames = len(values)
    return Keypoints(
        values[:, None, None].expand(frames, count, 2).clone(),
        values[:, None, None, None].expand(frames, count, 2, 2).clone(),
    )


def noise(frames: int = 400, size: float = 0.01) -> Keypoints:
    return Keypoints(size * torch.randn(frames, 5, 2), torch.eye(2) + size * torch.randn(frames, 5, 2, 2))


@BOTH
def test_constant_stays(smooth: Smooth) -> None:
    still = Keypoints(torch.rand(1, 5, 2).expand(40, -1, -1), torch.rand(1, 5, 2, 2).expand(40, -1, -1, -1))
    got = smooth(still)
    assert torch.equal(got.position, still.position)
    assert torch.equal(got.jacobian, still.jacobian)


@BOTH
def test_jitter_drops_in_positions_and_maps(smooth: Smooth) -> None:
    rough = noise()
    got = smooth(rough)
    assert got.position.var() < 0.3 * rough.position.var()
    assert (got.jacobian - torch.eye(2)).var() < 0.3 * (rough.jacobian - torch.eye(2)).var()


@BOTH
def test_keypoints_are_filtered_apart(smooth: Smooth) -> None:
    rough = noise(60)
    whole = smooth(rough)
    alone = smooth(Keypoints(rough.position[:, 2:3], rough.jacobian[:, 2:3]))
    near(whole.position[:, 2:3], alone.position)
    near(whole.jacobian[:, 2:3], alone.jacobian)


@BOTH
@pytest.mark.parametrize("frames", [0, 1, 2, 3])
def test_short_clips_and_positions_alone(smooth: Smooth, frames: int) -> None:
    got = smooth(noise(frames).without_jacobian())
    assert got.position.shape == (frames, 5, 2)
    assert got.position.isfinite().all()
    assert got.jacobian is None


@BOTH
def test_dtype_and_input_stay(smooth: Smooth) -> None:
    rough = Keypoints(noise(20).position.double())
    before = rough.position.clone()
    assert smooth(rough).position.dtype == torch.float64
    assert torch.equal(rough.position, before)


def test_one_euro_is_causal_and_starts_at_the_first_frame() -> None:
    rough = noise(50)
    got = smooth_one_euro(rough)
    assert torch.equal(got.position[0], rough.position[0])
    near(smooth_one_euro(rough[:20]).position, got.position[:20])


def test_one_euro_without_beta_is_a_first_order_low_pass() -> None:
    step = signal(torch.tensor([0.0] + [1.0] * 30), 1)
    got = smooth_one_euro(step, fps=30, min_cutoff=2.0, beta=0).position[:, 0, 0]
    gain = 1 / (1 + 30 / (2 * torch.pi * 2.0))
    expected = 1 - (1 - gain) ** torch.arange(31, dtype=torch.float64)
    near(got.double(), expected)


def test_one_euro_follows_a_moving_head_within_a_frame() -> None:
    fps, speed = 25, 0.5
    ramp = signal(-0.8 + speed / fps * torch.arange(75.0))
    lag = (ramp.position - smooth_one_euro(ramp, fps=fps).position)[50:] / (speed / fps)  # frames
    assert lag.min() > 0
    assert lag.max() < 1
    slow = (ramp.position - smooth_one_euro(ramp, fps=fps, beta=0).position)[50:] / (speed / fps)
    assert slow.min() > 2


def test_one_euro_knows_the_frame_rate() -> None:
    time = torch.arange(240) / 120
    course = torch.sin(2 * torch.pi * time)
    fast = smooth_one_euro(signal(course), fps=120).position[::4]
    slow = smooth_one_euro(signal(course[::4]), fps=Fraction(30)).position
    same = smooth_one_euro(signal(course[::4]), fps=120).position
    assert (fast - slow).abs().max() < 0.05
    assert (fast - same).abs().max() > 0.15


@pytest.mark.parametrize("sigma", [0.6, 2.0, 15.0])
def test_gaussian_follows_the_definition(sigma: float) -> None:
    rough = noise(37)
    offset = np.arange(-100, 101)
    weight = np.exp(-0.5 * (offset / sigma) ** 2)
    mirrored = np.pad(rough.position[:, 1, 0].double().numpy(), 100, mode="symmetric")
    expected = np.convolve(mirrored, weight / weight.sum(), mode="valid")
    got = smooth_gaussian(rough, sigma=sigma).position[:, 1, 0].double()
    near(got, torch.from_numpy(expected), of=HALF_SIDE)


def test_gaussian_passes_a_ramp() -> None:
    ramp = signal(torch.linspace(-0.8, 0.8, 60))
    got = smooth_gaussian(ramp, sigma=2.0)
    near(got.position[8:-8], ramp.position[8:-8])
    near(got.jacobian[8:-8], ramp.jacobian[8:-8])


def test_gaussian_keeps_the_ends_and_the_mean() -> None:
    raised = signal(0.9 + 0.01 * torch.randn(50))
    got = smooth_gaussian(raised, sigma=3.0)
    assert (got.position - 0.9).abs().max() < 0.02
    near(got.position.mean(0), raised.position.mean(0))


def test_gaussian_of_zero_changes_nothing() -> None:
    rough = noise(10)
    assert smooth_gaussian(rough, sigma=0) is rough


def test_gaussian_of_any_width_tends_to_the_mean() -> None:
    rough = noise(6, 0.3)
    got = smooth_gaussian(rough, sigma=1e9)
    near(got.position, rough.position.mean(0).expand(6, -1, -1), 0.05, of=HALF_SIDE)  # the ends repeat their own frame


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ({"fps": 0}, "fps above 0"),
        ({"fps": float("nan")}, "fps above 0"),
        ({"min_cutoff": 0}, "min_cutoff"),
        ({"beta": -1}, "beta of at least 0"),
        ({"derivative_cutoff": -1}, "derivative_cutoff"),
    ],
)
def test_one_euro_refuses_bad_settings(setting: dict[str, float], named: str) -> None:
    with pytest.raises(KeypointError, match=named):
        smooth_one_euro(noise(3), **setting)


@pytest.mark.parametrize("sigma", [-0.1, float("inf"), float("nan")])
def test_gaussian_refuses_bad_sigmas(sigma: float) -> None:
    with pytest.raises(KeypointError, match="sigma"):
        smooth_gaussian(noise(3), sigma=sigma)
