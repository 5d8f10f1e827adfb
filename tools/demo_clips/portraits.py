"""Stills of AI-made people, moved as the people in AI-made animations move."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from fomm_nodes.fomm_core.errors import ImageError
from fomm_nodes.fomm_core.training.seeds import seed_at
from fomm_nodes.fomm_core.video import VideoReader

from .acting import FRAMES, Act, draw_act
from .clips import Pixels, Planned
from .faces import Face, FaceFinder, Floats, square_around
from .head import Motion, Pose
from .landmarks import OVAL
from .left_out import NO_PORTRAIT
from .puppet import Puppet
from .splits import Split, split_of
from .tracks import Tracker

PART = "portrait"
CLIPS_EACH = 6
PUPPET_SIDE = 256
CROP = 2.1
"""Side of the cut-out against the extent of the face."""
TIGHTEST_CROP = 1.4
RAISE = 0.05
SMALLEST_FACE = 60
"""Extent in pixels."""
LEAST_SCORE = 0.9
LARGEST_ANGLES = np.radians([25, 25, 30])
"""Pitch, yaw and roll that a still may show."""
LEAST_PERSON = 0.8
"""Mean of the person's mask within the face: figures that are drawn as something else fall below."""
SMALLEST_MOVING_FACE, LARGEST_TURN = 0.24, np.radians(60)


class MotionBank:
    """The motions of the animations, each side of the split to itself. limit: files to take, for a trial."""

    def __init__(
        self,
        files: Iterable[Path],
        people: Mapping[str, str],
        tracker: Tracker,
        *,
        seed: int,
        test_share: float,
        limit: int | None = None,
    ) -> None:
        self._files = files
        self._people = people
        self._tracker = tracker
        self._seed, self._test_share, self._limit = seed, test_share, limit

    @cached_property
    def motions(self) -> dict[Split, list[Motion]]:
        """Those of tracks that are long enough, of a face large enough, not turned away."""
        found: dict[Split, list[Motion]] = {"train": [], "test": []}
        with_motion = ((path, motions) for path in self._files if (motions := self._motions(path)))
        for path, motions in islice(with_motion, self._limit):
            found[split_of(self._people[path.name], self._seed, self._test_share)] += motions
        return found

    def _motions(self, path: Path) -> list[Motion]:
        tracks = [t for t in self._tracker.tracks(path) if len(t) > FRAMES and t.face_share >= SMALLEST_MOVING_FACE]
        motions = [Motion.of(track.landmarks) for track in tracks]
        return [motion for motion in motions if np.abs(motion.turn).max() <= LARGEST_TURN]


def plan(
    files: Iterable[Path],
    people: Mapping[str, str],
    tracker: Tracker,
    bank: MotionBank,
    *,
    seed: int,
    test_share: float,
    size: int,
    each: int = CLIPS_EACH,
) -> Iterator[Planned]:
    """`each` clips of every still; of an animation the first frame is taken."""
    for path in files:
        if path.name in NO_PORTRAIT:
            continue
        still = Still(path, tracker)
        identity = people[path.name]
        split = split_of(identity, seed, test_share)
        for number in range(each):
            clip = MovedStill(still, bank, split, seed_at(seed, PART, path.name, number), size)
            yield Planned(PART, split, identity, f"{path.stem}-{number}", path.name, clip)


@dataclass(frozen=True, eq=False)
class Still:
    """A picture that may show one large face, looked at when it is first needed."""

    path: Path
    tracker: Tracker

    @cached_property
    def puppet(self) -> Puppet | None:
        """None where there is no face, or none that can be moved well."""
        try:
            with VideoReader(self.path, stop=1) as reader:
                picture = next(iter(reader))
        except ImageError:
            return None
        return puppet_of(picture, self.tracker.finder)


@dataclass(frozen=True)
class MovedStill:
    """Renders a still in motion when called."""

    still: Still
    bank: MotionBank
    split: Split
    seed: int
    size: int

    def __call__(self) -> list[Pixels]:
        """The frames; none where the still is of no use."""
        puppet = self.still.puppet
        motions = self.bank.motions[self.split]
        if puppet is None or not motions:
            return []
        return perform(puppet, draw_act(puppet, motions, np.random.default_rng(self.seed)), self.size)


def perform(puppet: Puppet, act: Act, size: int) -> list[Pixels]:
    """The frames [size, size, 3] of an act."""
    frames = [puppet.frame(step.pose, step.expression, size, step.camera) for step in act.steps]
    return [np.ascontiguousarray(frame[:, ::-1]) for frame in frames] if act.mirrored else frames


def puppet_of(picture: Pixels, finder: FaceFinder) -> Puppet | None:
    """The picture's largest face, cut out with room around it; None where it can't be moved well."""
    face = finder.face(picture)
    if face is None or face.score < LEAST_SCORE or face.extent < SMALLEST_FACE:
        return None
    cut = cut_out(picture, face)
    face = None if cut is None else finder.face(cut)
    if cut is None or face is None or face.score < LEAST_SCORE:
        return None
    angles = Pose.of(face.landmarks.astype(np.float64)).rotation_vector()
    mask = finder.person(cut)
    if (np.abs(angles) > LARGEST_ANGLES).any() or person_share(mask, face) < LEAST_PERSON:
        return None
    return Puppet(cut, face.landmarks, mask)


def cut_out(picture: Pixels, face: Face) -> Pixels | None:
    """A square around the face, all of it inside the picture, as [256, 256, 3]; None where there is no room."""
    size = (picture.shape[0], picture.shape[1])
    low, high = face.box
    left, top, side = square_around(low, high, CROP * face.extent, size, RAISE)
    if side < TIGHTEST_CROP * face.extent or low.min() < 0 or (high > size[::-1]).any():
        return None
    reduced = cv2.INTER_AREA if side > PUPPET_SIDE else cv2.INTER_CUBIC
    cut = picture[top : top + side, left : left + side]
    return np.asarray(cv2.resize(cut, (PUPPET_SIDE, PUPPET_SIDE), interpolation=reduced))


def person_share(mask: Floats, face: Face) -> float:
    """The mean of a mask within the outline of a face."""
    inside = np.zeros(mask.shape, np.uint8)
    cv2.fillConvexPoly(inside, cv2.convexHull(np.rint(face.landmarks[list(OVAL), :2]).astype(np.int32)), 1)
    return float(mask[inside > 0].mean()) if inside.any() else 0.0
