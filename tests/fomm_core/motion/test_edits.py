"""Edits of performances: each does nothing at its neutral setting, undoes its inverse, and composes."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from fomm_nodes.fomm_core.errors import KeypointError
from fomm_nodes.fomm_core.geometry import Keypoints
from fomm_nodes.fomm_core.motion import (
    Edits,
    curve_values,
    edited,
    faster,
    hold_frame,
    matched,
    mirror,
    mirror_partners,
    offset,
    parse_curve,
    ping_pong,
    repeat,
    reverse,
    strengthen,
    to_length,
    trim,
)
from nearness import DOUBLE, near
from performances import performance, same

RATE = Fraction(25)
seeds = pytest.mark.parametrize("seed", range(4))


@seeds
@pytest.mark.parametrize("times", [False, True])
def test_without_edits_a_performance_is_what_it_was(seed: int, times: bool) -> None:
    given = performance(30, seed=seed, times=times)
    got, rate = edited(given, RATE, Edits())
    assert got is given
    assert rate == RATE


@seeds
def test_neutral_settings_change_nothing(seed: int) -> None:
    given = performance(17, seed=seed)
    alone = [
        trim(given),
        trim(given, 0, 17),
        trim(given, -17),
        faster(given, 1.0),
        to_length(given, 17),
        offset(given, 0),
        offset(given, 17, wrap=True),
        hold_frame(given, 3, 0),
        repeat(given, 1),
        strengthen(given, 1.0, given[0]),
        strengthen(given, torch.ones(17), given[5]),
        *matched(given, given, "stop"),
    ]
    assert all(same(got, given) for got in alone)


@seeds
def test_what_is_done_is_undone_to_the_bit(seed: int) -> None:
    given = performance(23, seed=seed)
    partners = mirror_partners(given[0])
    for got in (
        reverse(reverse(given)),
        mirror(mirror(given, partners), partners),
        *(faster(faster(given, 1 / slow), slow) for slow in (2, 3, 5)),
        offset(offset(given, 7, wrap=True), -7, wrap=True),
        trim(hold_frame(given, 0, 6), 6),
        trim(hold_frame(given, -1, 6), 0, 23),
        trim(repeat(given, 3), 23, 23),
        trim(ping_pong(given), 0, 23),
        to_length(to_length(given, 45), 23),
    ):
        assert same(got, given)


@seeds
def test_composition(seed: int) -> None:
    given = performance(40, seed=seed)
    assert same(trim(trim(given, 5, 30), 3, 10), trim(given, 8, 10))
    assert same(hold_frame(hold_frame(given, 4, 2), 4, 5), hold_frame(given, 4, 7))
    assert same(repeat(repeat(given, 2), 3), repeat(given, 6))
    assert same(offset(offset(given, 3), 4), offset(given, 7))
    assert same(offset(offset(given, 11, wrap=True), 33, wrap=True), offset(given, 44, wrap=True))
    assert same(faster(faster(given, 2), 4), faster(given, 8))
    assert same(reverse(mirror(given)), mirror(reverse(given), mirror_partners(given[0])))
    assert same(ping_pong(reverse(given)), offset(ping_pong(given), -39, wrap=True))


@seeds
@pytest.mark.parametrize(("first", "second"), [(0.5, 1.5), (0.0, 2.0), (0.25, 4.0)])
def test_strengths_multiply(seed: int, first: float, second: float) -> None:
    given = performance(12, seed=seed)
    got = strengthen(strengthen(given, first, given[0]), second, given[0])
    expected = strengthen(given, first * second, given[0])
    near(got.position, expected.position)
    near(got.jacobian, expected.jacobian)


@seeds
def test_strength_0_is_the_anchor(seed: int) -> None:
    given = performance(9, seed=seed)
    got = strengthen(given, 0.0, given[4])
    assert torch.equal(got.position, given.position[4:5].expand(9, -1, -1))
    near(got.jacobian, given.jacobian[4:5].expand(9, -1, -1, -1))


@seeds
@pytest.mark.parametrize("factor", [0.3, 0.77, 1.6, 3.1])
def test_speed_keeps_the_path(seed: int, factor: float) -> None:
    given = performance(60, seed=seed)
    got = faster(given, factor)
    places = (torch.arange(len(got)) * factor).clamp(max=59)
    exact = given.position[places.long()].lerp(
        given.position[(places.long() + 1).clamp(max=59)], (places - places.floor())[:, None, None]
    )
    near(got.position, exact, 1e-4)  # the place of a frame is a fraction of up to 60, in float32
    assert abs(len(got) - 60 / factor) <= 1


def test_partners_are_found_where_they_are_known() -> None:
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        sides = torch.rand(4, 2, generator=generator) * torch.tensor([0.7, 1.6]) + torch.tensor([0.15, -0.8])
        middle = torch.stack([torch.zeros(3), torch.rand(3, generator=generator) * 1.6 - 0.8], 1)
        points = torch.cat([sides, sides * torch.tensor([-1.0, 1.0]), middle])
        names = torch.randperm(11, generator=generator)
        points = points[names] + 0.004 * torch.randn(11, 2, generator=generator)
        partner = torch.tensor([4, 5, 6, 7, 0, 1, 2, 3, 8, 9, 10])
        place = names.argsort()
        expected = tuple(int(place[partner[name]]) for name in names)
        flipped = Keypoints(points[None][:, list(expected)] * torch.tensor([-1.0, 1.0]))
        assert mirror_partners(Keypoints(points[None]), flipped) == expected
        assert mirror_partners(Keypoints(points[None])) == expected


def test_a_mirrored_map_is_the_map_of_the_mirrored_picture() -> None:
    given = performance(6, 3, jacobian=True)
    got = mirror(given, (1, 0, 2))
    flip = torch.diag(torch.tensor([-1.0, 1.0]))
    step = torch.tensor([0.3, 0.1])
    near(got.jacobian[:, 0] @ step, (given.jacobian[:, 1] @ (flip @ step)) @ flip)
    near(got.position[:, 0], given.position[:, 1] @ flip)


def test_uneven_frames_are_brought_to_their_common_rate() -> None:
    given = performance(40, times=True)
    got, rate = edited(given, RATE, Edits(reverse=True))
    assert got.times is None
    assert abs(len(got) / float(rate) - float(given.times[-1])) <= 1 / float(rate)
    mirrored = reverse(given)
    near(mirrored.times.diff(), given.times.diff().flip(0))


def test_the_order_of_edits() -> None:
    given = performance(50)
    got, rate = edited(
        given,
        RATE,
        Edits(start=10, frames=20, reverse=True, speed=2, hold_last=5, ending="ping-pong", repeat=2, fps=Fraction(50)),
    )
    assert rate == 50
    expected = to_length(faster(reverse(trim(given, 10, 20)), 2), 10)
    near(got.position[0], expected.position[0])
    assert len(got) == 2 * (2 * (20 + 5) - 2)


@pytest.mark.parametrize(
    ("text", "frames", "values"),
    [
        ("1", 3, [1, 1, 1]),
        ("0.5", 2, [0.5, 0.5]),
        ("", 2, [1, 1]),
        ("0: 0, 4: 1", 6, [0, 0.25, 0.5, 0.75, 1, 1]),
        ("2: 2; 0.16s: 0", 6, [2, 2, 2, 1, 0, 0]),
    ],
)
def test_curves(text: str, frames: int, values: list[float]) -> None:
    near(curve_values(parse_curve(text, RATE), frames), torch.tensor(values, dtype=torch.float64), DOUBLE, of=1)


@pytest.mark.parametrize("text", ["a", "1, 2", "0: 1, 0: 2", "4: 1, 2: 1", "-1", "nan", "1e9", "0: 0: 0", "0; 1: 2"])
def test_curves_that_are_none(text: str) -> None:
    with pytest.raises(KeypointError, match="expected"):
        parse_curve(text, RATE)


@pytest.mark.parametrize(
    ("mismatch", "length", "frames"),
    [("shorter", 4, [0, 1, 2, 3]), ("looped", 7, [0, 1, 2, 3, 0, 1, 2]), ("held", 7, [0, 1, 2, 3, 3, 3, 3]),
     ("ping-pong", 7, [0, 1, 2, 3, 2, 1, 0]), ("stretched", 7, [0, 0.5, 1, 1.5, 2, 2.5, 3])],
)  # fmt: skip
def test_mismatch(mismatch: str, length: int, frames: list[float]) -> None:
    long = performance(7)
    short = Keypoints(torch.arange(4.0).reshape(4, 1, 1).expand(4, 5, 2).contiguous(), performance(4).jacobian)
    first, second = matched(long, short, mismatch)
    assert len(first) == len(second) == length
    near(second.position[:, 0, 0], frames)
    with pytest.raises(KeypointError, match="got 7 and 4 frames"):
        matched(long, short, "stop")
    assert len(matched(long, short[:1], "stop")[1]) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        lambda k: trim(k, 9),
        lambda k: trim(k, 0, 9),
        lambda k: trim(k, -9),
        lambda k: trim(k, 0, 0),
        lambda k: faster(k, 0),
        lambda k: faster(k, float("nan")),
        lambda k: to_length(k, 0),
        lambda k: to_length(k, 10**9),
        lambda k: hold_frame(k, 8, 1),
        lambda k: hold_frame(k, 0, -1),
        lambda k: offset(k, float("inf")),
        lambda k: repeat(k, 0),
        lambda k: repeat(k, 10**9),
        lambda k: mirror(k, (1, 2, 0, 3, 4)),
        lambda k: mirror(k, (0, 1)),
        lambda k: strengthen(k, [1.0, 2.0], k[0]),
        lambda k: strengthen(k, float("nan"), k[0]),
        lambda k: strengthen(k, 1.0, k),
        lambda k: strengthen(k, 1.0, k[0].without_jacobian()),
        lambda k: matched(k, k, "longer"),
        lambda k: edited(k, RATE, Edits(speed=0)),
        lambda k: edited(k, RATE, Edits(ending="never")),
        lambda k: edited(k, RATE, Edits(strength="0", anchor=8)),
        lambda k: edited(k, RATE, Edits(fps=Fraction(0))),
    ],
)
def test_settings_that_do_not_fit_are_refused(wrong: object) -> None:
    with pytest.raises(KeypointError, match="expected"):
        wrong(performance(8))  # type: ignore[operator]
