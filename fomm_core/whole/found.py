"""What was found in a picture and in a clip, and what their poses have to do with each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..faces import Face, Track
from ..region import Framing, Region

JUMP, TURN = 0.2, 0.25
"""A cut is one where the face jumps by more than this share of its side, grows or turns by more than that."""


@dataclass(frozen=True, eq=False)
class FoundSource:
    """What moves in the picture. regions: one square for each face; none where the picture is taken as it is.

    faces: those that move, in the same order; none where squares were chosen by hand. words: what was found, for the
    user; empty where nothing was looked for. warnings: whole sentences.
    """

    regions: tuple[Region, ...] = ()
    faces: tuple[Face, ...] = ()
    words: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class FoundDriving:
    """What moves it: the square, or one for each frame; None where the clip is taken as it is. shots: where they begin;
    framing: of what was followed, where the model's own does not count. The rest is as for `FoundSource`.
    """

    region: Region | None = None
    track: Track | None = None
    shots: tuple[int, ...] = (0,)
    words: str = ""
    warnings: tuple[str, ...] = ()
    framing: Framing | None = None


def real_cuts(track: Track) -> tuple[int, ...]:
    """The shots of a track, without those whose cut the face does not know of: light that changes is no cut."""
    starts = [0]
    for cut in (shot for shot in track.shots if shot > 0):
        if not bool(track.found[cut - 1] & track.found[cut]):
            starts.append(cut)
            continue
        before, after = track.square[cut - 1], track.square[cut]
        moved = float((after[:2] - before[:2]).norm() / before[2])
        grown = abs(float((after[2] / before[2]).log()))
        turned = abs(float(track.turn[cut] - track.turn[cut - 1])) + abs(float(track.roll[cut] - track.roll[cut - 1]))
        if moved > JUMP or grown > JUMP or turned > TURN:
            starts.append(cut)
    return tuple(starts)


def turned_apart(face: Face | None, track: Track | None, anchor: int | None) -> str | None:
    """A warning where the picture's face and the clip's anchor frame look different ways."""
    if face is None or track is None or anchor is None or not bool(track.found[anchor]):
        return None
    turn, roll = float(track.turn[anchor]) - face.turn, float(track.roll[anchor]) - face.roll
    if abs(turn) < 0.35 and abs(roll) < 0.35:
        return None
    how = "turned aside" if abs(turn) >= 0.35 else "tilted"
    return (
        f"the faces of the picture and of the clip's frame {anchor} are {how} differently, and that frame is taken as "
        "the picture's pose: --best-frame looks for a frame more alike."
    )


def cut_warning(name: str, shots: Sequence[int]) -> str:
    """What cuts in a clip mean."""
    places = ", ".join(str(shot) for shot in shots[1:9]) + (", ..." if len(shots) > 9 else "")
    return (
        f"{name} has cuts, at frame {places}: each shot has a square and an anchor of its own, and the picture jumps "
        "with them. --start and --frames choose one shot."
    )
