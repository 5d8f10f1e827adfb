"""The picture that follows: one driving frame in, one frame out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import torch

from ..animation import output_size, prepare_source, shown_at
from ..errors import KeypointError
from ..faces import Face, FaceFinder, choose
from ..fitting import fit_uint8, from_uint8, to_uint8
from ..geometry import Keypoints
from ..model import MotionModel
from ..motion import TransferOptions, transfer
from ..prepared import PreparedSource
from ..region import Cropper, Region, region_middle
from ..session import AnimationSession
from ..stills import cropped
from ..video.pixels import Pixels
from ..whole import CropOptions, find_source, framing_of
from .governor import Governor, Level, levels_for
from .steady import OneEuro

LOOK_EVERY = 1.0
"""Seconds between looks at where the face is: each costs as much as a frame."""
OUTSIDE = 0.1
"""A face leaves the square where it reaches out by more than this share of the square's side."""
SEARCHES = 3
"""Looks without a face after which the middle square drives."""


@dataclass(frozen=True)
class LiveOptions:
    """size: of the frames, in pixels of the shorter side; None is the model's. rate: frames per second to be held.
    adapt: fall to smaller sizes and lower precision to hold it. transfer: strength and so on, as at the start.
    """

    size: int | None = None
    rate: float = 15.0
    adapt: bool = True
    mirror: bool = False
    smooth: bool = True
    transfer: TransferOptions = field(default_factory=TransferOptions)


@dataclass(frozen=True, eq=False)
class Shown:
    """One frame. image: uint8 [H, W, 3]. keypoints: that it was rendered from. box: left, top and side of the square
    of the driving frame, in its pixels, as it came (not mirrored). seconds: what the frame took.
    """

    image: Pixels
    keypoints: Keypoints
    box: tuple[float, float, float]
    level: Level
    face: bool
    inside: bool
    seconds: float


