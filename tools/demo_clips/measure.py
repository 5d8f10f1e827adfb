"""How far mouths open and eyes shut in clips, by the face mesh and the eye network:
`python -m tools.demo_clips.measure CLIPS [CLIPS ...]` prints a table.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .verify import Seen

HEADS = ("clips", "mouth span 10 / 50 / 90 %", "span >= .25", "eyes at least 10 / 50 / 90 %", "blinks a clip")


@dataclass(frozen=True)
class Measured:
    """Of one clip. mouth: the span of its opening, without the 2 % at either end. shut: the smallest opening of the
    eyes against open ones. blinks: how many.
    """

    mouth: float
    shut: float
    blinks: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.demo_clips.measure", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, metavar="CLIPS", help="a folder of clips, or one clip")
    parser.add_argument("--limit", type=int, metavar="N", help="at most N clips of each, evenly over them")
    options = parser.parse_args(arguments)
    print("| where | " + " | ".join(HEADS) + " |")
    print("|---" * (len(HEADS) + 1) + "|")
    for folder in options.folders:
        print(row(folder.name, list(measured(folder, options.limit))), flush=True)
    return 0


def measured(folder: Path, limit: int | None) -> Iterable[Measured]:
    """Each clip of a folder in which a face is found in most frames."""
    from fomm_nodes.fomm_core.faces import FaceFinder
    from fomm_nodes.fomm_core.training.data import find_clips
    from fomm_nodes.fomm_core.video import VideoReader

    from .verify import Seen

    finder = FaceFinder()
    clips = [Path(folder / clip.name) if folder.is_dir() else folder for clip in find_clips(folder)]
    step = max(1, len(clips) // limit) if limit else 1
    for path in islice(clips[::step], limit):
        with VideoReader(path) as frames:
            found = measure(Seen.of(list(frames), finder))
        if found is not None:
            yield found


def measure(seen: Seen) -> Measured | None:
    """What a clip's openings (`verify.Seen`) come to; None where the face is mostly lost."""
    import torch
    from fomm_nodes.fomm_core.training.metrics.acting import OPEN_LEVEL, blinks

    there = ~np.isnan(seen.mouth)
    if there.mean() < 0.5:
        return None
    eyes = seen.eyes.mean(1)
    low, high = np.percentile(seen.mouth[there], (2, 98))
    level = float(np.nanquantile(eyes, OPEN_LEVEL))
    return Measured(float(high - low), float(np.nanmin(eyes) / level), len(blinks(torch.from_numpy(eyes))))


def row(name: str, clips: Sequence[Measured]) -> str:
    """A line of the table."""
    if not clips:
        return f"| {name} | 0 |" + " |" * (len(HEADS) - 1)
    spans, shut = np.array([clip.mouth for clip in clips]), np.array([clip.shut for clip in clips])
    cells = [
        str(len(clips)),
        " / ".join(f"{value:.2f}" for value in np.percentile(spans, (10, 50, 90))),
        f"{(spans >= 0.25).mean():.0%}",
        " / ".join(f"{value:.2f}" for value in np.percentile(shut, (10, 50, 90))),
        f"{np.mean([clip.blinks for clip in clips]):.2f}",
    ]
    return f"| {name} | " + " | ".join(cells) + " |"


if __name__ == "__main__":
    from benchmarks.__main__ import bind_checkout

    bind_checkout()
    sys.exit(main())
