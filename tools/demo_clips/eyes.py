"""Eyes of a still that shut and look around: painted into the image, which the mesh then carries along."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from .faces import Floats

Doubles = npt.NDArray[np.float64]
MARGIN_ABOVE, MARGIN_BELOW, MARGIN_ASIDE = 0.3, 0.07, 0.06
"""Around the contour, what is painted over with skin: lashes and the crease. In widths of the eye."""
FILL_ABOVE, FILL_BELOW, FILL_ASIDE = 0.38, 0.13, 0.1
"""How far away the skin is looked for: their shadows are nearer."""
MEETS = 0.0
"""Where the lids meet, against the opening from the lower one."""
LASH, LASH_OPACITY = 0.06, 0.92
LASH_SHADE = 35
"""Percentile of the upper lid's edge that is the colour of lashes."""
TAKES_OVER = 0.3
"""How far an eye is shut when all that is painted shows."""
FARTHEST_GAZE = (0.14, 0.05)


class Eye:
    """One eye of an image [H, W, 3 or 4] with values up to 255. contour: [16, 2] in its pixels, as in `LIDS`.

    It is looked at in its own coordinates: along from the outer corner (0) to the inner one (1), and across, downwards,
    in the same unit.
    """

    def __init__(self, picture: Floats, contour: Doubles, iris: Doubles) -> None:
        self._outer, along = contour[0], contour[8] - contour[0]
        self.width = float(np.linalg.norm(along))
        unit = along / self.width
        down = np.array([-unit[1], unit[0]])
        self._axes = np.stack([unit, down if down[1] > 0 else -down], 1)
        low, high = contour.min(0) - 0.35 * self.width, contour.max(0) + 0.35 * self.width
        limits = np.array([picture.shape[1], picture.shape[0]])
        (self.left, self.top), (right, bottom) = (np.clip(edge, 1, limits - 1).astype(int) for edge in (low, high))
        self.place = (slice(self.top, bottom), slice(self.left, right))
        self._picture = picture[self.place][..., :3].astype(np.float32)
        y, x = np.mgrid[self.top : bottom, self.left : right]
        self._x, self._y = x, y
        where = (np.stack([x, y], -1) - self._outer) @ self._axes / self.width
        self._along, self._across = where[..., 0], where[..., 1]
        lids = (contour - self._outer) @ self._axes / self.width
        inside = np.clip(self._along, 0, 1)
        self._lower = _curve(lids[:9], inside)
        self._upper = np.minimum(_curve(lids[[0, *range(9, 16), 8]], inside), self._lower)
        self._meeting = self._lower + MEETS * (self._upper - self._lower)
        self._taper = np.clip(np.minimum(self._along, 1 - self._along) / MARGIN_ASIDE + 1, 0, 1)
        self._iris = (iris - self._outer) @ self._axes / self.width
        self._skin = self._without_eye()
        self._lashes = self._lash_colour()

    @property
    def has_room(self) -> bool:
        """Whether it is large enough to work in."""
        return bool(self.width >= 6 and min(self._picture.shape[:2]) >= 6)

    def painted(self, shut: float, gaze: Sequence[float]) -> Floats:
        """Its part of the image [h, w, 3]: shut from 0 to 1, looking right and down by widths of the eye."""
        shown = self._looking(gaze)
        shut = float(np.clip(shut, 0, 1))
        if shut <= 0.01:
            return shown
        pixel = 1 / self.width
        edge = self._upper + shut * (self._meeting - self._upper)
        lower_edge = self._lower + shut * (self._meeting - self._lower)
        takes_over = min(1.0, shut / TAKES_OVER)
        skin = self._skin * (1 - 0.1 * np.exp(-(((self._across - edge) / 0.08) ** 2)))[..., None]
        above = np.clip((self._across - self._upper) / MARGIN_ABOVE + 1, 0, 1)
        above = np.clip(2 * above, 0, 1) * takes_over
        lid = _soft(edge - self._across, pixel) * np.where(self._across > self._upper, 1.0, above)
        below = np.where(
            self._across < self._lower, 1.0, np.clip(1 - (self._across - self._lower) / MARGIN_BELOW, 0, 1)
        )
        rim = _soft(self._across - lower_edge, pixel) * below * takes_over
        cover = (np.clip(lid + rim, 0, 1) * self._taper)[..., None]
        shown = shown + (skin - shown) * cover
        thick = LASH * (0.6 + 0.4 * np.sin(np.pi * np.clip(self._along, 0, 1)))
        away = (self._across - edge) / np.maximum(thick, 0.7 * pixel)
        inside = np.clip(np.minimum(self._along, 1 - self._along) / 0.08 + 0.3, 0, 1)
        lash = LASH_OPACITY * takes_over * inside * np.exp(-(away**2))
        return np.asarray(shown + (self._lashes - shown) * lash[..., None], np.float32)

    def _looking(self, gaze: Sequence[float]) -> Floats:
        """The open eye: what lies between the lids moves with the iris and is held at the corners."""
        right, down = np.clip(gaze, -np.array(FARTHEST_GAZE), FARTHEST_GAZE)
        if abs(right) + abs(down) < 1e-3:
            return self._picture
        aside = right * self._axes[0, 0]  # towards the inner corner, which is right in one eye and left in the other
        middle = float(np.clip(self._iris[0, 0], 0.25, 0.75))
        reach = max(0.1, float(np.linalg.norm(self._iris[1:] - self._iris[0], axis=1).mean()))
        away = np.abs(self._along - middle)
        room = np.where(self._along < middle, middle, 1 - middle) - reach
        falls = np.clip(1 - (away - reach) / np.maximum(room, 0.05), 0, 1)
        from_along = self._along - aside * falls
        gap = np.maximum(self._lower - self._upper, 1e-3)
        height = (self._across - self._upper) / gap
        inside = (height > 0) & (height < 1) & (self._along > 0) & (self._along < 1)
        height = height - down / np.maximum(gap, 0.15) * falls * np.clip(4 * height * (1 - height), 0, 1)
        order = np.argsort(self._along.ravel())
        upper = np.interp(from_along.ravel(), self._along.ravel()[order], self._upper.ravel()[order])
        lower = np.interp(from_along.ravel(), self._along.ravel()[order], self._lower.ravel()[order])
        from_across = upper.reshape(height.shape) * (1 - height) + lower.reshape(height.shape) * height
        places = np.stack([from_along, from_across], -1) * self.width @ self._axes.T + self._outer
        places = np.where(inside[..., None], places, np.stack([self._x, self._y], -1)) - [self.left, self.top]
        x, y = np.moveaxis(places, -1, 0).astype(np.float32)
        return np.asarray(cv2.remap(self._picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))

    def _without_eye(self) -> Floats:
        """Skin where the eye and its lashes are, as smooth as its surroundings allow."""
        above = self._upper - FILL_ABOVE
        below = self._lower + FILL_BELOW
        aside = (self._along > -FILL_ASIDE) & (self._along < 1 + FILL_ASIDE)
        hole = aside & (self._across > above) & (self._across < below)
        hole[[0, -1]] = hole[:, [0, -1]] = False
        around = cv2.medianBlur(np.clip(self._picture, 0, 255).astype(np.uint8), 3).astype(np.float32)
        return np.asarray(np.where(hole[..., None], filled(around, hole), self._picture), np.float32)

    def _lash_colour(self) -> Floats:
        near = (np.abs(self._across - self._upper) < 0.06) & (self._along > 0.15) & (self._along < 0.85)
        if not near.any():
            return np.full(3, 40, np.float32)
        colours = self._picture[near]
        shade = colours.mean(1)
        darkest = colours[shade <= np.percentile(shade, LASH_SHADE)]
        return np.asarray(np.minimum(darkest.mean(0), 0.6 * np.median(self._skin[near], 0)), np.float32)


