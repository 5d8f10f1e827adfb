"""Which cuts are found, in sequences that are made from real clips of talking heads.

Three kinds, PIECE frames on either side: a jump within one clip (half a second to two are left out), a punch-in (the
image goes on, PUNCH times as large), and a change to another clip. Each is looked for by the frames' differences
alone (`find_shots`), and by them with the face as second witness, as `fomm animate` does it. A find is right at the
cut's very frame; any other is false, and so is any within the clips as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from fomm_nodes.fomm_core.faces import FaceFinder, track
from fomm_nodes.fomm_core.video import VideoReader
from fomm_nodes.fomm_core.whole.finding import real_cuts

PIECE = 30
PUNCH = 1.25
HEIGHT, WIDTH = 270, 480

Frames = list[np.ndarray]


def measure(*, clips: Path, each: int) -> None:
    """Print a row for each kind: how many of its cuts were found, and how many finds were false."""
    random = np.random.default_rng(0)
    finder = FaceFinder()
    paths = sorted(path for path in clips.iterdir() if path.suffix in (".mp4", ".webm", ".mov"))
    rows: dict[str, list[list[int]]] = {}
    for number, path in enumerate(paths):
        following = paths[(number + 1) % len(paths)]
        for kind, frames in _made(path, following, each, random):
            tracking = track(frames, finder=finder)
            plain = tracking.shots[1:]
            witnessed = real_cuts(tracking.tracks[0])[1:] if tracking.tracks else plain
            cut = set() if kind == "none" else {PIECE}
            counts = [(len(cut & set(found)), len(set(found) - cut)) for found in (plain, witnessed)]
            rows.setdefault(kind, []).append([len(frames), *counts[0], *counts[1]])
    print("kind        sequences frames | differences: found false | with the face: found false")
    for kind, results in rows.items():
        total = np.array(results).sum(0)
        print(
            f"{kind:11s} {len(results):9d} {total[0]:6d} | {total[1]:18d} {total[2]:5d} | {total[3]:20d} {total[4]:5d}"
        )


def _made(path: Path, following: Path, each: int, random: np.random.Generator) -> Iterator[tuple[str, Frames]]:
    with VideoReader(path) as reader, VideoReader(following) as other:
        rate, count = float(reader.info.fps), reader.count()
        for _ in range(each):
            gap = int(min(random.uniform(0.5, 2) * rate, count - 2 * PIECE))
            start = int(random.integers(0, count - 2 * PIECE - gap + 1))
            before, after = _piece(reader, start), _piece(reader, start + PIECE + gap)
            yield "jump", before + after
            straight = _piece(reader, start + PIECE)
            yield "punch-in", before + [_punched(frame) for frame in straight]
            yield "none", before + straight
            yield "other clip", before + _piece(other, int(random.integers(0, other.count() - PIECE + 1)))


def _piece(reader: VideoReader, start: int) -> Frames:
    frames = reader.at(range(start, start + PIECE))
    return [_fitted(frame) for frame in frames]


def _fitted(frame: np.ndarray) -> np.ndarray:
    """The middle at 16:9, at one size."""
    height, width = frame.shape[:2]
    tall = min(height, round(width * HEIGHT / WIDTH))
    top = (height - tall) // 3
    return np.asarray(cv2.resize(frame[top : top + tall], (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)


def _punched(frame: np.ndarray) -> np.ndarray:
    tall, wide = round(HEIGHT / PUNCH), round(WIDTH / PUNCH)
    top, left = (HEIGHT - tall) // 2, (WIDTH - wide) // 2
    part = frame[top : top + tall, left : left + wide]
    return np.asarray(cv2.resize(part, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), np.uint8)
