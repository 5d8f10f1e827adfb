"""A still portrait that can be moved: a mesh over head, hair and shoulders, a mouth to open, and what lies behind."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .clips import Pixels
from .faces import LANDMARKS, Floats
from .head import Doubles, Pose
from .landmarks import EYES, LEFT, LOWER_LIP, MOUTH_LEFT, MOUTH_RIGHT, OVAL, RIGHT, UPPER_LIP
from .mesh import Mesh, textured

RINGS = ((1.15, 0.8), (1.32, 0.5), (1.55, 0.22), (1.85, 0.06))
"""Around the face: size against its outline, and how far the lowest point follows the head (the neck follows less)."""
RING_DEPTH, RING_DEPTH_BELOW = 0.55, 0.35
"""How fast the rings go back with their size, in widths of the face; below the face, and elsewhere."""
STEEPEST = 1.5
"""Of depth against distance in the picture, so that turning by less than atan(1 / 1.5) = 34 degrees folds little."""
OUTERMOST_FOLLOWS = 0.9
GRID, GRID_REACH, GRID_GAP = 13, 0.3, 0.06
"""Points that stay: so many in a row, so far beyond the picture, so far from the rings, against its side."""
BORDER = 0.4
"""Mirrored picture around the texture, against its side."""
CLOSED_MOUTH = 0.023
"""Mean gap between the inner lips, in widths of the face, below which a mouth counts as closed."""
NARROWEST_EYE = 0.004
MOUTH_SIDE, MOUTH_DEPTH = 64, 0.02
SUPERSAMPLING = 2


@dataclass(frozen=True)
class Camera:
    """zoom: 1 or more; x, y: where in the room that this leaves the picture lies (0..1); sway: how far the background
    is moved, [2] against the picture's side.
    """

    zoom: float = 1.0
    x: float = 0.5
    y: float = 0.5
    sway: tuple[float, float] = (0.0, 0.0)


class Puppet:
    """A portrait [side, side, 3] with landmarks [468, 3] in pixels and the person's mask [side, side] in 0..1."""

    def __init__(self, picture: Pixels, landmarks: Floats, mask: Floats) -> None:
        self.side = picture.shape[0]
        self.pose = Pose.of(landmarks.astype(np.float64))
        self.shape = self.pose.to_head(landmarks.astype(np.float64))
        self.opens_mouth = lip_gap(self.shape) < CLOSED_MOUTH
        self.background = without_person(picture, mask)
        self._texture = self._with_mouth(picture, landmarks, opacity(mask))
        self._rest, self._follows = _control_points(self.pose, self.shape, self.side)
        self._in_head = self.pose.to_head(self._rest)
        self._mesh = self._triangulated()

    def frame(self, pose: Pose, expression: Doubles, size: int, camera: Camera = Camera()) -> Pixels:
        """The portrait [size, size, 3] in another pose, its face changed by [468, 3] in the head's coordinates."""
        drawn_side = SUPERSAMPLING * size
        points = self._moved(pose, expression)
        scale = camera.zoom * drawn_side / self.side
        origin = (1 - camera.zoom) * drawn_side * np.array([camera.x, camera.y])
        points[:, :2] = points[:, :2] * scale + origin
        points[:, 2] *= scale
        person = textured(self._texture, self._mesh.lookup(points, (drawn_side, drawn_side)))
        to_drawn = np.column_stack([np.eye(2) * scale, origin + drawn_side * np.array(camera.sway)])
        behind = cv2.warpAffine(
            self.background, to_drawn, (drawn_side, drawn_side), borderMode=cv2.BORDER_REFLECT_101
        ).astype(np.float32)
        composed = behind + (person[..., :3] - behind) * person[..., 3:]
        return np.asarray(cv2.resize(np.rint(composed).astype(np.uint8), (size, size), interpolation=cv2.INTER_AREA))

    def _moved(self, pose: Pose, expression: Doubles) -> Doubles:
        """The control points [n, 3] in the picture, the mouth's own at the end."""
        head = self._in_head.copy()
        head[:LANDMARKS] += expression
        _keep_order(head, UPPER_LIP, LOWER_LIP, 0.0)
        for upper, lower in EYES:
            _keep_order(head, upper, lower, NARROWEST_EYE)
        follows = self._follows[:, None]
        points = follows * pose.to_picture(head) + (1 - follows) * self._rest
        inside = points[_mouth_outline()] + [0, 0, MOUTH_DEPTH * pose.scale]
        return np.concatenate([points, inside]) if self.opens_mouth else points

    def _triangulated(self) -> Mesh:
        from scipy.spatial import Delaunay

        border = round(BORDER * self.side)
        triangles = Delaunay(self._rest[:, :2]).simplices.astype(np.int32)
        if not self.opens_mouth:
            return Mesh(self._rest[:, :2] + border, triangles)
        lips = [*UPPER_LIP, *LOWER_LIP, MOUTH_LEFT, MOUTH_RIGHT]
        triangles = triangles[~np.isin(triangles, lips).all(1)]
        width = len(UPPER_LIP) + 2
        across = np.linspace(2, MOUTH_SIDE - 3, width) + self.side + 2 * border
        inside = np.concatenate([np.stack([across, np.full(width, y)], 1) for y in (1.0, MOUTH_SIDE - 2.0)])
        strip = [
            triangle
            for left in range(len(self._rest), len(self._rest) + width - 1)
            for triangle in ((left, left + 1, left + width), (left + 1, left + width + 1, left + width))
        ]
        points = np.concatenate([self._rest[:, :2] + border, inside])
        return Mesh(points, np.concatenate([triangles, np.array(strip, np.int32)]))

    def _with_mouth(self, picture: Pixels, landmarks: Floats, alpha: Floats) -> Floats:
        """[H, W, 4]: the picture with a mirrored border, and right of it the inside of a mouth."""
        border = round(BORDER * self.side)
        person = np.dstack([picture.astype(np.float32), alpha])
        person = cv2.copyMakeBorder(person, border, border, border, border, cv2.BORDER_REFLECT_101)
        mouth = np.zeros((len(person), MOUTH_SIDE, 4), np.float32)
        x, y = np.clip(landmarks[4, :2], 6, self.side - 7).astype(int)  # the tip of the nose tells the light
        mouth[:MOUTH_SIDE] = mouth_inside(float(picture[y - 6 : y + 6, x - 6 : x + 6].mean()))
        return np.concatenate([person, mouth], 1)


