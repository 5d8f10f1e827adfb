"""Clips whose frames can be read one by one, and sets of them."""

from __future__ import annotations

import hashlib
import logging
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from torch import Tensor

from ...errors import DataError, ImageError
from ...fitting import as_rgb, fit, fit_uint8, to_uint8
from ...video import VideoReader, read_image
from ...video.pixels import Pixels
from ...wording import counted
from .points import Points, fitted, points_file, read_points

log = logging.getLogger("fomm.data")

FEWEST_FRAMES = 2
"""A pair needs two."""
TOLD = 10
"""Problems that are logged one by one; of more, only the number."""


@dataclass(frozen=True)
class Label:
    """How a clip is called within its set.

    name: for messages. identity: who or what is seen; clips of one identity are never divided between training and
    test; the name itself where none is given. group: the folder below the set's own, "" for none.
    """

    name: str
    identity: str = ""
    group: str = ""


@dataclass(frozen=True, eq=False)
class Clip(ABC):
    """Frames over time, read one by one from wherever they lie; nothing stays open, so that threads may share it."""

    label: Label

    @property
    def name(self) -> str:
        """For messages."""
        return self.label.name

    @property
    def identity(self) -> str:
        """Who or what is seen."""
        return self.label.identity or self.label.name

    @property
    def group(self) -> str:
        """The folder below the set's own."""
        return self.label.group

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def content_key(self) -> str:
        """A text that is another one when the content may be another one."""

    @abstractmethod
    def read(self, positions: Sequence[int], size: tuple[int, int]) -> Pixels:
        """The frames at `positions`, uint8 [n, height, width, 3], cut in the middle to `size` (height, width).

        Raises ImageError where they can't be read.
        """

    @abstractmethod
    def frames(self, size: tuple[int, int]) -> Iterator[Pixels]:
        """All frames in order, uint8 [height, width, 3], one at a time; damaged ones are left out."""

    def points(self, size: tuple[int, int]) -> Points | None:
        """Where mouth and eyes are in each frame at `size`, [T, 64, 2] in -1..1 (see `points`); None where untold.

        Raises DataError for a file of points that is damaged or of another clip.
        """
        return None


@dataclass(frozen=True, eq=False)
class VideoClip(Clip):
    """A file that VideoReader opens; frames are sought and decoded one by one, and nothing is held."""

    path: Path
    reader: VideoReader = field(repr=False)

    @classmethod
    def open(cls, path: Path, label: Label) -> VideoClip:
        """Raises ImageError where the file holds no frame."""
        return cls(label, path, VideoReader(path))

    def __len__(self) -> int:
        return self.reader.count()

    def content_key(self) -> str:
        """Path, size and time of the last change."""
        return _file_key([self.path])

    def read(self, positions: Sequence[int], size: tuple[int, int]) -> Pixels:
        """See Clip."""
        return np.stack([_fitted(frame, size) for frame in self.reader.at(positions)])

    def frames(self, size: tuple[int, int]) -> Iterator[Pixels]:
        """See Clip."""
        for frame in self.reader:
            yield _fitted(frame, size)

    def points(self, size: tuple[int, int]) -> Points | None:
        """See Clip."""
        return points_of(self.path, len(self), size)


@dataclass(frozen=True, eq=False)
class StillsClip(Clip):
    """A folder of images, one for each frame; they may differ in size."""

    paths: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def content_key(self) -> str:
        """Paths, sizes and times of the last change."""
        return _file_key(self.paths)

    def read(self, positions: Sequence[int], size: tuple[int, int]) -> Pixels:
        """See Clip."""
        return np.stack([_fitted(read_image(self.paths[position]), size) for position in positions])

    def frames(self, size: tuple[int, int]) -> Iterator[Pixels]:
        """See Clip."""
        for path in self.paths:
            try:
                yield _fitted(read_image(path), size)
            except ImageError as problem:
                log.warning("an image of %s was left out: %s", self.name, problem)


@dataclass(frozen=True, eq=False)
class TensorClip(Clip):
    """Frames [T, C, H, W] in memory, 0..1."""

    pictures: Tensor

    def __len__(self) -> int:
        return len(self.pictures)

    def content_key(self) -> str:
        """A digest of the pixels."""
        values = np.ascontiguousarray(self.pictures.detach().cpu().float().numpy())
        return hashlib.blake2b(values.tobytes(), digest_size=16).hexdigest() + str(list(values.shape))

    def read(self, positions: Sequence[int], size: tuple[int, int]) -> Pixels:
        """See Clip."""
        return to_uint8(fit(as_rgb(self.pictures[list(positions)]), *size))

    def frames(self, size: tuple[int, int]) -> Iterator[Pixels]:
        """See Clip."""
        for position in range(len(self)):
            yield self.read([position], size)[0]


