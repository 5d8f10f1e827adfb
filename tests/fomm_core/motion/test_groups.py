"""Groups of keypoints as text, shares of them, and mixing by them."""

from __future__ import annotations

import pytest
import torch
from fomm_nodes.fomm_core.errors import KeypointError
from fomm_nodes.fomm_core.motion import blend, format_groups, parse_groups, parse_weights
from nearness import near
from performances import performance

GROUPS = {"mouth": (7, 8), "eyes": (0,), "head": (1, 2, 3, 5, 6), "idle": (4, 9)}
TEXT = "mouth: 7-8; eyes: 0; head: 1-3, 5-6; idle: 4, 9"


def test_text_and_back() -> None:
    assert format_groups(GROUPS) == TEXT
    assert parse_groups(TEXT, 10) == GROUPS
    assert parse_groups("", 10) == {}
    assert parse_groups(" part 0 : 3 ;", 4) == {"part 0": (3,)}


@pytest.mark.parametrize(
    "text",
    ["mouth", "mouth 7", "mouth: 10", "mouth: 8-7", "mouth: x", "1: 2", "a: 1; a: 2", "mouth: 7, eyes: 0", "m: ²"],
)
def test_text_that_is_no_groups_is_refused(text: str) -> None:
    with pytest.raises(KeypointError, match="expected"):
        parse_groups(text, 10)


@pytest.mark.parametrize(
    ("text", "position", "turning"),
    [
        ("mouth", {7: 1, 8: 1}, {7: 1, 8: 1}),
        ("mouth 0.5", {7: 0.5, 8: 0.5}, {7: 0.5, 8: 0.5}),
        ("mouth 0.5/0.2, 0-1", {7: 0.5, 8: 0.5, 0: 1, 1: 1}, {7: 0.2, 8: 0.2, 0: 1, 1: 1}),
        ("head 0.4; 3 1/0", {1: 0.4, 2: 0.4, 3: 1, 5: 0.4, 6: 0.4}, {1: 0.4, 2: 0.4, 3: 0, 5: 0.4, 6: 0.4}),
    ],
)
def test_weights(text: str, position: dict[int, float], turning: dict[int, float]) -> None:
    got = parse_weights(text, GROUPS, 10, 0.5)
    assert got is not None
    for found, expected in zip(got, (position, turning), strict=True):
        near(found, [0.5 * expected.get(number, 0) for number in range(10)])
    assert parse_weights(" , ", GROUPS, 10) is None


@pytest.mark.parametrize(
    "text", ["nose", "mouth 1.5", "mouth 1/2", "10", "3-12", "mouth -1", "mouth/0.5", "head 0.5 0.5"]
)
def test_weights_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(KeypointError, match="expected"):
        parse_weights(text, GROUPS, 10)


def test_the_mouth_of_one_on_the_head_of_another() -> None:
    head, talk = performance(12, 10, seed=1), performance(12, 10, seed=2)
    weights = parse_weights("mouth 1/0.25", GROUPS, 10)
    assert weights is not None
    got = blend(head, talk, weights[0], turning=weights[1])
    others = [0, 1, 2, 3, 4, 5, 6, 9]
    assert torch.equal(got.position[:, others], head.position[:, others])
    assert torch.equal(got.jacobian[:, others], head.jacobian[:, others])
    assert torch.equal(got.position[:, 7:9], talk.position[:, 7:9])
    near(got.jacobian[:, 7:9], 0.75 * head.jacobian[:, 7:9] + 0.25 * talk.jacobian[:, 7:9])


def test_a_name_that_ends_in_a_number_is_no_share() -> None:
    groups = {"part 0": (0,), "part 4": (1, 2)}
    assert parse_weights("part 4", groups, 3) == ([0.0, 1.0, 1.0], [0.0, 1.0, 1.0])
    assert parse_weights("part 4 0.5, part 0", groups, 3) == ([1.0, 0.5, 0.5], [1.0, 0.5, 0.5])
