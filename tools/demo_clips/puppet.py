"""A still portrait that acts: a mesh over head, hair and shoulders, eyes that shut, a mouth that opens, and what lies
behind.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .clips import Pixels
from .eyes import Eye
from .faces import Floats
from .head import Doubles, Pose
from .landmarks import LIDS, LIPS
from .mesh import Mesh, textured
from .mouth import BOTTOM, CANVAS, CURVE, DEPTH, LEFT, RIGHT, SKIN, TOP, Inside, Mouth, canvas_places, on_canvas
from .points import Points
from .rig import Expression, Rig
from .skin import Skin
from .topology import Triangles

BORDER = 0.4
"""Mirrored image around the texture, against its side."""
SHOWS_INSIDE = 0.05
"""Gap between the lips over the mouth's width from which the image shows what lies between."""
FOLLOWS_JAW = (0.3, 0.5)
"""The same, from where the lower part of that begins to follow the jaw to where it follows it fully."""
NARROWEST_EYE = 0.004
SUPERSAMPLING = 2
INNER_LIPS = (*LIPS[3][0], *LIPS[3][1][-2:0:-1])
"""All around."""
_COLUMNS = 9


@dataclass(frozen=True)
class Camera:
    """zoom: 1 or more; x, y: where in the room that this leaves the image lies (0..1); sway: how far the background
    is moved, [2] against the picture's side.
    """

    zoom: float = 1.0
    x: float = 0.5
    y: float = 0.5
    sway: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, eq=False)
class Portrait:
    """An image [side, side, 3] of one person, and what is known of it, in its pixels, whose centres are whole numbers.

    landmarks: [468, 3], the lids among them as the eye network sees them. irises: [2, 5, 2]. mask: [side, side] in
    0..1, the person. eyes_seen: the left one and the right one; hidden eyes are left as they are.
    """

    picture: Pixels
    landmarks: Doubles
    irises: Doubles
    mask: Floats
    eyes_seen: tuple[bool, bool] = (True, True)


