"""Points for clips that were not made by puppets: mouth and eyes as the face networks see them, frame by frame.

`python -m tools.demo_clips.pointed FOLDER...` writes a file of points (see `fomm_core.training.data.points`) beside
each clip of these folders that has none, and leaves out clips in which a face is lost.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from fomm_nodes.fomm_core.faces import Face, FaceFinder
from fomm_nodes.fomm_core.training.data.points import points_file, write_points
from fomm_nodes.fomm_core.video import VideoReader

from .faces import Floats
from .points import MOUTH
from .verify import followed


def seen_points(face: Face) -> Floats | None:
    """[64, 2] in pixels of the image, edge-aligned; None where the eyes were not looked at."""
    if face.lids is None or face.irises is None:
        return None
    mouth, lids, irises = face.points[list(MOUTH), :2], face.lids[:, :16, :2], face.irises[..., :2]
    parts = [mouth, lids[0], lids[1], irises[0], irises[1]]
    return np.concatenate([part.float().numpy() for part in parts]).astype(np.float32)


def points_of(clip: Path, finder: FaceFinder) -> tuple[Floats, int, int] | None:
    """[frames, 64, 2] with the clip's height and width; None where a frame shows no face."""
    face: Face | None = None
    rows: list[Floats] = []
    height = width = 0
    with VideoReader(clip) as reader:
        for frame in reader:
            height, width = frame.shape[:2]
            face = followed(frame, finder, face)
            points = None if face is None else seen_points(face)
            if points is None:
                return None
            rows.append(points)
    return (np.stack(rows), height, width) if rows else None


def main(arguments: Sequence[str] | None = None) -> int:
    """Write what is missing; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.demo_clips.pointed", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    from .workers import on_one_thread

    options = parser.parse_args(arguments)
    on_one_thread()
    finder = FaceFinder()
    for folder in options.folders:
        written = lost = 0
        for clip in sorted(folder.rglob("*.mp4")):
            if points_file(clip).exists():
                continue
            found = points_of(clip, finder)
            if found is None:
                lost += 1
                continue
            write_points(points_file(clip), *found)
            written += 1
        print(f"{folder}: points of {written} clips written, {lost} left out")
    return 0


if __name__ == "__main__":
    sys.exit(main())
