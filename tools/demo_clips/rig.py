"""How a face moves: what mouth, jaw, lips and brows do to 468 landmarks, in the head's coordinates."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from .faces import LANDMARKS
from .head import Doubles
from .landmarks import AROUND_EYES, BROWS, CHIN, JAW, LIDS, LIPS, NOSE_BASE, NOSE_TIP, OVAL
from .topology import Triangles

SPREAD, ROUND, NARROWS = 0.14, 0.3, 0.1
"""How far lips are spread or rounded at most, and how much an open mouth narrows, against its width."""
PUCKER = 0.05
"""How far rounded lips come forward, in widths of the face."""
SMILE = 0.09
RAISE, DROP = 0.1, 0.1
"""How far the upper lip is raised and the lower one lowered by themselves, against the mouth's width."""
UPPER_SHARE, CORNERS_SINK = 0.14, 0.3
"""Of an opening mouth: how much the upper lip does, and how far the corners follow the lower one."""
CLOSING_SHARE = 0.35
LIP_ARCH = 0.6
"""Of the lips' edges when the mouth opens: 0.5 would make half an ellipse of each."""
BROW_HEIGHT = 0.04
JAW_WEIGHTS = (0.25, 0.6, 0.9, *(1.0,) * 11, 0.9, 0.6, 0.25)
LONGEST_LEVER, SHORTEST_LEVER = 0.8, 0.35


@dataclass(frozen=True)
class Expression:
    """What a face does in one frame.

    mouth: the gap between the lips over the mouth's width, from 0 to about 0.8.
    width: lips from rounded, -1, to spread, 1. smile: of the corners, 0 to 1. raised, dropped: the upper and the lower
    lip by itself, 0 to 1. tongue: its height in the mouth, 0 to 1.
    lids: how far each eye is shut, 0 to 1, the left one in the image first. gaze: right and down, in widths of the
    eye. brows: each up, -1 to 1.
    """

    mouth: float = 0.0
    width: float = 0.0
    smile: float = 0.0
    raised: float = 0.0
    dropped: float = 0.0
    tongue: float = 0.3
    lids: tuple[float, float] = (0.0, 0.0)
    gaze: tuple[float, float] = (0.0, 0.0)
    brows: tuple[float, float] = (0.0, 0.0)

    def mirrored(self) -> Expression:
        """Of the image seen in a mirror."""
        return replace(self, lids=self.lids[::-1], brows=self.brows[::-1], gaze=(-self.gaze[0], self.gaze[1]))


