"""Cuts in a clip, found by how much each frame differs from the one before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from .pixels import Pixels
from .stored import StoredFrame

WIDTH, HEIGHT = 128, 96
SAMPLES = 4
NEIGHBOURS = 6
"""Differences looked at on either side of one."""
TIMES_MEDIAN, AT_LEAST, TIMES_LARGEST = 4.0, 0.5, 1.5


class ShotFinder:
    """Takes the frames of a clip one by one, and says where shots begin.

    Holds one small image, and a number for each frame.
    """

    def __init__(self) -> None:
        self.differences: list[float] = []
        """Mean absolute difference of bytes between each frame and the one before, from the second frame on."""
        self._last: NDArray[np.uint8] | None = None

    def add(self, frame: Pixels) -> bool:
        """Take the next frame, uint8 [H, W, 3]. Whether it differs so much from the one before that it may begin a
        shot: a first judgement, by the frames until now alone.
        """
        small = small_frame(frame)
        if self._last is None:
            self._last = small
            return False
        self.differences.append(float(cv2.norm(small, self._last, cv2.NORM_L1)) / small.size)
        self._last = small
        return _stands_out(self.differences[-1], self.differences[-1 - NEIGHBOURS : -1])

    @property
    def starts(self) -> tuple[int, ...]:
        """The first frame of each shot, 0 first; final when NEIGHBOURS more frames have come, or the clip's end."""
        return (0, *cuts(self.differences))


def cuts(differences: Sequence[float]) -> list[int]:
    """The frames that begin a new shot, by the differences from frame to frame (the first is frame 1's).

    A cut's difference is well above the median and the largest of the six before and the six after it. That finds hard
    cuts and most jumps within a scene; dissolves are no cuts.
    """
    found = []
    for i, difference in enumerate(differences):
        around = [*differences[max(0, i - NEIGHBOURS) : i], *differences[i + 1 : i + 1 + NEIGHBOURS]]
        if _stands_out(difference, around):
            found.append(i + 1)
    return found


def find_shots(frames: Iterable[Pixels]) -> tuple[int, ...]:
    """The first frame of each shot of a clip; passes over all frames and holds none."""
    finder = ShotFinder()
    for frame in frames:
        finder.add(frame)
    return finder.starts


def small_frame(frame: Pixels | StoredFrame) -> NDArray[np.uint8]:
    """A frame as the differences see it, 128x96 whatever its shape. Of a large one, sixteen evenly spread pixels make
    one of the small picture: a tenth of the cost of all, and no less steady for this purpose.
    """
    large = frame.shape[0] > SAMPLES * HEIGHT and frame.shape[1] > SAMPLES * WIDTH
    if isinstance(frame, StoredFrame):
        frame = frame.sampled(SAMPLES * HEIGHT, SAMPLES * WIDTH) if large else frame.whole()
    elif large:
        size = (SAMPLES * WIDTH, SAMPLES * HEIGHT)
        frame = np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_NEAREST), np.uint8)
    return np.asarray(cv2.resize(frame, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)


def _stands_out(difference: float, around: Sequence[float]) -> bool:
    if not around:
        return False
    return difference > TIMES_MEDIAN * float(np.median(around)) + AT_LEAST and difference > TIMES_LARGEST * max(around)
