"""A take: what was shown, as a video and as a performance of the very frames."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import torch

from ..background import write_behind
from ..errors import ImageError
from ..geometry import Keypoints
from ..motion import save_keypoints
from ..video import VideoWriter
from ..video.pixels import Pixels

MICROSECONDS = 1_000_000
SHORTEST = Fraction(1, 1000)
"""Seconds that a frame is shown at least."""
JOINED = 256
"""Keypoints are joined after so many frames; see `session.JOINED`."""


@dataclass(frozen=True)
class Written:
    """The files of a take, and how many frames they hold."""

    video: Path
    performance: Path
    frames: int


class Take:
    """Records frames with their times; use it in a `with` block, at whose end both files appear, or neither.

    stem: of `STEM.mp4` and `STEM.safetensors`. The performance holds the keypoints that were rendered: in absolute mode
    they give the same frames of the same image again, in relative mode they move other images. rate: frames per
    second that most will have. notes: for the performance's metadata.
    """

    def __init__(self, stem: str | os.PathLike[str], *, rate: float, notes: dict[str, str] | None = None) -> None:
        stem = Path(stem)
        self.video, self.performance = stem.with_name(f"{stem.name}.mp4"), stem.with_name(f"{stem.name}.safetensors")
        for path in (self.video, self.performance):
            if path.exists():
                raise ImageError(f"expected a new name for a take; '{path}' exists already. Choose another folder.")
        self.rate = Fraction(rate).limit_denominator(1000)
        self.frames = 0
        self._notes = notes or {}
        self._stack = ExitStack()
        self._keypoints: list[Keypoints] = []
        self._begins: list[float] = []
        self._waiting: Pixels | None = None
        self._until = Fraction(0)
        self.written: Written | None = None

    def __enter__(self) -> Take:
        with ExitStack() as stack:
            writer = stack.enter_context(VideoWriter(self.video, fps=self.rate, uneven=True))
            self._submit = stack.enter_context(write_behind(lambda frame, until: writer.write(frame, [until])))
            self._stack = stack.pop_all()
        return self

    def add(self, frame: Pixels, keypoints: Keypoints, seconds: float) -> None:
        """A frame uint8 [H, W, 3] that is shown from `seconds` on, and the keypoints that it was rendered from."""
        if self._begins and seconds - self._begins[-1] < float(SHORTEST):
            return
        self._flush(seconds)
        self._waiting = frame
        self._keypoints.append(replace(keypoints, times=None, confidence=None))
        if len(self._keypoints) > JOINED:
            self._keypoints = [Keypoints.cat(self._keypoints)]
        self._begins.append(seconds)
        self.frames += 1

    def _flush(self, seconds: float) -> None:
        if self._waiting is None:
            return
        end = Fraction(round((seconds - self._begins[0]) * MICROSECONDS), MICROSECONDS)
        self._until = max(end, self._until + SHORTEST)
        self._submit(self._waiting, self._until)
        self._waiting = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None and self.frames:
                gap = float(1 / self.rate)
                end = self._begins[-1] + gap
                self._flush(end)
                times = torch.tensor([*self._begins, end], dtype=torch.float64)
                whole = Keypoints.cat(self._keypoints)
                whole = replace(whole, times=times - times[0])
                self._stack.callback(self._save, whole)
        except BaseException as problem:
            self._stack.__exit__(type(problem), problem, problem.__traceback__)
            raise
        self._stack.__exit__(kind, error, trace)
        if error is None and self.frames:
            self.written = Written(self.video, self.performance, self.frames)

    def _save(self, keypoints: Keypoints) -> None:
        save_keypoints(self.performance, keypoints, fps=self.rate, metadata=self._notes)