def lip_gap(shape: Doubles) -> float:
    """Mean distance between the inner lips, in the units of `shape`."""
    return float(np.linalg.norm(shape[list(UPPER_LIP)] - shape[list(LOWER_LIP)], axis=1).mean())


def opacity(mask: Floats) -> Floats:
    """How much of the person is drawn: the mask made steeper, drawn in by a pixel, with a soft edge."""
    steep = np.clip((mask - 0.35) / 0.4, 0, 1).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(cv2.erode(steep, np.ones((3, 3))), (0, 0), 1.2), np.float32)


def without_person(picture: Pixels, mask: Floats) -> Pixels:
    """The background, filled in smoothly where the person was."""
    side, small = picture.shape[0], 64
    hole = (cv2.dilate(mask, np.ones((15, 15))) > 0.1).astype(np.uint8)
    reduced = cv2.resize(picture, (small, small), interpolation=cv2.INTER_AREA)
    reduced_hole = cv2.resize(hole, (small, small), interpolation=cv2.INTER_NEAREST)
    filled = cv2.inpaint(reduced, reduced_hole, 5, cv2.INPAINT_TELEA)
    filled = cv2.GaussianBlur(cv2.resize(filled, (side, side), interpolation=cv2.INTER_CUBIC), (0, 0), 3)
    share = cv2.GaussianBlur(hole.astype(np.float32), (0, 0), 3)[..., None]
    return np.rint(picture * (1 - share) + filled * share).astype(np.uint8)


def mouth_inside(light: float) -> Floats:
    """[side, side, 4]: teeth above, darkness and tongue below, dimmer at the sides. light: of the nose, 0..255."""
    down = np.linspace(0, 1, MOUTH_SIDE)[:, None, None]
    inside = np.broadcast_to([70.0, 28, 28] + down * [25.0, 13.5, 13.5], (MOUTH_SIDE, MOUTH_SIDE, 3)).copy()
    inside[:4] *= 0.7
    inside[4:24] = (205, 196, 186)
    inside[24:28] = inside[24:28] * 0.5 + 50
    sideways = np.linspace(-1, 1, MOUTH_SIDE)[:, None]
    inside *= (1 - 0.6 * sideways**2) * np.clip(light / 150, 0.45, 1.15)
    return np.dstack([np.clip(inside, 0, 255), np.ones((MOUTH_SIDE, MOUTH_SIDE))]).astype(np.float32)


def _mouth_outline() -> list[int]:
    """The landmarks that the strip of the mouth hangs on: along the upper lip, then along the lower one."""
    return [MOUTH_LEFT, *UPPER_LIP, MOUTH_RIGHT, MOUTH_LEFT, *LOWER_LIP, MOUTH_RIGHT]


def _control_points(pose: Pose, shape: Doubles, side: int) -> tuple[Doubles, Doubles]:
    """Landmarks, rings and a resting grid: [n, 3] in the picture, and how far each follows the head, [n] in 0..1."""
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
    points = [gentle(np.concatenate(points))]
    resting = _resting_grid(points[0][-len(OVAL) :], side)
    return np.concatenate([*points, resting]), np.concatenate([*follows, np.zeros(len(resting))])


def gentle(points: Doubles) -> Doubles:
    """[n, 3] with no point farther back than `STEEPEST` allows against any other: a cheek that is seen from its edge
    comes forward, and the mesh does not fold over itself when the head turns.
    """
    apart = np.linalg.norm(points[:, None, :2] - points[None, :, :2], axis=-1)
    return np.column_stack([points[:, :2], (points[:, 2] + STEEPEST * apart).min(1)])


def _resting_grid(ring: Doubles, side: int) -> Doubles:
    """[n, 3]: points outside the outermost ring, as deep as it is."""
    line = np.linspace(-GRID_REACH * side, (1 + GRID_REACH) * side, GRID)
    grid = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
    hull = cv2.convexHull(ring[:, :2].astype(np.float32))
    outside = [cv2.pointPolygonTest(hull, (float(x), float(y)), True) < -GRID_GAP * side for x, y in grid]
    return np.pad(grid[outside], ((0, 0), (0, 1)), constant_values=float(ring[:, 2].mean()))


def _keep_order(points: Doubles, upper: tuple[int, ...], lower: tuple[int, ...], least: float) -> None:
    """Where points that belong above others have come below them, bring both to their middle, `least` apart."""
    above, below = np.array(upper), np.array(lower)
    crossed = points[below, 1] - points[above, 1] < least
    above, below = above[crossed], below[crossed]
    middle = (points[above, 1] + points[below, 1]) / 2
    points[above, 1], points[below, 1] = middle - least / 2, middle + least / 2
