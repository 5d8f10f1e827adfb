"""The driver's side of a live picture: the square that drives, its keypoints, the anchor."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..faces import Face, FaceFinder, choose
from ..geometry import Keypoints
from ..region import Cropper, Framing, Region, region_middle
from ..video.pixels import Pixels
from .steady import OneEuro

LOOK_EVERY = 1.0
"""Seconds between looks at where the face is: each costs as much as a frame."""
OUTSIDE = 0.1
"""A face leaves the square where it reaches out by more than this share of the square's side."""
SEARCHES = 3
"""Looks without a face after which the middle square drives."""

Detect = Callable[[Pixels], Keypoints]


@dataclass(frozen=True, eq=False)
class Seen:
    """A driving frame. keypoints: of its square, smoothed where that is wished. anchor: those of the frame that shows
    the source's pose. box: left, top and side of the square in the frame's pixels, as it came (not mirrored). seconds:
    what it took.
    """

    keypoints: Keypoints
    anchor: Keypoints
    box: tuple[float, float, float]
    face: bool
    inside: bool
    seconds: float


class Watcher:
    """Follows one driver. Not for several threads at once.

    detect: keypoints of a square. framing: of the face that the model expects; None for models of something else.
    side: pixels that a square needs at most.
    """

    def __init__(
        self,
        detect: Detect,
        finder: FaceFinder,
        framing: Framing | None,
        side: int,
        *,
        mirror: bool,
        smooth: bool,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.mirror, self.smooth = mirror, smooth
        self._detect, self._finder, self._framing, self._side, self._clock = detect, finder, framing, side, clock
        self._steady = OneEuro()
        self._anchor: Keypoints | None = None
        self._region: Region | None = None
        self._cropper: Cropper | None = None
        self._looked, self._tries = -np.inf, 0
        self._face, self._inside = False, True

    def set_anchor(self) -> None:
        """The next driving frame shows the pose of the source; the square is found anew."""
        self._anchor, self._region, self._cropper = None, None, None
        self._looked, self._tries = -np.inf, 0
        self._steady.restart()

    def set_mirror(self, mirror: bool) -> None:
        """Flip the driver left to right; begins anew, since all its keypoints change places."""
        if mirror != self.mirror:
            self.mirror = mirror
            self.set_anchor()

    def see(self, frame: Pixels, seconds: float) -> Seen:
        """Of a driving frame uint8 [H, W, 3] that was taken at `seconds` (rising)."""
        started = self._clock()
        height, width = frame.shape[:2]
        region = self._region
        if region is not None and (region.height, region.width) != (height, width):
            self.set_anchor()
        driving = self._turned(frame)
        if self._region is None:
            self._look(driving, seconds)
        region, cropper = self._square(height, width)
        found = self._detect(cropper(driving))
        if self.smooth:
            found = self._steady(found, seconds)
        if self._anchor is None:
            self._anchor = found
        side = float(region.side[0])
        left, top = (float(middle) - side / 2 for middle in region.centre[0])
        if self.mirror:
            left = width - left - side
        took = self._clock() - started
        return Seen(found, self._anchor, (left, top, side), self._face, self._inside, took)

    def glance(self, frame: Pixels, seconds: float) -> None:
        """See now and then where the face of a frame is that `see` was given. It takes longer than `see`: best while
        the frame is painted.
        """
        if seconds - self._looked >= LOOK_EVERY or seconds < self._looked:
            self._look(self._turned(frame), seconds)

    def _turned(self, frame: Pixels) -> Pixels:
        return np.ascontiguousarray(frame[:, ::-1]) if self.mirror else frame

    def _look(self, frame: Pixels, seconds: float) -> None:
        """The square is the face's when it is found for the first time; it stays there."""
        self._looked = seconds
        face = self._find(frame)
        searching = self._region is None or (not self._face and self._tries < SEARCHES)
        if searching and face is not None and self._framing is not None:
            self._region, self._cropper, self._anchor = face.region(self._framing), None, None
            self._steady.restart()
        self._face = face is not None
        self._tries = self._tries + 1 if face is None else SEARCHES
        self._inside = face is None or self._region is None or _holds(self._region, face)

    def _find(self, frame: Pixels) -> Face | None:
        return None if self._framing is None else choose(self._finder.find(frame, tiles="never"), "largest")

    def _square(self, height: int, width: int) -> tuple[Region, Cropper]:
        """The middle where no face was found."""
        if self._region is None:
            self._region = region_middle(height, width)
        if self._cropper is None:
            self._cropper = Cropper(self._region, self._side)
        return self._region, self._cropper


def _holds(region: Region, face: Face) -> bool:
    """Whether the face lies in the square, but for a little."""
    left, top, side, _ = face.box
    middle, half = region.centre[0], float(region.side[0]) * (0.5 + OUTSIDE)
    low = (left - float(middle[0]), top - float(middle[1]))
    return all(-half <= edge and edge + side <= half for edge in low)