class Puppet:
    """A portrait to be moved. triangles: of the face."""

    def __init__(self, portrait: Portrait, triangles: Triangles) -> None:
        picture, landmarks = portrait.picture, portrait.landmarks
        self.side = picture.shape[0]
        self.pose = Pose.of(landmarks)
        self.shape = self.pose.to_head(landmarks)
        self.rig = Rig(self.shape, triangles)
        self.skin_colour = _skin_colour(picture, landmarks)
        self.background = without_person(picture, portrait.mask)
        self._skin = Skin.over(self.pose, self.shape, self.side, triangles)
        self._in_head = self.pose.to_head(self._skin.rest)
        self._border = round(BORDER * self.side)
        self._mesh = Mesh(self._skin.rest[:, :2] + self._border, self._skin.triangles)
        person = np.dstack([picture.astype(np.float32), opacity(portrait.mask)])
        edges = (self._border,) * 4
        self._texture = np.asarray(cv2.copyMakeBorder(person, *edges, cv2.BORDER_REFLECT_101), np.float32)
        contours = [self._skin.rest[list(lids), :2] + self._border for lids in LIDS]
        irises = portrait.irises + self._border
        self.eyes = [Eye(self._texture, lids, iris) for lids, iris in zip(contours, irises, strict=True)]
        self.can_shut = tuple(seen and eye.has_room for seen, eye in zip(portrait.eyes_seen, self.eyes, strict=True))
        self._points = Points(self._skin.rest, portrait.irises)
        self._patch, self._patch_mesh = _patch(self.shape, self.rig.width)
        self._shown = self._between_lips(picture)

    def inside(self, kind: Mouth) -> Inside:
        """Its mouth, with an inside of a kind."""
        return Inside(kind, self._shown)

    def frame(
        self, pose: Pose, expression: Expression, inside: Inside, size: int, camera: Camera = Camera()
    ) -> tuple[Pixels, Floats]:
        """The portrait [size, size, 3] in another pose and mood, and its points in there (see `Points`).

        Eyes that cannot shut (`can_shut`) should not be asked to: their points would say that they did.
        """
        side = SUPERSAMPLING * size
        moves = self.rig.moves(expression)
        in_head = self._in_head.copy()
        _keep_order(in_head, moves)
        scale = camera.zoom * side / self.side
        origin = (1 - camera.zoom) * side * np.array([camera.x, camera.y])

        def drawn(points: Doubles) -> Doubles:
            return np.column_stack([points[:, :2] * scale + origin, points[:, 2] * scale])

        points = drawn(self._skin.moved(pose, in_head, moves))
        to_drawn = np.column_stack([np.eye(2) * scale, origin + side * np.array(camera.sway)])
        behind = cv2.warpAffine(self.background, to_drawn, (side, side), borderMode=cv2.BORDER_REFLECT_101)
        composed = behind.astype(np.float32)
        self._paint_mouth(composed, points, drawn(pose.to_picture(self._patch)), expression, inside)
        texture = self._texture
        for eye, can_shut, shut in zip(self.eyes, self.can_shut, expression.lids, strict=True):
            if can_shut:
                texture[eye.place][..., :3] = eye.painted(shut, expression.gaze)
        person = textured(texture, self._mesh.lookup(points, (side, side)))
        composed += (person[..., :3] - composed) * person[..., 3:]
        shown = cv2.resize(np.rint(composed).astype(np.uint8), (size, size), interpolation=cv2.INTER_AREA)
        where = self._points.moved(points[:, :2], expression)
        return np.asarray(shown), ((where + 0.5) / SUPERSAMPLING).astype(np.float32)

    def _paint_mouth(
        self, picture: Floats, points: Doubles, patch: Doubles, expression: Expression, inside: Inside
    ) -> None:
        """Paint what the lips will leave open, within the box around them."""
        contour = points[list(INNER_LIPS), :2]
        height, width = picture.shape[:2]
        low = np.clip(np.floor(contour.min(0)).astype(int) - 2, 0, [width, height])
        high = np.clip(np.ceil(contour.max(0)).astype(int) + 3, 0, [width, height])
        size = (int(high[1] - low[1]), int(high[0] - low[0]))
        if min(size) < 1:
            return
        row = len(patch) // 2
        corners = np.stack([patch[0, :2], patch[row - 1, :2], patch[row, :2]])
        canvas = np.array([[0, 0], [CANVAS[1] - 1, 0], [0, CANVAS[0] - 1]], np.float32)
        to_canvas = cv2.getAffineTransform(corners.astype(np.float32), canvas)
        lips = contour @ to_canvas[:, :2].T + to_canvas[:, 2]
        drop = self.rig.jaw_drop(expression) / self.rig.width
        painted = inside.painted(max(0.0, drop), expression.tongue, lips)
        opaque = np.dstack([painted, np.ones(painted.shape[:2], np.float32)])
        lookup = self._patch_mesh.lookup(patch - [*low, 0], size)
        drawn = textured(opaque, lookup)
        part = picture[low[1] : high[1], low[0] : high[0]]
        part += (drawn[..., :3] - part) * drawn[..., 3:]

    def _between_lips(self, picture: Pixels) -> tuple[Floats, float] | None:
        """What the image shows between the lips, on the canvas (see `Inside`)."""
        ratio = self.rig.gap / self.rig.width
        if ratio < SHOWS_INSIDE:
            return None
        rest = self._skin.rest[list(INNER_LIPS), :2]
        mask = np.zeros(picture.shape[:2], np.float32)
        cv2.fillPoly(mask, [np.rint(rest * 16).astype(np.int32)], 1.0, cv2.LINE_AA, 4)
        mask = cv2.GaussianBlur(cv2.erode(mask, np.ones((2, 2))), (0, 0), 0.8)
        x, y = canvas_places()
        places = _on_patch(self.shape, self.rig.width, x.ravel(), y.ravel())
        there = self.pose.to_picture(places)[:, :2].astype(np.float32).reshape(*CANVAS, 2)
        layers = np.dstack([picture.astype(np.float32), mask])
        shown = cv2.remap(layers, there[..., 0], there[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(shown, np.float32), float(np.interp(ratio, FOLLOWS_JAW, (0, 1)))


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


def _skin_colour(picture: Pixels, landmarks: Doubles) -> tuple[float, float, float]:
    """Of the cheeks, RGB 0..255."""
    marked = np.zeros(picture.shape[:2], np.uint8)
    for x, y in landmarks[[50, 280, 205, 425], :2]:
        cv2.circle(marked, (int(x), int(y)), max(2, picture.shape[0] // 40), 1, -1)
    red, green, blue = np.median(picture[marked > 0], 0) if marked.any() else SKIN
    return float(red), float(green), float(blue)


def _on_patch(shape: Doubles, width: float, x: Doubles, y: Doubles) -> Doubles:
    """[n, 3] in the head: places behind the lips, given in widths of the mouth from the middle of the shut lips."""
    middle = shape[[LIPS[3][0][5], LIPS[3][1][5]]].mean(0)
    z = middle[2] + DEPTH + CURVE * (x * width) ** 2
    return np.stack([middle[0] + x * width, middle[1] + y * width, z], 1)


def _patch(shape: Doubles, width: float) -> tuple[Doubles, Mesh]:
    """The canvas hung up in the head, as [n, 3] points of two rows, and the mesh over them."""
    x = np.tile(np.linspace(LEFT, RIGHT, _COLUMNS), 2)
    y = np.repeat([TOP, BOTTOM], _COLUMNS)
    triangles = [
        corners
        for left in range(_COLUMNS - 1)
        for corners in ((left, left + 1, left + _COLUMNS), (left + 1, left + _COLUMNS + 1, left + _COLUMNS))
    ]
    mesh = Mesh(on_canvas(np.stack([x, y], 1)), np.array(triangles, np.int32))
    return _on_patch(shape, width, x, y), mesh


def _keep_order(in_head: Doubles, moves: Doubles) -> None:
    """Where the inner lips would cross, their moves bring both to their middle."""
    upper, lower = np.array(LIPS[3][0]), np.array(LIPS[3][1])
    above, below = in_head[upper, 1] + moves[upper, 1], in_head[lower, 1] + moves[lower, 1]
    crossed = np.maximum(above - below, 0)
    moves[upper, 1] -= crossed / 2
    moves[lower, 1] += crossed / 2