def filled(picture: Floats, hole: npt.NDArray[np.bool_]) -> Floats:
    """The image with a hole filled in: what lies inside is the mean of its neighbours everywhere."""
    from scipy.sparse import coo_matrix, identity
    from scipy.sparse.linalg import spsolve

    count = int(hole.sum())
    if count == 0:
        return picture
    number = np.full(hole.shape, -1)
    number[hole] = np.arange(count)
    y, x = np.nonzero(hole)
    known = np.zeros((count, picture.shape[2]))
    rows, columns = [], []
    for step_y, step_x in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        other = number[y + step_y, x + step_x]
        rows.append(np.flatnonzero(other >= 0))
        columns.append(other[other >= 0])
        edge = other < 0
        known[edge] += picture[y[edge] + step_y, x[edge] + step_x]
    row, column = np.concatenate(rows), np.concatenate(columns)
    system = 4 * identity(count, format="csc") - coo_matrix((np.ones(len(row)), (row, column)), (count, count)).tocsc()
    solved = picture.copy()
    solved[hole] = np.asarray(spsolve(system, known)).reshape(count, -1)
    return solved


def _curve(points: Doubles, along: Doubles) -> Doubles:
    """A lid through its points, evaluated at places along the eye."""
    from scipy.interpolate import PchipInterpolator

    points = points[np.argsort(points[:, 0])]
    rising = np.concatenate([[True], np.diff(points[:, 0]) > 1e-3])
    points = points[rising]
    if len(points) < 3:
        return np.zeros_like(along)
    return np.asarray(PchipInterpolator(points[:, 0], points[:, 1])(np.clip(along, points[0, 0], points[-1, 0])))


def _soft(inside: Doubles, pixel: float) -> Doubles:
    """0 outside to 1 inside over a pixel and a half."""
    return np.asarray(np.clip(inside / (1.5 * pixel) + 0.5, 0, 1))
