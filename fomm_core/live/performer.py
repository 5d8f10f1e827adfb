"""The image that follows: one driving frame in, one frame out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import torch

from ..animation import output_size, prepare_source, shown_at
from ..errors import KeypointError
from ..faces import FaceFinder
from ..fitting import fit_uint8, from_uint8, to_uint8
from ..geometry import Keypoints
from ..grouping import BODY, EYES, HEAD, IDLE_NAME, MOUTH, group_keypoints
from ..model import MotionModel
from ..motion import Groups, TransferOptions, blend, transfer
from ..prepared import PreparedSource
from ..session import AnimationSession
from ..stills import cropped
from ..video.pixels import Pixels
from ..whole import CropOptions, find_source, framing_of
from .governor import Governor, Level, levels_for
from .watcher import Seen, Watcher

GROUPS = (MOUTH, EYES, HEAD, BODY)
"""Of which the share of movement can be set."""


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
    """Holds the sources, encoded, and moves the chosen one. `step` does all in one thread; or one thread calls `see`
    and `glance`, and another `show`: the next frame is then looked at while one is painted.

    sources: whole images uint8 [H, W, 3 or 4] by name; of each the square of its face moves, or all of a close crop.
    clock: seconds, for what frames take. beside: to be set where two threads share the work.

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
            raise KeypointError("expected an image to animate; got none.")
        self.options = options or LiveOptions()
        self.names = tuple(name for name, _ in sources)
        self.transfer = self.options.transfer
        self.shares = dict.fromkeys(GROUPS, 1.0)
        self.beside = False
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
        self._groups: dict[int, Groups] = {}
        self._preparing = threading.RLock()
        self._chosen = 0
        self.driver = Watcher(
            self._detect,
            self._finder,
            self._framing,
            max(shown),
            mirror=self.options.mirror,
            smooth=self.options.smooth,
            clock=clock,
        )

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
        self.driver.set_anchor()

    def set_strength(self, strength: float) -> None:
        """Share of the movement, 0..2; raises KeypointError outside."""
        self.transfer = replace(self.transfer, strength=strength)

    def set_share(self, group: str, share: float) -> None:
        """Share 0..1 of the movement that a group of keypoints makes, out of `GROUPS`.

        Raises KeypointError for another name or share, and where no keypoint moves that part of the chosen source.
        """
        if group not in GROUPS or not 0 <= share <= 1:
            raise KeypointError(
                f"expected a group out of {', '.join(GROUPS)} and a share of 0..1; got {group}, {share}."
            )
        there = [name for name in self.groups() if name != IDLE_NAME]
        if share < 1 and group not in there:
            raise KeypointError(
                f"no keypoint of the model moves the {group} of {self.names[self._chosen]} alone; it has "
                f"{', '.join(there)}."
            )
        self.shares[group] = share

    def groups(self) -> Groups:
        """Which keypoints move which part of the chosen source; found once each."""
        with self._preparing:
            if self._chosen not in self._groups:
                level = self.governor.levels[0]
                source = self.source(level)
                face = None if self._framing is None else self._finder.largest(source.image)
                self._groups[self._chosen] = group_keypoints(self._session(level.dtype), source, face).groups
            return self._groups[self._chosen]

    def source(self, level: Level | None = None) -> PreparedSource:
        """The chosen one, encoded for a level, that of now by default; once each."""
        level = level or self.governor.level
        key = self._chosen, level
        with self._preparing:
            if key not in self._encoded:
                prepared = prepare_source(self._session(level.dtype), self._squares[key[0]], size=level.size)
                self._encoded[key] = shown_at(prepared, self.size)
            return self._encoded[key]

    def step(self, frame: Pixels, seconds: float) -> Shown:
        """Render for one driving frame uint8 [H, W, 3] that was taken at `seconds` (rising)."""
        seen = self.see(frame, seconds)
        self.glance(frame, seconds)
        return self.show(seen)

    def see(self, frame: Pixels, seconds: float) -> Seen:
        """The first half of `step`."""
        return self.driver.see(frame, seconds)

    def glance(self, frame: Pixels, seconds: float) -> None:
        """Between its halves, or beside the second."""
        self.driver.glance(frame, seconds)

    def show(self, seen: Seen) -> Shown:
        """The second half of `step`."""
        started = self._clock()
        level = self.governor.level
        source = self.source(level)
        moved = transfer(source.keypoints, seen.keypoints, seen.anchor, self.transfer)
        if any(share < 1 for share in self.shares.values()):
            moved = blend(source.keypoints, moved, self._weights(source.keypoints.count, self.groups()))
        image = to_uint8(next(iter(self._session(level.dtype).render(source, moved))).images)[0]
        took = self._clock() - started
        self.governor.add(max(seen.seconds, took) if self.beside else seen.seconds + took)
        return Shown(image, moved, seen.box, level, seen.face, seen.inside, seen.seconds + took)

    def _weights(self, count: int, groups: Mapping[str, Sequence[int]]) -> list[float]:
        """The share of each keypoint's movement."""
        weights = [1.0] * count
        for group, share in self.shares.items():
            for number in groups.get(group, ()):
                weights[number] = share
        return weights

    def _detect(self, square: Pixels) -> Keypoints:
        level = self.governor.level
        return self._session(level.dtype).detect(fit_uint8(square, *self.source(level).working, shown=self.size))


def shrunk(frame: Pixels, longest: int) -> Pixels:
    """A frame whose longer side has at most so many pixels."""
    height, width = frame.shape[:2]
    share = longest / max(height, width)
    if share >= 1:
        return frame
    size = (max(1, round(width * share)), max(1, round(height * share)))
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
