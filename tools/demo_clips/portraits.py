"""Stills of AI-made people that act: their heads move as those of the people in AI-made animations, and they talk,
blink and look around.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
from fomm_nodes.fomm_core.training.data.points import mirrored
from fomm_nodes.fomm_core.training.seeds import seed_at

from .acting import draw_act, draw_motion
from .clips import FPS, Planned, Take
from .head import Motion
from .left_out import NO_PORTRAIT
from .mouth import Mouth
from .points import opening
from .splits import Split, split_of
from .stills import Still
from .tracks import Tracker
from .verify import Seen, fault

PART = "portrait"
CLIPS_EACH = 8
FEWEST_FRAMES = 24
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
        tracks = [track for track in self._tracker.tracks(path) if len(track) > FEWEST_FRAMES]
        motions = [Motion.of(track.landmarks) for track in tracks if track.face_share >= SMALLEST_MOVING_FACE]
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
        identity = people[path.name]
        split = split_of(identity, seed, test_share)
        motions = bank.motions[split]
        if not motions:
            continue
        still = Still(path, tracker, seed_at(seed, PART, path.name))
        for number in range(each):
            clip = seed_at(seed, PART, path.name, number)
            motion = draw_motion(motions, np.random.default_rng(clip))
            yield Planned(
                PART, split, identity, f"{path.stem}-{number}", path.name, Performance(still, motion, clip, size)
            )


@dataclass(frozen=True, eq=False)
class Performance:
    """Renders a still that acts when called."""

    still: Still
    motion: Motion
    seed: int
    size: int

    def __call__(self) -> Take:
        """None where the still is of no use, or does not show what it was meant to do."""
        puppet = self.still.puppet
        if puppet is None:
            return Take([])
        rng = np.random.default_rng([self.seed, 1])
        act = draw_act(puppet, self.motion, FPS, rng)
        inside = puppet.inside(Mouth.drawn(rng, puppet.skin_colour))
        made = [puppet.frame(step.pose, step.expression, inside, self.size, step.camera) for step in act.steps]
        frames, points = [frame for frame, _ in made], np.stack([where for _, where in made])
        lids = np.array([step.expression.lids for step in act.steps])
        if fault(Seen.of(frames, self.still.tracker.measurer), opening(points), lids) is not None:
            return Take([])
        if not act.mirrored:
            return Take(frames, points)
        return Take([np.ascontiguousarray(frame[:, ::-1]) for frame in frames], mirrored(points, self.size))