class Performer:
    """Holds the sources, encoded, the square of the driver, and the anchor. Not for several threads at once.

    sources: whole pictures uint8 [H, W, 3 or 4] by name; of each the square of its face moves, or all of a close crop.
    clock: seconds, for what frames take.

    Raises KeypointError without sources.
    """

    def __init__(
        self,
        model: MotionModel,
        sources: Sequence[tuple[str, Pixels]],
        options: LiveOptions | None = None,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if not sources:
            raise KeypointError("expected a picture to move; got none.")
        self.options = options or LiveOptions()
        self.names = tuple(name for name, _ in sources)
        self.mirror, self.smooth = self.options.mirror, self.options.smooth
        self.transfer = self.options.transfer
        self.words: list[str] = []
        self._model, self._device, self._clock = model, torch.device(device), clock
        self._sessions: dict[torch.dtype, AnimationSession] = {}
        self._finder = FaceFinder(self._device)
        self._framing = framing_of(model.config, model.name)
        self._squares = [self._square(name, picture) for name, picture in sources]
        first = self._session(dtype)
        shown = output_size(first, self._squares[0], self.options.size or "model")
        levels = levels_for(model.config, shown, first.dtype, self._device)
        self.size = shown
        self.governor = Governor(levels if self.options.adapt else levels[:1], self.options.rate)
        self._encoded: dict[tuple[int, Level], PreparedSource] = {}
        self._chosen = 0
        self._steady = OneEuro()
        self._anchor: Keypoints | None = None
        self._region: Region | None = None
        self._cropper: Cropper | None = None
        self._looked, self._tries = -np.inf, 0
        self._face, self._inside = False, True

    def _square(self, name: str, picture: Pixels) -> torch.Tensor:
        crop = CropOptions(paste=False).close()
        found = find_source(picture, name, crop, self._framing, self._finder)
        self.words.append(found.words or f"{name} as it is")
        return from_uint8(cropped(picture, found.regions[0] if found.regions else None))

    def _session(self, dtype: torch.dtype) -> AnimationSession:
        if dtype not in self._sessions:
            session = AnimationSession(self._model, device=self._device, dtype=dtype, chunk=1)
            self._sessions[dtype] = self._sessions.setdefault(session.dtype, session)
        return self._sessions[dtype]

    @property
    def chosen(self) -> int:
        """Number of the source that moves, from 0."""
        return self._chosen

    def choose(self, number: int) -> None:
        """Move another source. Raises KeypointError where there is none of that number."""
        if not 0 <= number < len(self._squares):
            raise KeypointError(f"expected a source from 0 to {len(self._squares) - 1}; got {number}.")
        self._chosen = number

    def set_anchor(self) -> None:
        """The next driving frame shows the pose of the source; the square is found anew."""
        self._anchor, self._region, self._cropper = None, None, None
        self._looked, self._tries = -np.inf, 0
        self._steady.restart()

    def set_strength(self, strength: float) -> None:
        """Share of the movement, 0..2; raises KeypointError outside."""
        self.transfer = replace(self.transfer, strength=strength)

    def set_mirror(self, mirror: bool) -> None:
        """Flip the driver left to right; begins anew, since all its keypoints change places."""
        if mirror != self.mirror:
            self.mirror = mirror
            self.set_anchor()

    def source(self) -> PreparedSource:
        """The chosen one, encoded for the level of now; once each."""
        key = self._chosen, self.governor.level
        if key not in self._encoded:
            level = self.governor.level
            prepared = prepare_source(self._session(level.dtype), self._squares[self._chosen], size=level.size)
            self._encoded[key] = shown_at(prepared, self.size)
        return self._encoded[key]

    def step(self, frame: Pixels, seconds: float) -> Shown:
        """Render for one driving frame uint8 [H, W, 3] that was taken at `seconds` (rising)."""
        started = self._clock()
        height, width = frame.shape[:2]
        driving = np.ascontiguousarray(frame[:, ::-1]) if self.mirror else frame
        region = self._driving_region(driving, seconds)
        source = self.source()
        session = self._session(self.governor.level.dtype)
        assert self._cropper is not None
        square = self._cropper(driving)
        found = session.detect(fit_uint8(square, *source.working, shown=self.size))
        if self.smooth:
            found = self._steady(found, seconds)
        if self._anchor is None:
            self._anchor = found
        moved = transfer(source.keypoints, found, self._anchor, self.transfer)
        image = to_uint8(next(iter(session.render(source, moved))).images)[0]
        side = float(region.side[0])
        left, top = (float(middle) - side / 2 for middle in region.centre[0])
        if self.mirror:
            left = width - left - side
        took = self._clock() - started
        level = self.governor.level
        self.governor.add(took)
        return Shown(image, moved, (left, top, side), level, self._face, self._inside, took)

    def _driving_region(self, frame: Pixels, seconds: float) -> Region:
        """The square that drives: around the face at first, and where it was then; the middle where there is none."""
        height, width = frame.shape[:2]
        region = self._region
        if region is not None and (region.height, region.width) != (height, width):
            self.set_anchor()
            region = None
        if region is None or seconds - self._looked >= LOOK_EVERY or seconds < self._looked:
            self._looked = seconds
            face = self._look(frame)
            searching = region is None or (not self._face and self._tries < SEARCHES)
            if searching and face is not None and self._framing is not None:
                region = face.region(self._framing)
                self._anchor = None
                self._steady.restart()
            self._face = face is not None
            self._tries = self._tries + 1 if face is None else SEARCHES
            self._inside = face is None or region is None or _holds(region, face)
        if region is None:
            region = region_middle(height, width)
        if region is not self._region or self._cropper is None:
            self._region, self._cropper = region, Cropper(region, max(self.size))
        return region

    def _look(self, frame: Pixels) -> Face | None:
        if self._framing is None:
            return None
        return choose(self._finder.find(frame, tiles="never"), "largest")


def _holds(region: Region, face: Face) -> bool:
    """Whether the face lies in the square, but for a little."""
    left, top, side, _ = face.box
    middle, half = region.centre[0], float(region.side[0]) * (0.5 + OUTSIDE)
    low = (left - float(middle[0]), top - float(middle[1]))
    return all(-half <= edge and edge + side <= half for edge in low)


def shrunk(frame: Pixels, longest: int) -> Pixels:
    """A frame whose longer side has at most so many pixels."""
    height, width = frame.shape[:2]
    share = longest / max(height, width)
    if share >= 1:
        return frame
    size = (max(1, round(width * share)), max(1, round(height * share)))
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
