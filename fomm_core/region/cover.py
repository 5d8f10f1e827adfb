"""How much of a box is covered, and float images mixed by it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Cover:
    """How much of a box is covered. share, rest: [h, w], adding up to 1. inner: top, bottom, left and right of a part
    that is covered wholly; empty where there is none.
    """

    share: Numbers
    rest: Numbers
    inner: tuple[int, int, int, int]

    @classmethod
    def of(cls, share: Numbers) -> Cover:
        """The inner part is found where rows and columns of the middle are whole, as those of upright squares are."""
        height, width = share.shape
        rows, columns = (np.flatnonzero(line >= 1) for line in (share[:, width // 2], share[height // 2]))
        inner = (0, 0, 0, 0)
        if len(rows) and len(columns):
            top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
            if share[top:bottom, left:right].min() >= 1:
                inner = top, bottom, left, right
        return cls(share, 1 - share, inner)

    @property
    def strips(self) -> list[tuple[slice, slice]]:
        """Rows and columns of the parts around the inner one, those that are empty left out."""
        top, bottom, left, right = self.inner
        height, width = self.share.shape
        strips = ((0, top, 0, width), (bottom, height, 0, width), (top, bottom, 0, left), (top, bottom, right, width))
        return [(slice(a, b), slice(c, d)) for a, b, c, d in strips if a < b and c < d]


def mixed(old: Numbers, new: Numbers, cover: Cover, *, linear: bool) -> Numbers:
    """Float images [h, w, C] with `new` laid over `old`; where nothing is laid, not a bit changes.

    linear: mix the light of three channels rather than their values (IEC 61966-2-1).
    """
    result = new.copy()
    for where in cover.strips:
        share = cover.share[where].reshape(*cover.share[where].shape, *(1,) * (old.ndim - 2))
        below, above = old[where], new[where]
        if linear and old.ndim == 3 and old.shape[-1] == 3:
            light = _light(below)
            laid = np.where(share >= 1, above, _values(light + (_light(above) - light) * share))
        else:
            laid = below + (above - below) * share
        result[where] = np.where(share > 0, laid, below)
    return result


def _light(values: Numbers) -> Numbers:
    return np.where(values <= 0.04045, values / np.float32(12.92), _power((values + 0.055) / 1.055, 2.4))


def _values(light: Numbers) -> Numbers:
    return np.where(light <= 0.0031308, light * np.float32(12.92), 1.055 * _power(light, 1 / 2.4) - 0.055)


def _power(values: Numbers, by: float) -> Numbers:
    powers: Numbers = np.asarray(cv2.pow(np.ascontiguousarray(values, np.float32), by), np.float32)
    return powers.reshape(values.shape)
