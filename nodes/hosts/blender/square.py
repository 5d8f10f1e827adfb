"""The square of a still that moves, as it is dragged: plain numbers, no bpy."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from .strip_place import Size

Point = tuple[float, float]
"""Pixels of the still, from its lower left corner."""

SMALLEST, LARGEST = 0.01, 2.0
"""Shares that the settings take."""


@dataclass(frozen=True)
class Square:
    """As the settings have it: the middle as shares of the still from its left and its top, the side as a share of its
    shorter side, the angle clockwise in radians.
    """

    x: float = 0.5
    y: float = 0.5
    side: float = 1.0
    angle: float = 0.0

    def middle(self, size: Size) -> Point:
        """In pixels."""
        return self.x * size[0], (1 - self.y) * size[1]

    def corners(self, size: Size) -> list[Point]:
        """In pixels, all the way round."""
        (x, y), half = self.middle(size), self.side * min(size) / 2
        sine, cosine = math.sin(self.angle), math.cos(self.angle)
        ways = ((-1, -1), (1, -1), (1, 1), (-1, 1))
        return [(x + half * (cosine * a + sine * b), y + half * (cosine * b - sine * a)) for a, b in ways]

    def reach(self, size: Size, point: Point) -> float:
        """How far a point is from the middle: 1 on the edge."""
        (x, y), half = self.middle(size), self.side * min(size) / 2
        sine, cosine = math.sin(self.angle), math.cos(self.angle)
        dx, dy = point[0] - x, point[1] - y
        return max(abs(cosine * dx - sine * dy), abs(sine * dx + cosine * dy)) / half


@dataclass
class Dragging:
    """A square under the pointer: from its inside it is moved, from its edge or beyond it grows and shrinks."""

    square: Square
    size: Size
    grip: Point | None = None
    moves: bool = True

    def press(self, point: Point) -> None:
        """The button goes down."""
        x, y = self.square.middle(self.size)
        self.moves = self.square.reach(self.size, point) < EDGE
        self.grip = (point[0] - x, point[1] - y)

    def drag(self, point: Point) -> None:
        """The pointer moves."""
        if self.grip is None:
            return
        if self.moves:
            x, y = (point[i] - self.grip[i] for i in (0, 1))
            moved = (_within(x / self.size[0]), _within(1 - y / self.size[1]))
            self.square = replace(self.square, x=moved[0], y=moved[1])
        else:
            side = self.square.side * self.square.reach(self.size, point)
            self.square = replace(self.square, side=_within(side))

    def release(self) -> None:
        """The button goes up."""
        self.grip = None

    def turn(self, angle: float) -> None:
        """By so many radians, clockwise."""
        turned = (self.square.angle + angle + math.pi) % (2 * math.pi) - math.pi
        self.square = replace(self.square, angle=turned)


EDGE = 0.85
"""Where the inside ends and the edge begins."""


def _within(share: float) -> float:
    return min(max(share, SMALLEST), LARGEST)
