"""What moves pictures: clips, each followed and detected once however many images it moves, or saved performances."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from .animation import AnimationOptions, anchor_index, drive
from .background import read_ahead
from .errors import FommError, KeypointError
from .faces import FaceFinder
from .fitting import FitMode
from .frames import fitted_frames, grouped
from .geometry import Keypoints
from .motion import UNTIMED_RATE, Disentangle, Performance, part, rate_of, timed
from .options import FileOptions, OnProgress, Progress
from .prepared import PreparedSource
from .region import Framing, Region
from .session import AnimationSession
from .video import Seconds, VideoReader
from .video.source import still_paths
from .whole import CropOptions, FoundDriving, find_driving, reframed

PathLike = str | os.PathLike[str]


@dataclass(frozen=True, eq=False)
class Driver:
    """The movement of one clip or performance. rate: of its own, in frames per second; None where it has none."""

    keypoints: Keypoints
    rate: Fraction | None
    found: FoundDriving


class Clip:
    """A clip of which a part drives. What was found in it is kept: some numbers a frame, no pixels.

    Raises ImageError where it cannot be read.
    """

    def __init__(self, path: PathLike, options: FileOptions) -> None:
        self.path = path
        self.options = options
        self.warnings: list[str] = []
        self._start: Fraction | None = None
        self._failure: FommError | None = None
        self._found: dict[float, FoundDriving] = {}
        self._drivers: dict[tuple[tuple[int, int], tuple[int, int], float], Driver] = {}
        with self.open() as reader:
            self.info = reader.info

    def open(self) -> VideoReader:
        """A reader of the part."""
        return VideoReader(self.path, start=self.options.start, length=self.options.frames)

    @property
    def start(self) -> Fraction:
        """Where the part begins in the file's own time, in seconds."""
        if self._start is None:
            with self.open() as reader:
                self._note(reader)
        assert self._start is not None
        return self._start

    def find(
        self, name: str, crop: CropOptions, framing: Framing | None, finder: FaceFinder, report: OnProgress
    ) -> FoundDriving:
        """The squares that drive; the clip is passed over once, whatever the room around them."""
        if crop.room in self._found:
            return self._found[crop.room]
        for known in self._found.values():
            self._found[crop.room] = reframed(known, crop, framing)
            return self._found[crop.room]
        with self._passed_over() as reader:
            found = find_driving(reader, name, crop, framing, finder, _counting("track", reader, report))
        self._found[crop.room] = found
        return found

    def driver(
        self,
        session: AnimationSession,
        source: PreparedSource,
        mode: FitMode,
        found: FoundDriving,
        room: float,
        report: OnProgress,
    ) -> Driver:
        """Its keypoints, cropped by what was found with that room or fitted as the source was; found once for all
        sources of a size.

        Raises RegionError for squares of another number of frames.
        """
        key = (source.working, source.size, room)
        if key not in self._drivers:
            with self._passed_over() as reader:
                keypoints, rate = detect_clip(
                    session, reader, source, mode=mode, region=found.region, on_progress=report
                )
            if found.region is not None and self.options.frames is None:
                found.region.frames(len(keypoints))
            self._drivers[key] = Driver(keypoints, None if still_paths(self.path) is not None else rate, found)
        return self._drivers[key]

    @contextmanager
    def _passed_over(self) -> Iterator[VideoReader]:
        """A reader of which is kept what was learned, what is wrong with the clip included."""
        if self._failure is not None:
            raise self._failure
        try:
            with self.open() as reader:
                yield reader
                self._note(reader)
        except FommError as problem:
            self._failure = problem
            raise

    def _note(self, reader: VideoReader) -> None:
        self._start = reader.start_seconds
        self.warnings += [warning for warning in reader.warnings if warning not in self.warnings]


