"""The square of a still as it is dragged, and where the still's pixels are seen."""

from __future__ import annotations

import math

import pytest
from fomm_nodes.nodes.hosts.blender.square import LARGEST, Dragging, Square
from fomm_nodes.nodes.hosts.blender.strip_place import Lying, pixel_at, seen_at
from nearness import near

SIZE = (400, 200)


def test_it_is_moved_from_its_inside() -> None:
    drag = Dragging(Square(side=0.5), SIZE)
    drag.press((210, 90))
    assert drag.moves
    drag.drag((260, 140))
    near(drag.square.middle(SIZE), (250, 150))
    near((drag.square.x, drag.square.y), (0.625, 0.25))
    drag.release()
    drag.drag((0, 0))
    near(drag.square.x, 0.625)


@pytest.mark.parametrize("angle", [0.0, 0.3])
def test_it_grows_from_its_edge_to_the_pointer(angle: float) -> None:
    drag = Dragging(Square(side=0.5, angle=angle), SIZE)
    corner = drag.square.corners(SIZE)[2]
    drag.press(corner)
    assert not drag.moves
    far = tuple(middle + 1.5 * (at - middle) for at, middle in zip(corner, drag.square.middle(SIZE), strict=True))
    drag.drag((far[0], far[1]))
    near(drag.square.side, 0.75)
    near(drag.square.corners(SIZE)[2], far)
    drag.drag((1e6, 0))
    assert drag.square.side == LARGEST


def test_it_is_turned_clockwise() -> None:
    drag = Dragging(Square(side=0.5), SIZE)
    above = drag.square.corners(SIZE)[2]
    drag.turn(math.radians(10))
    x, y = drag.square.corners(SIZE)[2]
    assert x > above[0] - 50  # to the right and down: y points up
    assert y < above[1]
    drag.turn(math.radians(355))
    near(drag.square.angle, math.radians(5))


@pytest.mark.parametrize(
    "lying", [Lying(), Lying((30, -20), (2.0, 0.5), 0.4, (0.25, 0.75)), Lying(scale=(-1.0, 1.0), rotation=-2.0)]
)
def test_a_pixel_is_found_where_it_is_seen(lying: Lying) -> None:
    for pixel in ((0.0, 0.0), (400.0, 200.0), (123.0, 45.0)):
        near(pixel_at(lying, SIZE, seen_at(lying, SIZE, pixel)), pixel, of=max(SIZE))


def test_the_middle_of_a_plain_strip_is_that_of_the_frame() -> None:
    near(seen_at(Lying(), SIZE, (200, 100)), (0, 0), of=max(SIZE))
    near(seen_at(Lying((7, 9)), SIZE, (0, 0)), (-193, -91))
