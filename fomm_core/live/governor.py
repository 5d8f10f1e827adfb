"""Holding a rate: where frames take too long, they are computed smaller and in lower precision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..config import MotionModelConfig
from ..errors import SizeError
from ..precision import is_fast

SHARES = (1.0, 0.75, 0.5)
"""Of the size that was asked for."""
SMALLEST = 64
"""Pixels of the shorter side below which nothing of a face is left."""
FRAMES = 20
"""Frames that are looked at before a step down."""
EASY = 0.6
"""Below this share of the time that there is, a larger size is tried again."""
PATIENCE = 150
"""Frames of ease before a step up; twice as many after each one that did not last."""
MOST_PATIENCE = 16 * PATIENCE


@dataclass(frozen=True)
class Level:
    """How frames are computed. size: (height, width) of what the networks see."""

    size: tuple[int, int]
    dtype: torch.dtype = torch.float32


def levels_for(
    config: MotionModelConfig, size: tuple[int, int], dtype: torch.dtype, device: torch.device
) -> tuple[Level, ...]:
    """From the best to the quickest: first lower precision, where the device is quick with it, then smaller sizes."""
    half = torch.float16 if device.type == "cuda" else torch.bfloat16
    quick = half if dtype == torch.float32 and is_fast(half, device) else dtype
    sizes: list[tuple[int, int]] = []
    for share in SHARES:
        wished = tuple(max(1, round(side * share)) for side in size)
        nearest = config.nearest_size(wished[0], wished[1])
        small_enough = not sizes or (nearest < sizes[-1] and min(nearest) >= SMALLEST)
        if small_enough and nearest not in sizes:
            sizes.append(nearest)
    levels = [Level(sizes[0], dtype), *(Level(each, quick) for each in sizes)]
    return tuple(dict.fromkeys(levels))


class Governor:
    """Chooses one of the levels by how long frames take. Counts frames, asks no clock.

    rate: frames per second that shall be held. Raises SizeError without levels, or for a rate that is not above 0.
    """

    def __init__(self, levels: Sequence[Level], rate: float) -> None:
        if not levels or not rate > 0:
            raise SizeError(f"expected levels to choose from and a rate above 0; got {len(levels)} and {rate}.")
        self.levels, self.budget = tuple(levels), 1 / rate
        self.index = 0
        self.held = False
        self._total, self._count = 0.0, 0
        self._easy, self._patience, self._rising = 0, PATIENCE, False

    @property
    def level(self) -> Level:
        """The one to use now."""
        return self.levels[self.index]

    def add(self, seconds: float) -> bool:
        """A frame took so long; whether the level has changed. While `held`, it does not."""
        self._easy = self._easy + 1 if seconds < EASY * self.budget else 0
        self._total, self._count = self._total + seconds, self._count + 1
        if self.held:
            self._total, self._count = 0.0, 0
            return False
        if self._count >= FRAMES:
            slow = self._total / self._count > self.budget
            self._total, self._count = 0.0, 0
            if slow and self.index + 1 < len(self.levels):
                if self._rising:
                    self._patience = min(2 * self._patience, MOST_PATIENCE)
                return self._move(1)
        if self._easy >= self._patience and self.index > 0:
            return self._move(-1)
        return False

    def _move(self, by: int) -> bool:
        self.index += by
        self._rising = by < 0
        self._total, self._count, self._easy = 0.0, 0, 0
        return True
