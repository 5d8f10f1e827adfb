"""Loops and joins: no seam is seen, and lengths are what they should be."""

from __future__ import annotations

import pytest
import torch
from fomm_nodes.fomm_core.errors import KeypointError
from fomm_nodes.fomm_core.geometry import Keypoints
from fomm_nodes.fomm_core.motion import eased, join, loop, trim
from nearness import DOUBLE, near
from performances import performance, same

SEAM = 1.2
"""Of its neighbours' speed, that of the step over a seam may be."""


def speeds(keypoints: Keypoints) -> torch.Tensor:
    """Of each step of a loop, the one from the last frame to the first at the end: root mean square, [T]."""
    return (keypoints.position.roll(-1, 0) - keypoints.position).square().flatten(1).mean(1).sqrt()


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(("frames", "crossfade"), [(60, 12), (60, 30), (101, 8), (200, 25), (25, 5)])
def test_a_loop_has_no_jump(seed: int, frames: int, crossfade: int) -> None:
    given = performance(frames, seed=seed)
    got = loop(given, crossfade)
    assert len(got) == frames - crossfade
    seam, before, after = speeds(got)[[-1, -2, 0]]
    assert seam <= SEAM * torch.maximum(before, after)
    jump = (given.position[-1] - given.position[0]).square().mean().sqrt()
    assert speeds(got).max() <= speeds(given)[:-1].max() + 1.9 * jump / (crossfade + 1) + speeds(given)[:-1].max()


@pytest.mark.parametrize("seed", range(4))
def test_joins(seed: int) -> None:
    first, second, third = (performance(length, seed=10 * seed + length) for length in (20, 31, 18))
    got = join([first, second, third], 6)
    assert len(got) == 20 + 31 + 18 - 12
    assert same(trim(got, 0, 14), trim(first, 0, 14))
    assert same(trim(got, -12), trim(third, 6))
    assert same(join([join([first, second], 6), third], 6), got)
    assert same(join([first, join([second, third], 6)], 6), got)
    assert same(join([first]), first)
    assert same(join([first, second]), Keypoints.cat([first, second]))
    assert same(loop(join([first, second]), 0), join([first, second]))


def test_times_stay_where_nothing_is_faded() -> None:
    parts = [performance(5, times=True), performance(4, times=True)]
    near(join(parts).times[-1], parts[0].times[-1] + parts[1].times[-1])
    assert join(parts, 2).times is None


def test_what_fades_into_itself_is_itself() -> None:
    still = Keypoints(torch.rand(1, 5, 2)).expand(12)
    near(loop(still, 6).position, still.position[:6])
    near(join([still, still], 4).position, still.position[:1].expand(20, -1, -1))


def test_the_ease_is_at_rest_at_both_ends() -> None:
    share = torch.linspace(0, 1, 1001, dtype=torch.float64, requires_grad=True)
    value = eased(share)
    (slope,) = torch.autograd.grad(value.sum(), share)
    assert value[[0, -1]].tolist() == [0, 1]
    assert slope[[0, -1]].tolist() == [0, 0]
    assert (slope >= 0).all()
    near(value + value.flip(0), torch.ones(1001, dtype=torch.float64), DOUBLE)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda k: loop(k, 6),
        lambda k: loop(k, -1),
        lambda k: join([]),
        lambda k: join([k, k], 11),
        lambda k: join([k, k, k], 6),
        lambda k: join([k, performance(10, 4)]),
        lambda k: join([k, k.without_jacobian()], 2),
        lambda k: join([k, k], -1),
    ],
)
def test_settings_that_do_not_fit_are_refused(wrong: object) -> None:
    with pytest.raises(KeypointError, match="expected"):
        wrong(performance(10))  # type: ignore[operator]