class Rig:
    """Moves a face of the shape [468, 3] in the head's coordinates; a mouth of 0 is shut, whatever it is in there."""

    def __init__(self, shape: Doubles, triangles: Triangles) -> None:
        self.shape = shape
        self.width = float(np.linalg.norm(shape[LIPS[0][0][0]] - shape[LIPS[0][0][-1]]))
        self.gap = max(0.0, float(shape[LIPS[3][1][5], 1] - shape[LIPS[3][0][5], 1]))
        self.hinge = shape[[JAW[0], JAW[-1]]].mean(0)
        lips = sorted({point for ring in LIPS for lip in ring for point in lip})
        below = shape[:, 1] > shape[LIPS[0][1][5], 1]
        chin = below & (np.abs(shape[:, 0] - shape[CHIN, 0]) < 0.45 * self.width)
        self._jaw = np.zeros(LANDMARKS)
        self._jaw[chin] = 1.0
        self._jaw[list(JAW)] = JAW_WEIGHTS
        self._jaw[lips] = 0.0
        still = shape[:, 1] < shape[NOSE_TIP, 1]
        nose = np.abs(shape[:, 0] - shape[NOSE_BASE, 0]) < 0.14
        still |= nose & (shape[:, 1] <= shape[NOSE_BASE, 1] + 1e-6)
        still[list(OVAL)] |= self._jaw[list(OVAL)] == 0
        still[lips] = False
        smooth = _roughness(triangles)
        held = still | (self._jaw > 0) | np.isin(np.arange(LANDMARKS), lips)
        self._lower_face = Spreading(smooth, held)
        brows = np.isin(np.arange(LANDMARKS), [point for brow in BROWS for point in brow])
        eyes = [point for ring in (LIDS, AROUND_EYES) for eye in ring for point in eye]
        rest = np.isin(np.arange(LANDMARKS), [*eyes, *OVAL]) | (shape[:, 1] > shape[LIDS[0][8], 1])
        self._upper_face = Spreading(smooth, brows | rest)

    @property
    def rest(self) -> Expression:
        """As the face is in its shape."""
        return Expression(mouth=self.gap / self.width)

    def jaw_drop(self, expression: Expression) -> float:
        """How far the lower teeth go down, in widths of the face."""
        return self._parts(expression)[2]

    def moves(self, expression: Expression) -> Doubles:
        """[468, 3], to be added to the shape."""
        upper, lower, drop, width = self._parts(expression)
        lever = np.clip(self.hinge[2] - self.shape[LIPS[3][1][5], 2], SHORTEST_LEVER, LONGEST_LEVER)
        angle = np.arcsin(np.clip(drop / lever, -0.5, 0.7))
        swung = _about_x(self.shape, self.hinge, angle)
        held = self._jaw[:, None] * (swung - self.shape)
        sink = CORNERS_SINK * lower
        rounded, spread = np.clip(-expression.width, 0, 1), np.clip(expression.width + expression.smile, 0, 1)
        for lips in LIPS:
            for lip, middle in zip(lips, (-upper, lower), strict=True):
                sideways = self._sideways(lip)
                arch = (1 - sideways**2) ** LIP_ARCH
                across = (width / self.width - 1) * sideways * self.width / 2
                down = sink + (middle - sink) * arch - SMILE * self.width * expression.smile * np.abs(sideways) ** 1.5
                back = 0.35 * spread * sideways**2 * SPREAD * self.width - PUCKER * rounded * (0.4 + 0.6 * arch)
                held[list(lip)] = np.stack([across, down, back + 0.12 * np.maximum(down, 0)], 1)
        moved = self._lower_face(held)
        heights = np.zeros((LANDMARKS, 3))
        for brow, height in zip(BROWS, expression.brows, strict=True):
            heights[list(brow), 1] = -BROW_HEIGHT * height
        return moved + self._upper_face(heights)

    def _sideways(self, lip: tuple[int, ...]) -> Doubles:
        """[11], where the points of a lip are between its corners, from -1 to 1."""
        x = self.shape[list(lip), 0]
        return np.asarray(np.clip(2 * (x - x[0]) / (x[-1] - x[0]) - 1, -1, 1))

    def _parts(self, expression: Expression) -> tuple[float, float, float, float]:
        """(how far the upper lip goes up, the lower one down, the jaw down; the mouth's width)."""
        stretch = SPREAD if expression.width > 0 else ROUND
        width = self.width * (1 + stretch * expression.width + SMILE * expression.smile)
        width *= 1 - NARROWS * (expression.mouth - self.gap / self.width)
        change = expression.mouth * width - self.gap
        raised, dropped = RAISE * self.width * expression.raised, DROP * self.width * expression.dropped
        if change < 0:
            return CLOSING_SHARE * change, (1 - CLOSING_SHARE) * change, 0.5 * change, width
        upper = min(UPPER_SHARE * change + raised, 0.6 * change)
        lower = change - upper
        return upper, lower, max(0.0, lower - dropped), width


class Spreading:
    """Carries the moves of held points on to all others, as smoothly as it can be done."""

    def __init__(self, roughness: Doubles, held: npt.NDArray[np.bool_]) -> None:
        free = ~held
        self._held, self._free = held, free
        self._onto = -np.linalg.solve(roughness[np.ix_(free, free)], roughness[np.ix_(free, held)])

    def __call__(self, moves: Doubles) -> Doubles:
        """moves: [468, 3], those of points that are not held being of no account."""
        spread = moves.copy()
        spread[self._free] = self._onto @ moves[self._held]
        return spread


def _roughness(triangles: Triangles) -> Doubles:
    """[468, 468]: the squared Laplacian of the mesh as a graph."""
    joined = np.zeros((LANDMARKS, LANDMARKS))
    for a, b in ((0, 1), (1, 2), (2, 0)):
        joined[triangles[:, a], triangles[:, b]] = joined[triangles[:, b], triangles[:, a]] = 1
    neighbours = np.maximum(joined.sum(1), 1)
    laplacian = np.eye(LANDMARKS) - joined / neighbours[:, None]
    return np.asarray(laplacian.T @ laplacian + 1e-9 * np.eye(LANDMARKS))


def _about_x(points: Doubles, hinge: Doubles, angle: float) -> Doubles:
    """Turned about an axis from left to right, so that what lies before the hinge goes down."""
    y, z = (points - hinge)[:, 1:].T
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.column_stack([points[:, 0], hinge[1] + cosine * y - sine * z, hinge[2] + sine * y + cosine * z])
