"""How much larger the source's face or body stands in its image than the driver's."""

import logging
import math

import torch

from ..errors import KeypointError
from ..geometry import Keypoints, hull_area
from .checks import check_counts, check_single

log = logging.getLogger("fomm.motion")

SMALLEST_AREA = 1e-6
"""Hulls below this (a square of half a thousandth of the picture's side) say nothing about a size."""


def movement_scale(source: Keypoints, anchor: Keypoints) -> float:
    """sqrt(hull area of the source's keypoints) / sqrt(hull area of the anchor's), one frame each.

    Computed once per clip. Where a hull has no area (fewer than three keypoints, or all on a line, as in a frame that
    shows no face) there is nothing to compare: the result is 1.0, movement as it is, with a warning in the log.
    An error would end a batch of clips for one such frame, and a scale of 0 or infinity would end the movement.

    Raises:
        KeypointError: for other than one frame each, different counts of keypoints, or positions that are not finite.
    """
    check_single("source", source)
    check_single("anchor", anchor)
    check_counts("source", source, "anchor", anchor)
    area = {}
    for name, keypoints in (("source", source), ("anchor", anchor)):
        if not torch.isfinite(keypoints.position).all():
            raise KeypointError(f"expected finite {name} positions; got NaN or Inf: detect the keypoints again")
        area[name] = hull_area(keypoints.position[0])
    flat = [name for name in area if area[name] < SMALLEST_AREA]
    if flat:
        log.warning(
            "The %s keypoints span no area (%s): movement is not scaled. Another anchor frame may do better.",
            " and ".join(flat),
            ", ".join(f"{name} {area[name]:.1e}" for name in flat),
        )
        return 1.0
    return math.sqrt(area["source"]) / math.sqrt(area["anchor"])
