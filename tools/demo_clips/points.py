"""Where mouth and eyes are in each frame of a clip: known, since the puppet was moved there.

The order is that of `fomm_core.training.data.points`.
"""

from __future__ import annotations

import numpy as np

from .eyes import MEETS
from .faces import LANDMARKS, Floats
from .head import Doubles
from .landmarks import LIDS, LIPS
from .rig import Expression

MOUTH_OPENING, MOUTH_CORNERS = (7, 17), (0, 1)
MOUTH = (61, 291, *LIPS[3][0], *LIPS[3][1][1:-1])
"""Corners of the mouth; the inner contour of the upper lip from left to right, corners included; that of the lower one
without them.
"""


class Points:
    """Follows 64 points: 22 of the mouth, 16 lids of each eye, 5 of each iris.

    rest: the mesh's points [n, 3]; irises: [2, 5, 2]; both in the portrait.
    """

    def __init__(self, rest: Doubles, irises: Doubles) -> None:
        self._solved = []
        for lids, iris in zip(LIDS, irises, strict=True):
            around = np.column_stack([rest[list(lids), :2], np.ones(len(lids))])
            known = np.column_stack([iris, np.ones(len(iris))])
            self._solved.append(known @ np.linalg.pinv(around))
        self._widths = [float(np.linalg.norm(rest[lids[8], :2] - rest[lids[0], :2])) for lids in LIDS]

    def moved(self, points: Doubles, expression: Expression) -> Doubles:
        """[64, 2]: in the order above, from the mesh's points [n, 2] where they have come to."""
        assert len(points) >= LANDMARKS
        eyes, irises = [], []
        for lids, solved, shut in zip(LIDS, self._solved, expression.lids, strict=True):
            contour = points[list(lids)].copy()
            lower, upper = contour[1:8].copy(), contour[9:16].copy()
            meeting = lower + MEETS * (upper - lower)
            along = contour[8] - contour[0]
            right = along if along[0] > 0 else -along
            down = np.array([-right[1], right[0]])
            irises.append(solved @ contour + expression.gaze[0] * right + expression.gaze[1] * down)
            contour[1:8] += shut * (meeting - lower)
            contour[9:16] += shut * (meeting - upper)
            eyes.append(contour)
        return np.concatenate([points[list(MOUTH)], *eyes, *irises])


def opening(points: Floats) -> Floats:
    """[frames]: the gap between the lips over the mouth's width, as the mesh's `mouth_opening`."""
    gap, width = (np.linalg.norm(points[:, a] - points[:, b], axis=1) for a, b in (MOUTH_OPENING, MOUTH_CORNERS))
    return np.asarray(gap / np.maximum(width, 1e-6), np.float32)
