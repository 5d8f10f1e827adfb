"""AI-made animations, cut around the face that they show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from fomm_nodes.fomm_core.training.seeds import seed_at
from fomm_nodes.fomm_core.video import VideoReader

from .clips import Planned, Take, reduced
from .faces import square_around
from .left_out import LOOKS_LIKE_A_FILM
from .splits import split_of
from .tracks import FEWEST_FRAMES, Track, Tracker

PART = "ai"
MOST_FRAMES, MOST_CLIPS = 48, 2
FACE_SHARES = (0.2, 0.8)
MARGIN = 1.55
"""Side of the crop against the extent of the face over all its frames."""
RAISE = 0.06
"""How far above the face's middle the crop's middle lies, against its height: hair is above, little is below."""


def shown_files(folders: Sequence[Path], seed: int) -> list[Path]:
    """The template images and animations that are used, each name once, in an order that the seed decides."""
    found = [path for folder in folders for path in sorted(folder.glob("*.*"))]
    by_name = {path.name: path for path in found if path.name not in LOOKS_LIKE_A_FILM}
    return [by_name[name] for name in sorted(by_name, key=lambda name: seed_at(seed, "order", name))]


def plan(
    files: Iterable[Path], people: Mapping[str, str], tracker: Tracker, *, seed: int, test_share: float, size: int
) -> Iterator[Planned]:
    """Clips of each track whose face is neither too small nor too large. people: who is in which file."""
    for path in files:
        identity = people[path.name]
        split = split_of(identity, seed, test_share)
        for track in tracker.tracks(path):
            if FACE_SHARES[0] <= track.face_share <= FACE_SHARES[1]:
                for start, stop in windows(len(track)):
                    number = f"{path.stem}-{track.start + start}"
                    yield Planned(PART, split, identity, number, path.name, Crop(track, start, stop, size))


def windows(length: int) -> list[tuple[int, int]]:
    """At most two stretches of a track, from its start and from its middle."""
    side = min(MOST_FRAMES, length)
    starts = range(0, length - side + 1, side)
    return [(start, start + side) for start in starts[:: max(1, len(starts) // MOST_CLIPS)]][:MOST_CLIPS]


@dataclass(frozen=True)
class Crop:
    """The frames start to stop of a track, cut out around the face, when called."""

    track: Track
    start: int
    stop: int
    size: int

    def __call__(self) -> Take:
        """Of frames [size, size, 3]; none where too few can be read."""
        left, top, side = self.square()
        first = self.track.start + self.start
        with VideoReader(self.track.file, start=first) as reader:
            read = list(islice(reader, self.stop - self.start))
        if len(read) < FEWEST_FRAMES:
            return Take([])
        return Take([reduced(frame[top : top + side, left : left + side], self.size) for frame in read])

    def square(self) -> tuple[int, int, int]:
        """(left, top, side) in pixels: one square for all frames, inside the image."""
        flat = self.track.landmarks[self.start : self.stop, :, :2]
        low, high = flat.min((0, 1)), flat.max((0, 1))
        return square_around(low, high, MARGIN * float((high - low).max()), self.track.size, RAISE)
