"""Wide images with a face somewhere in them."""

from __future__ import annotations

import cv2
import numpy as np


def ground(height: int, width: int) -> np.ndarray:
    """A smooth image of nothing."""
    y, x = np.mgrid[0:height, 0:width]
    waves = np.stack([120 + 40 * np.sin(x / 50), 130 + 40 * np.cos(y / 40), 140 + 0 * x], -1)
    return waves.clip(0, 255).astype(np.uint8)


def placed(whole: np.ndarray, picture: np.ndarray, x: int, y: int, side: int) -> np.ndarray:
    """`picture` at x, y of `whole` (what reaches over the border is cut off), with that side."""
    small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    height, width = whole.shape[:2]
    left, top, right, bottom = max(x, 0), max(y, 0), min(x + side, width), min(y + side, height)
    whole[top:bottom, left:right] = small[top - y : bottom - y, left - x : right - x]
    return whole
