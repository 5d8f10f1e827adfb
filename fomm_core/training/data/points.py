"""Where mouth and eyes are in each frame of a clip, in a small file beside it: `a.mp4` has `a.points.safetensors`.

The file holds two arrays: `size`, int64 [2], the clip's height and width; and `points`, float32 [frames, 64, 2]: x and
y in pixels of the clip, edge-aligned (a pixel's centre is at + 0.5). They may lie outside of the picture. "Left" is
left in the picture.

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


def _check(points: Points, path: Path) -> None:
    if points.ndim != 3 or points.shape[1:] != (COUNT, 2) or not np.isfinite(points).all():
        raise DataError(f"expected finite points [frames, {COUNT}, 2] in {path}; got {points.dtype} {points.shape}.")
