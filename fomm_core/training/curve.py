"""The losses of a run as an image."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from ..errors import TrainingError
from ..view import keypoint_colours

MARGIN = (56, 16, 14, 26)
"""Left, right, top, bottom, in pixels."""
GROUND, INK, FAINT, GRID = (250, 250, 250), (40, 42, 48), (120, 122, 128), (220, 222, 226)
FONT, FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.4
SUBPIXEL_BITS = 4


def loss_curve(losses: Sequence[Mapping[str, float]], *, height: int = 400, width: int = 640) -> Tensor:
    """Each term over the steps, [3, height, width] in 0..1; the values on a logarithmic axis, smoothed.

    The raw values lie pale behind their mean over the last twentieth of the steps so far.

    Args:
        losses: of each step from the first, by name; terms may be missing in some.
        height: of the image, 120 at least.
        width: of the image, 160 at least.

    Raises:
        TrainingError: no steps.
    """
    if not losses:
        raise TrainingError("expected the losses of at least one step; got none.")
    names = list(dict.fromkeys(name for step in losses for name in step))
    series = {name: np.array([step.get(name, math.nan) for step in losses]) for name in names}
    positive = np.concatenate([values[values > 0] for values in series.values()])
    low, high = _decades(positive)
    left, right, top, bottom = MARGIN
    canvas = np.full((height, width, 3), GROUND, np.uint8)

    def place(values: np.ndarray) -> np.ndarray:
        """Points [N, 2] in pixels of the steps that have a value."""
        there = np.flatnonzero(values > 0)
        x = left + there / max(len(values) - 1, 1) * (width - left - right)
        y = top + (high - np.log10(values[there])) / (high - low) * (height - top - bottom)
        return np.stack((x, y), -1)

    marks = [mark * 10.0**decade for decade in range(math.floor(low), math.ceil(high)) for mark in (1, 2, 5)]
    for mark in (mark for mark in marks if low <= math.log10(mark) <= high):
        y = round(top + (high - math.log10(mark)) / (high - low) * (height - top - bottom))
        cv2.line(canvas, (left, y), (width - right, y), GRID, 1)
        cv2.putText(canvas, f"{mark:g}", (8, y + 4), FONT, FONT_SCALE, FAINT, 1, cv2.LINE_AA)
    cv2.putText(canvas, "step 1", (left, height - 8), FONT, FONT_SCALE, FAINT, 1, cv2.LINE_AA)
    last = str(len(losses))
    cv2.putText(canvas, last, (width - right - 8 * len(last), height - 8), FONT, FONT_SCALE, FAINT, 1, cv2.LINE_AA)
    colours = [tuple(int(255 * 0.85 * part) for part in colour) for colour in keypoint_colours(len(names)).tolist()]
    window = max(1, len(losses) // 20)
    for values, colour in zip(series.values(), colours, strict=True):
        pale = tuple((part + 3 * ground) // 4 for part, ground in zip(colour, GROUND, strict=True))
        if window > 1:
            _draw(canvas, place(values), pale, 1)
        _draw(canvas, place(_smoothed(values, window)), colour, 2)
    for row, (name, colour) in enumerate(zip(names, colours, strict=True)):
        corner = (width - right - 190, top + 16 + 16 * row)
        cv2.line(canvas, (corner[0] - 24, corner[1] - 4), (corner[0] - 6, corner[1] - 4), colour, 2, cv2.LINE_AA)
        latest = _smoothed(series[name], window)[-1]
        cv2.putText(canvas, f"{name}  {latest:.4g}", corner, FONT, FONT_SCALE, INK, 1, cv2.LINE_AA)
    return torch.from_numpy(canvas).permute(2, 0, 1).float() / 255


def _decades(values: np.ndarray) -> tuple[float, float]:
    """The logarithms that the axis spans, a little wider than the values."""
    if not len(values):
        return -1.0, 1.0
    low, high = float(np.log10(values.min())), float(np.log10(values.max()))
    return low - 0.1, high + 0.1 + 0.25 * (high - low)  # room for the names


def _smoothed(values: np.ndarray, window: int) -> np.ndarray:
    """Mean of the last `window` values there are, at each step."""
    there = np.isfinite(values)
    sums, counts = np.cumsum(np.where(there, values, 0.0)), np.cumsum(there)
    sums[window:], counts[window:] = sums[window:] - sums[:-window], counts[window:] - counts[:-window]
    return np.where(counts > 0, sums / np.maximum(counts, 1), math.nan)


def _draw(canvas: np.ndarray, points: np.ndarray, colour: tuple[int, ...], thickness: int) -> None:
    path = np.rint(points * (1 << SUBPIXEL_BITS)).astype(np.int32)
    if len(path) == 1:
        cv2.circle(
            canvas, (int(path[0, 0]), int(path[0, 1])), 2 << SUBPIXEL_BITS, colour, -1, cv2.LINE_AA, SUBPIXEL_BITS
        )
    cv2.polylines(canvas, [path], False, colour, thickness, cv2.LINE_AA, SUBPIXEL_BITS)
