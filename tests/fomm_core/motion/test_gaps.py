"""Lost frames are found by their confidence, and bridged by a movement that fits both ends."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from fomm_nodes.fomm_core.errors import KeypointError
from fomm_nodes.fomm_core.geometry import Keypoints
from fomm_nodes.fomm_core.motion import doubtful, fill_gaps
from nearness import near
from performances import performance, same


def with_gap(start: int, count: int, frames: int = 40, seed: int = 0) -> tuple[Keypoints, Keypoints]:
    """A performance, and the same with frames of nonsense that the detector was unsure of."""
    whole = performance(frames, seed=seed)
    sure = torch.full((frames, whole.count), 0.92)
    sure[start : start + count] = 0.6
    position = whole.position.clone()
    position[start : start + count] = torch.rand(count, whole.count, 2) * 2 - 1
    return replace(whole, confidence=torch.full_like(sure, 0.92)), replace(whole, position=position, confidence=sure)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("start", "count"), [(10, 1), (17, 4), (5, 8)])
def test_a_gap_is_bridged_near_the_truth(seed: int, start: int, count: int) -> None:
    whole, broken = with_gap(start, count, seed=seed)
    filled, gaps = fill_gaps(broken)
    assert gaps == [(start, count)]
    missed = (filled.position - whole.position).abs().max()
    assert missed < 0.3 * (broken.position - whole.position).abs().max()
    assert missed < 0.004 * (count + 1) ** 2  # slow waves: what a cubic leaves of them grows with the gap
    kept = [frame for frame in range(40) if not start <= frame < start + count]
    assert same(filled.at(kept), broken.at(kept))
    assert torch.equal(filled.confidence, broken.confidence)


def test_nothing_is_changed_where_nothing_is_lost() -> None:
    whole, _ = with_gap(3, 2)
    filled, gaps = fill_gaps(whole)
    assert filled is whole
    assert gaps == []
    assert not doubtful(whole).any()


def test_steady_movement_is_bridged_exactly() -> None:
    line = torch.linspace(-0.5, 0.5, 21)[:, None, None].expand(21, 3, 2).contiguous()
    bad = torch.zeros(21, dtype=torch.bool)
    bad[8:13] = True
    broken = Keypoints(line.masked_fill(bad[:, None, None], 9.0))
    near(fill_gaps(broken, bad)[0].position, line)


def test_ends_and_long_gaps_are_held() -> None:
    whole = performance(60)
    bad = torch.zeros(60, dtype=torch.bool)
    bad[:4] = bad[20:50] = bad[58:] = True
    filled, gaps = fill_gaps(whole, bad, longest=10)
    assert gaps == [(0, 4), (20, 30), (58, 2)]
    assert torch.equal(filled.position[:4], whole.position[4:5].expand(4, -1, -1))
    assert torch.equal(filled.position[20:35], whole.position[19:20].expand(15, -1, -1))
    assert torch.equal(filled.position[35:50], whole.position[50:51].expand(15, -1, -1))
    assert torch.equal(filled.jacobian[58:], whole.jacobian[57:58].expand(2, -1, -1, -1))


def test_times_are_followed() -> None:
    times = torch.tensor([0.0, 1, 2, 3, 7, 8, 9, 10], dtype=torch.float64)
    line = times[:-1].float()[:, None, None].expand(7, 2, 2).contiguous()
    bad = torch.tensor([False, False, False, True, True, False, False])
    broken = Keypoints(line.masked_fill(bad[:, None, None], 99.0), None, times)
    near(fill_gaps(broken, bad)[0].position, line)


def test_half_of_a_clip_may_be_lost() -> None:
    _, broken = with_gap(10, 20)
    assert doubtful(broken).nonzero()[:, 0].tolist() == list(range(10, 30))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda k: fill_gaps(replace(k, confidence=None)), "detect them anew"),
        (lambda k: fill_gaps(k, torch.ones(40, dtype=torch.bool)), "at least one good frame"),
        (lambda k: fill_gaps(k, torch.ones(3, dtype=torch.bool)), "a flag for each of 40"),
        (lambda k: fill_gaps(k, least=1.5), "at most 1"),
        (lambda k: fill_gaps(k, longest=-1), "at least 0 frames"),
    ],
)
def test_what_cannot_be_filled_is_refused(wrong: object, told: str) -> None:
    with pytest.raises(KeypointError, match=told):
        wrong(performance(40))  # type: ignore[operator]
