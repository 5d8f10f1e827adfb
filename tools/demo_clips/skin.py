"""The mesh that carries a portrait: the face, rings of hair, neck and shoulders around it, and a frame that rests."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from .faces import LANDMARKS
from .head import Doubles, Pose
from .landmarks import LEFT, OVAL, RIGHT
from .topology import Triangles

RINGS = ((1.15, 0.8), (1.32, 0.5), (1.55, 0.22), (1.85, 0.06))
"""Around the face: size against its outline, and how far the lowest point follows the head (the neck follows less)."""
RINGS_CARRY = (0.55, 0.22, 0.06, 0.0)
"""How far they go with what the outline does in the face: a chin that sinks."""
RING_DEPTH, RING_DEPTH_BELOW = 0.55, 0.35
"""How fast the rings go back with their size, in widths of the face; below the face, and elsewhere."""
STEEPEST = 1.5
"""Of depth against distance in the image, so that turning by less than atan(1 / 1.5) = 34 degrees folds little."""
OUTERMOST_FOLLOWS = 0.9
GRID, GRID_REACH, GRID_GAP = 13, 0.3, 0.06
"""Points that stay: so many in a row, so far beyond the image, so far from the rings, against its side."""


@dataclass(frozen=True)
class Skin:
    """rest: [n, 3] points in the image, the landmarks first; follows: [n] in 0..1, how far each goes with the head.
    carried: [n] numbers of the landmarks whose moves in the face points go with, and carry: [n] how far.
    triangles: [m, 3], those of the face first.
    """

    rest: Doubles
    follows: Doubles
    carried: npt.NDArray[np.int64]
    carry: Doubles
    triangles: Triangles

    @classmethod
    def over(cls, pose: Pose, shape: Doubles, side: int, face: Triangles) -> Skin:
        """The mesh of a face of this shape, [468, 3] in the head's coordinates, in a square image."""
        outline = shape[list(OVAL)]
        middle = outline.mean(0)
        width = float(np.linalg.norm(shape[RIGHT] - shape[LEFT]))
        height = outline[:, 1] - middle[1]
        below = np.clip((height / np.abs(height).max() - 0.15) / 0.5, 0, 1)  # 0 down to the cheeks, 1 at the chin
        points, follows = [pose.to_picture(shape)], [np.ones(LANDMARKS)]
        for factor, lowest in RINGS:
            ring = middle + (outline - middle) * [factor, factor, 1]
            depth = np.where(below > 0, RING_DEPTH_BELOW, RING_DEPTH)
            ring[:, 2] = outline[:, 2] + (factor - 1) * width * depth
            highest = OUTERMOST_FOLLOWS if factor == RINGS[-1][0] else 1.0
            points.append(pose.to_picture(ring))
            follows.append(highest * (1 - below) + lowest * below)
        moving = gentle(np.concatenate(points))
        resting = _resting_grid(moving[-len(OVAL) :], side)
        rest = np.concatenate([moving, resting])
        carried = np.concatenate([np.arange(LANDMARKS), *[np.array(OVAL)] * len(RINGS), np.zeros(len(resting), int)])
        around = np.repeat(RINGS_CARRY, len(OVAL))
        carry = np.concatenate([np.ones(LANDMARKS), around, np.zeros(len(resting))])
        triangles = np.concatenate([face, _between_rings(), _outside(rest)])
        return cls(rest, np.concatenate([*follows, np.zeros(len(resting))]), carried, carry, triangles)

    def moved(self, pose: Pose, in_head: Doubles, moves: Doubles) -> Doubles:
        """The points [n, 3] in the image. in_head: `rest` in the head's coordinates; moves: [468, 3] in the face."""
        head = in_head + self.carry[:, None] * moves[self.carried]
        follows = self.follows[:, None]
        sinks = (head - in_head) * (1 - follows) * pose.scale  # also what does not follow the head goes with the chin
        return np.asarray(follows * pose.to_picture(head) + (1 - follows) * self.rest + sinks)


def gentle(points: Doubles) -> Doubles:
    """[n, 3] with no point farther back than `STEEPEST` allows against any other: a cheek that is seen from its edge
    comes forward, and the mesh does not fold over itself when the head turns.
    """
    apart = np.linalg.norm(points[:, None, :2] - points[None, :, :2], axis=-1)
    return np.column_stack([points[:, :2], (points[:, 2] + STEEPEST * apart).min(1)])


def _rings() -> list[npt.NDArray[np.int64]]:
    count = len(OVAL)
    return [np.array(OVAL), *(LANDMARKS + count * ring + np.arange(count) for ring in range(len(RINGS)))]


def _between_rings() -> Triangles:
    """Two triangles for each step around each ring."""
    found = []
    for inner, outer in zip(_rings()[:-1], _rings()[1:], strict=True):
        after, beyond = np.roll(inner, -1), np.roll(outer, -1)
        found += [np.stack([inner, after, outer], 1), np.stack([after, beyond, outer], 1)]
    return np.concatenate(found).astype(np.int32)


def _outside(rest: Doubles) -> Triangles:
    """Between the outermost ring and the points that rest."""
    from scipy.spatial import Delaunay

    ring = _rings()[-1]
    numbers = np.concatenate([ring, np.arange(ring[-1] + 1, len(rest))])
    triangles = Delaunay(rest[numbers, :2]).simplices
    middles = rest[numbers][triangles][..., :2].mean(1)
    polygon = rest[ring, :2].astype(np.float32)
    inside = [cv2.pointPolygonTest(polygon, (float(x), float(y)), False) > 0 for x, y in middles]
    return np.asarray(numbers[triangles[~np.array(inside)]], np.int32)


def _resting_grid(ring: Doubles, side: int) -> Doubles:
    """[n, 3]: points outside the outermost ring, as deep as it is."""
    line = np.linspace(-GRID_REACH * side, (1 + GRID_REACH) * side, GRID)
    grid = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
    hull = cv2.convexHull(ring[:, :2].astype(np.float32))
    outside = [cv2.pointPolygonTest(hull, (float(x), float(y)), True) < -GRID_GAP * side for x, y in grid]
    return np.pad(grid[outside], ((0, 0), (0, 1)), constant_values=float(ring[:, 2].mean()))
