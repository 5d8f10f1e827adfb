"""What eyes and brows do over time: blinks, winks, glances, raised brows; drawn anew for each clip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .eyes import FARTHEST_GAZE
from .head import Doubles

BLINKS_A_SECOND = 0.75
"""Three times as often as people do, so that most clips show one."""
CLOSING, HELD, OPENING = (0.06, 0.12), (0.0, 0.1), (0.1, 0.2)
"""Seconds; 100 to 400 ms in all."""
LONG_HELD = (0.3, 0.9)
LONG_SHARE, WINK_SHARE, HALF_SHARE = 0.12, 0.1, 0.08
"""Of blinks: eyes kept shut for a while, one eye alone, lids that do not meet."""
HALF = (0.35, 0.7)
GLANCES_A_SECOND = 0.7
JUMP = 0.045
"""Seconds of a glance from one place to the next."""
BROWS_A_SECOND = 0.35


@dataclass(frozen=True)
class Glances:
    """lids, gaze, brows: [frames, 2] each, as in `Expression`."""

    lids: Doubles
    gaze: Doubles
    brows: Doubles

    @classmethod
    def drawn(cls, frames: int, fps: float, rng: np.random.Generator) -> Glances:
        """Any clip's."""
        times = np.arange(frames) / fps
        return cls(_lids(times, rng), _gaze(times, rng), _brows(times, rng))


def _lids(times: Doubles, rng: np.random.Generator) -> Doubles:
    lids = np.zeros((len(times), 2))
    time = float(rng.uniform(-0.2, 1 / BLINKS_A_SECOND))
    while time < times[-1]:
        closing, opening = float(rng.uniform(*CLOSING)), float(rng.uniform(*OPENING))
        kind = rng.random()
        held = float(rng.uniform(*(LONG_HELD if kind < LONG_SHARE else HELD)))
        depth = float(rng.uniform(*HALF)) if kind > 1 - HALF_SHARE else 1.0
        if held < 0.05 and depth == 1:
            time = float(times[np.argmin(np.abs(times - time - closing))]) - closing  # a frame shows them shut
        rising = np.clip((times - time) / closing, 0, 1)
        falling = np.clip((time + closing + held + opening - times) / opening, 0, 1)
        blink = depth * _eased(np.minimum(rising, falling))
        both = np.ones(2)
        if LONG_SHARE <= kind < LONG_SHARE + WINK_SHARE:
            both[rng.integers(2)] = rng.choice([0.0, 0.15])
        lids = np.maximum(lids, blink[:, None] * both)
        time += closing + held + opening + 0.1 + float(rng.exponential(1 / BLINKS_A_SECOND))
    return lids


def _gaze(times: Doubles, rng: np.random.Generator) -> Doubles:
    gaze = np.zeros((len(times), 2))
    place, time = np.zeros(2), float(rng.exponential(1 / GLANCES_A_SECOND))
    farthest = np.array(FARTHEST_GAZE)
    while time < times[-1]:
        target = np.zeros(2) if rng.random() < 0.35 else rng.uniform(-farthest, farthest)
        gaze += (target - place) * _eased(np.clip((times - time) / JUMP, 0, 1))[:, None]
        place, time = target, time + 0.15 + float(rng.exponential(1 / GLANCES_A_SECOND))
    return gaze


def _brows(times: Doubles, rng: np.random.Generator) -> Doubles:
    brows = np.zeros((len(times), 2))
    time = float(rng.exponential(1 / BROWS_A_SECOND))
    while time < times[-1]:
        height = float(rng.choice([rng.uniform(0.3, 0.9), rng.uniform(-0.5, -0.2)]))
        rise, stay, fall = rng.uniform((0.1, 0.1, 0.2), (0.3, 0.8, 0.5))
        up = _eased(np.clip((times - time) / rise, 0, 1)) * _eased(
            np.clip((time + rise + stay + fall - times) / fall, 0, 1)
        )
        sides = np.array([1.0, rng.uniform(0.5, 1.0)])
        brows = brows + height * up[:, None] * (sides if rng.random() < 0.5 else sides[::-1])
        time += rise + stay + fall + float(rng.exponential(1 / BROWS_A_SECOND))
    return np.clip(brows, -1, 1)


def _eased(share: Doubles) -> Doubles:
    return np.asarray(share**2 * (3 - 2 * share))
