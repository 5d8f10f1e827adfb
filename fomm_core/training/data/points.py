"""Where mouth and eyes are in each frame of a clip, in a small file beside it: `a.mp4` has `a.points.safetensors`.

The file holds two arrays: `size`, int64 [2], the clip's height and width; and `points`, float32 [frames, 64, 2]: x and
y in pixels of the clip, edge-aligned (a pixel's centre is at + 0.5). They may lie outside of the image. "Left" is
left in the image.

0, 1     corners of the mouth, left and right, on the outer edge of the lips
2-12     inner edge of the upper lip from the left corner to the right one
13-21    inner edge of the lower lip from left to right, without the corners; 7 and 17 are the middles
22-37    lids of the left eye: outer corner, 7 of the lower lid, inner corner, 7 of the upper lid, outer ones first
38-53    lids of the right eye, likewise
54-58    left iris: its centre and four points on its edge
59-63    right iris

The metadata say `format`: fomm-points-1.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from ...errors import DataError
from ...files import atomic_path

FORMAT = "fomm-points-1"
COUNT = 64
SUFFIX = ".points.safetensors"

Points = npt.NDArray[np.float32]

MOUTH, EYES = slice(0, 22), (slice(22, 38), slice(38, 54))
MIRRORED = (1, 0, *range(12, 1, -1), *range(21, 12, -1), *range(38, 54), *range(22, 38), *range(59, 64), *range(54, 59))
"""Which point takes the place of each where the image is seen in a mirror."""
UPPER_LIP, LOWER_LIP, CORNERS = 7, 17, (0, 1)
LIDS = ((22, 26, 30, 34), (38, 42, 46, 50))
"""Of each eye: outer corner, middle of the lower lid, inner corner, middle of the upper lid."""


def points_file(clip: str | os.PathLike[str]) -> Path:
    """The file that belongs to a clip's."""
    return Path(clip).with_suffix(SUFFIX)


def write_points(path: Path, points: Points, height: int, width: int) -> None:
    """Write points [frames, 64, 2] of a clip of this size.

    Raises DataError where they are of another shape or no numbers.
    """
    _check(points, path)
    with atomic_path(path) as temporary:
        arrays: dict[str, npt.NDArray[Any]] = {
            "points": np.ascontiguousarray(points, np.float32),
            "size": np.array([height, width], np.int64),
        }
        save_file(arrays, temporary, {"format": FORMAT})


def read_points(path: Path) -> tuple[Points, tuple[int, int]]:
    """The points [frames, 64, 2] in a file, and the (height, width) of the clip that they are pixels of.

    Raises DataError where the file is missing, damaged or another one.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            said = (file.metadata() or {}).get("format")
            if said != FORMAT:
                raise DataError(f"expected the points of a clip ({FORMAT}); {path} says that it is {said}.")
            points, (height, width) = file.get_tensor("points"), file.get_tensor("size").tolist()
    except (SafetensorError, OSError, TypeError, ValueError) as problem:
        raise DataError(f"expected the points of a clip ({FORMAT}); {path} cannot be read: {problem}") from problem
    _check(points, path)
    return points, (int(height), int(width))


def mirrored(points: Points, width: int) -> Points:
    """Points [..., 64, 2] of a clip of that width that is seen in a mirror."""
    return np.asarray(np.array([width, 0]) + points[..., MIRRORED, :] * [-1, 1], np.float32)


def openings(points: Points) -> npt.NDArray[np.float64]:
    """[..., 3]: the gap over the width of the mouth and of both eyes, as shares."""

    def share(upper: int, lower: int, left: int, right: int) -> npt.NDArray[np.float64]:
        gap = np.linalg.norm(points[..., upper, :] - points[..., lower, :], axis=-1)
        width = np.linalg.norm(points[..., left, :] - points[..., right, :], axis=-1)
        return np.asarray(gap / np.maximum(width, 1e-6), np.float64)

    eyes = [share(upper, lower, outer, inner) for outer, lower, inner, upper in LIDS]
    return np.stack([share(UPPER_LIP, LOWER_LIP, *CORNERS), *eyes], -1)


def fitted(points: Points, size: tuple[int, int], to: tuple[int, int]) -> Points:
    """Points in pixels of images of `size`, in -1..1 of what is cut from their middle to fill `to` (height, width).

    -1 and 1 are the centres of the first and last pixels, as in `geometry.coordinate_grid`.
    """
    scale = max(to[0] / size[0], to[1] / size[1])
    extent = np.array([to[1], to[0]])
    pixels = (points - np.array([size[1], size[0]]) / 2) * scale + extent / 2
    return np.asarray((2 * pixels - 1) / np.maximum(extent - 1, 1) - 1, np.float32)


def _check(points: Points, path: Path) -> None:
    if points.ndim != 3 or points.shape[1:] != (COUNT, 2) or not np.isfinite(points).all():
        raise DataError(f"expected finite points [frames, {COUNT}, 2] in {path}; got {points.dtype} {points.shape}.")
