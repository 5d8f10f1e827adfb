"""A moved mesh of triangles, drawn with the texture that it carries: an affine map in each triangle."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]
_FRACTION_BITS = 4
_SMALLEST_AREA = 1e-3
"""Of a triangle, in square pixels; one that is seen from its edge is not drawn."""


@dataclass(frozen=True)
class Mesh:
    """texture_points: [n, 2] pixels of the texture; triangles: [m, 3] numbers of points."""

    texture_points: Doubles
    triangles: npt.NDArray[np.int32]

    def lookup(self, points: Doubles, size: tuple[int, int]) -> npt.NDArray[np.float32]:
        """Where each pixel of an image (height, width) comes from in the texture, [height, width, 2], with the
        points moved to [n, 3] (x, y in pixels, z away from the viewer); -1 where no triangle covers it.

        Triangles are painted from far to near. Each pixel then has its own affine map, held to its triangle's part of
        the texture, so that a sliver's steep map does not run away at its edge.
        """
        corners = points[self.triangles]  # [m, 3, 3]
        flat = corners[..., :2]
        (ax, ay), (bx, by) = (flat[:, 1] - flat[:, 0]).T, (flat[:, 2] - flat[:, 0]).T
        seen = np.flatnonzero(np.abs(ax * by - ay * bx) > 2 * _SMALLEST_AREA)
        seen = seen[np.argsort(-corners[seen, :, 2].mean(1), kind="stable")]
        owner = paint(flat[seen], size)
        y, x = np.nonzero(owner >= 0)
        owners = owner[y, x]
        texture = self.texture_points[self.triangles[seen]]  # [m', 3, 2]
        solved = np.linalg.solve(np.pad(flat[seen], ((0, 0), (0, 0), (0, 1)), constant_values=1.0), texture)
        maps = solved.astype(np.float32)[owners]  # [pixels, 3, 2]
        places = x[:, None].astype(np.float32) * maps[:, 0] + y[:, None].astype(np.float32) * maps[:, 1] + maps[:, 2]
        found = np.full((*size, 2), -1, np.float32)
        low, high = texture.min(1).astype(np.float32) - 1, texture.max(1).astype(np.float32) + 1
        found[y, x] = np.clip(places, low[owners], high[owners])
        return found


def paint(triangles: Doubles, size: tuple[int, int]) -> npt.NDArray[np.int32]:
    """The number of the last triangle [m, 3, 2] that covers each pixel (height, width); -1 where none does."""
    owner = np.full(size, -1, np.int32)
    reach = 4 * max(size)  # far corners would overflow OpenCV's fixed point
    fixed = np.rint(np.clip(triangles, -reach, reach) * (1 << _FRACTION_BITS)).astype(np.int32)
    for number, triangle in enumerate(fixed):
        cv2.fillConvexPoly(owner, triangle, number, shift=_FRACTION_BITS)
    return owner


def textured(texture: npt.NDArray[np.float32], lookup: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The texture [H, W, 4] as an image; the last channel (opacity, 0 to 1) is 0 where nothing is covered."""
    drawn = cv2.remap(texture, lookup[..., 0], lookup[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    drawn[lookup[..., 0] < 0, 3] = 0
    return np.asarray(drawn, np.float32)
