"""Choose the driving frame whose pose is taken to equal the source's."""

import logging

import numpy as np
import torch
from torch import Tensor

from ..errors import KeypointError
from ..geometry import Keypoints, hull_area
from .checks import check_counts, check_frames, check_single
from .scale import SMALLEST_AREA

log = logging.getLogger("fomm.motion")


def anchor_distances(source: Keypoints, driving: Keypoints) -> Tensor:
    """Squared distance of each driving frame's shape to the source's, [T] float32.

    Shapes are centred and divided by the square root of their hull area, so that neither place nor size counts. Frames
    whose hull has no area or whose positions are not finite are infinitely far. Where the source itself spans no area
    (fewer than three keypoints, for instance), shapes are only centred.

    Raises:
        KeypointError: no driving frame, other than one source frame, or different counts of keypoints.
    """
    check_single("source", source)
    check_frames("driving", driving)
    check_counts("source", source, "driving", driving)
    if not torch.isfinite(source.position).all():
        raise KeypointError("expected finite source positions; got NaN or Inf: detect the keypoints again")
    target = _centred(source.position.detach().double().cpu())  # [1, K, 2]
    shapes = _centred(driving.position.detach().double().cpu())  # [T, K, 2]
    usable = shapes.isfinite().flatten(1).all(1)
    source_area = hull_area(target[0])
    if source_area >= SMALLEST_AREA:
        areas = torch.tensor([hull_area(shape) if ok else 0.0 for shape, ok in zip(shapes, usable, strict=True)])
        usable &= areas >= SMALLEST_AREA
        target = target / source_area**0.5
        shapes = shapes / areas.clamp(min=SMALLEST_AREA).double().sqrt()[:, None, None]
    distances = (shapes - target).square().flatten(1).sum(1)
    return distances.masked_fill(~usable, torch.inf).float()


def best_anchor(source: Keypoints, driving: Keypoints) -> int:
    """Index of the driving frame whose shape is nearest to the source's (`anchor_distances`), the first of equals."""
    distances = anchor_distances(source, driving).numpy()
    if not np.isfinite(distances).any():
        log.warning("No driving frame has keypoints that span an area: frame 0 is the anchor.")
    return int(np.argmin(distances))


def anchor_frame(driving: Keypoints, index: int) -> Keypoints:
    """The keypoints of driving frame `index`, one frame; raises KeypointError outside 0..T-1."""
    check_frames("driving", driving)
    if not 0 <= index < len(driving):
        raise KeypointError(f"expected an anchor frame from 0 to {len(driving) - 1}; got {index}")
    return driving[index]


def _centred(position: Tensor) -> Tensor:
    return position - position.mean(-2, keepdim=True)