def performed(performance: Performance, options: FileOptions) -> Driver:
    """The part of a saved performance that the options ask for. Raises KeypointError where it is too short."""
    rate = performance.fps or rate_of(performance.keypoints)
    known = rate or (options.fps if isinstance(options.fps, Fraction) else UNTIMED_RATE)
    start, length = options.start, options.frames
    keypoints = performance.keypoints
    chosen = keypoints[start:] if isinstance(start, int) else part(keypoints, known, float(start.value), None)
    if not len(chosen):
        raise KeypointError(
            f"expected a performance of more than {start} frames, the first to use; got {len(keypoints)}."
        )
    chosen = part(chosen, known, 0, float(length.value)) if isinstance(length, Seconds) else chosen[:length]
    return Driver(chosen, rate, FoundDriving())


def pose_in(
    picture: PathLike,
    options: FileOptions,
    session: AnimationSession,
    source: PreparedSource,
    crop: CropOptions | None,
    framing: Framing | None,
    finder: FaceFinder,
) -> Keypoints:
    """Keypoints of an image, cropped as a clip that drives would be, or where `crop` is None taken as it is."""
    clip = Clip(picture, replace(options, start=0, frames=1))
    found, room = FoundDriving(), 1.0
    if crop is not None:
        found, room = clip.find(Path(picture).name, crop, framing, finder, _nobody), crop.room
    keypoints = clip.driver(session, source, options.fit, found, room, _nobody).keypoints
    return replace(keypoints[0], times=None)


def detect_clip(
    session: AnimationSession,
    reader: VideoReader,
    source: PreparedSource,
    *,
    mode: FitMode = "crop",
    region: Region | None = None,
    on_progress: OnProgress | None = None,
) -> tuple[Keypoints, Fraction]:
    """Keypoints of a clip whose frames are cropped by `region` or fitted as the source was, decoded in a thread as they
    are needed, and its rate; see `timed`.
    """
    report = _counting("detect", reader, on_progress or (lambda progress: None))
    fitted = fitted_frames(reader, source.working, mode, source.size, region)
    with read_ahead(grouped(fitted, session.chunk)) as frames:
        keypoints = session.detect(frames, on_frames=report)
    assert reader.times is not None
    return timed(keypoints, reader.times, reader.info.fps)


def driven(
    source: Keypoints,
    driving: Keypoints,
    options: AnimationOptions,
    rate: Fraction,
    shots: Sequence[int],
    avd: Disentangle | None = None,
    pose: Keypoints | None = None,
) -> tuple[int | None, Keypoints]:
    """The keypoints to render, and the number of the first shot's anchor, or of the one that was asked for; relative
    mode alone needs one. Each shot has its own anchor: where one frame was asked for, the others take their first.

    pose: the anchor of all shots, in place of a frame.
    """
    if pose is not None:
        return None, drive(source, driving, options, fps=float(rate), avd=avd, pose=pose)
    anchors, parts = [], []
    for start, end in pairwise([*shots, len(driving)]):
        shot, chosen = driving[start:end], options
        if options.transfer.mode != "relative":
            chosen = replace(options, anchor="first")
        elif isinstance(options.anchor, int) and len(shots) > 1:
            inside = start <= options.anchor < end
            anchor_index(source, driving, options.anchor)
            chosen = replace(options, anchor=options.anchor - start if inside else "first")
        index = anchor_index(source, shot, chosen.anchor)
        anchors.append(start + index)
        parts.append(drive(source, shot, replace(chosen, anchor=index), fps=float(rate), avd=avd))
    if options.transfer.mode != "relative":
        anchor = None
    else:
        anchor = options.anchor if isinstance(options.anchor, int) else anchors[0]
    moved = parts[0] if len(parts) == 1 else replace(Keypoints.cat(parts), times=driving.times)
    return anchor, moved


def _nobody(progress: Progress) -> None:
    """Hears nothing."""


def _counting(stage: str, reader: VideoReader, report: OnProgress) -> Callable[[int], None]:
    expected = reader.info.frame_count

    def count(done: int) -> None:
        report(Progress(stage, done, None if expected is None else max(done, expected)))  # type: ignore[arg-type]

    return count