def _fitted(picture: Pixels, size: tuple[int, int]) -> Pixels:
    return picture if picture.shape[:2] == size else to_uint8(fit_uint8(picture, *size))[0]


def points_of(path: Path, count: int, size: tuple[int, int]) -> Points | None:
    """The points beside the clip `path` of `count` frames, as `Clip.points` gives them."""
    file = points_file(path)
    if not file.is_file():
        return None
    points, own_size = read_points(file)
    if len(points) != count:
        raise DataError(f"expected points of {count} frames, as {path.name} has; {file} has {len(points)}.")
    return fitted(points, own_size, size)


def _file_key(paths: Sequence[Path]) -> str:
    return "\n".join(f"{path.resolve()} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in paths)


@dataclass(frozen=True)
class LeftOut:
    """A clip that was left out, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class ClipSet:
    """Clips to learn from or to measure with. problems: what was left out when they were gathered.

    Made by `find_clips` from a folder and by `from_tensors` from frames in memory; `prepare` gives one that reads
    faster.
    """

    clips: tuple[Clip, ...]
    problems: tuple[LeftOut, ...] = ()

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> Clip:
        return self.clips[index]

    def __iter__(self) -> Iterator[Clip]:
        return iter(self.clips)

    @classmethod
    def from_tensors(cls, clips: Sequence[Tensor], names: Sequence[str] | None = None) -> ClipSet:
        """A set of clips [T, C, H, W] in 0..1, C = 1, 3 or 4, each of its own length and size.

        A clip of fewer than two frames, of another shape or with NaN is left out. Raises DataError where none remains.
        """
        names = names or [f"clip {index}" for index in range(len(clips))]
        if len(names) != len(clips):
            raise DataError(f"expected a name for each of {len(clips)} clips; got {len(names)}.")
        return gathered(map(_in_memory, clips, names), place=f"{counted(len(clips), 'clip')} in memory")

    @property
    def groups(self) -> dict[str, ClipSet]:
        """The clips of each group, groups in order."""
        members: dict[str, list[Clip]] = defaultdict(list)
        for clip in self.clips:
            members[clip.group].append(clip)
        return {name: ClipSet(tuple(members[name])) for name in sorted(members)}

    def repeated(self, times: Mapping[str, int]) -> ClipSet:
        """The set with each clip of some groups several times, so that it is drawn as many times as often; 0 leaves a
        group out.

        Raises DataError for a group that there is not, for numbers below 0, and where no clip is left.
        """
        if unknown := set(times) - set(self.groups):
            raise DataError(f"expected groups out of {sorted(self.groups)}; got {sorted(unknown)}.")
        if any(count < 0 for count in times.values()):
            raise DataError(f"expected to repeat groups 0 times or more; got {dict(times)}.")
        clips = tuple(clip for clip in self.clips for _ in range(times.get(clip.group, 1)))
        if not clips:
            raise DataError(f"expected some clip to be left; {dict(times)} leaves none of {len(self)}.")
        return replace(self, clips=clips)


def gathered(opened: Iterable[Clip | LeftOut], *, place: str, fewest: int = FEWEST_FRAMES) -> ClipSet:
    """The clips of at least `fewest` frames; the others are problems, each logged once.

    Raises DataError where no clip is left.
    """
    clips: list[Clip] = []
    problems: list[LeftOut] = []
    for found in opened:
        if isinstance(found, LeftOut):
            problems.append(found)
        elif len(found) < fewest:
            problems.append(LeftOut(found.name, f"expected at least {counted(fewest, 'frame')}; it has {len(found)}."))
        else:
            clips.append(found)
    for problem in problems[:TOLD]:
        log.warning("%s was left out: %s", problem.name, problem.reason)
    if len(problems) > TOLD:
        log.warning("%d more clips were left out", len(problems) - TOLD)
    if not clips:
        first = f" The first: {problems[0].name}: {problems[0].reason}" if problems else ""
        raise DataError(
            f"expected at least one usable clip in {place}; got none, {len(problems)} were left out.{first} "
            f"A clip is a video, an animation or a folder of images, of {fewest} frames or more."
        )
    return ClipSet(tuple(clips), tuple(problems))


def _in_memory(frames: Tensor, name: str) -> Clip | LeftOut:
    try:
        if len(frames):
            as_rgb(frames)
    except ImageError as problem:
        return LeftOut(name, str(problem))
    return TensorClip(Label(name), frames)
