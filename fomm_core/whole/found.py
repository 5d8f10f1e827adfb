"""What was found in an image and in a clip, and what their poses have to do with each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..faces import Face, Track
from ..region import Framing, Region
from ..wording import setting

APART = 0.45
"""A face looks another way where it is turned (-1..1) or tilted (radians) by this more. Of 9 images and 6 clips all
pairs with a profile differed by 0.7 and more, the others by 0.38 and less."""
FAR, NEARER = 0.3, 2.0
"""A pose is far where its keypoints are, and another frame's distance is less than half. Frontal faces of different
people, which move well, had up to 0.27; profiles and images of something else more."""
CUT_OFF, OFTEN = 0.2, 0.1
"""A face is cut off where so much of its side is outside; told where that is so in this share of the frames."""
JUMP, TURN = 0.1, 0.15
"""A cut is one where the face jumps by more than this share of its side, grows or turns by more than that."""


@dataclass(frozen=True, eq=False)
class FoundSource:
    """What moves in the image. regions: one square for each face; none where the image is taken as it is.

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


def pose_warning(
    face: Face | None,
    track: Track | None,
    anchor: int,
    distances: Tensor,
    shots: Sequence[int] = (0,),
    *,
    chosen: bool = False,
) -> str | None:
    """A warning where the clip's frame that is taken as the picture's pose is no such: another is much nearer, or the
    faces look different ways.

    face, track: of image and clip; None where no face counts. anchor: the frame's number. distances: of each frame's
    keypoints to the picture's, [T] (`motion.anchor_distances`). shots: where shots begin; frames of others don't count.
    chosen: the anchor is the best frame already, so that another is no advice.
    """
    end = next((shot for shot in shots if shot > anchor), len(distances))
    begin = max(shot for shot in shots if shot <= anchor)
    usable = distances[begin:end].clone()
    if track is not None:
        usable[~track.found[begin:end]] = torch.inf
    best = int(usable.argmin()) + begin
    here, least = float(distances[anchor]), float(distances[best])
    nearer = here > NEARER * least
    apart = _turned_apart(face, track, anchor)
    if not apart and not (here > FAR and nearer):
        return None
    looks = f", and the faces are {apart} differently" if apart else ""
    far = f"the clip's frame {anchor} is taken as the image's pose, but is far from it (distance {here:.2f}){looks}: "
    if nearer:
        return None if chosen else f"{far}{setting('anchor', 'best')} takes frame {best} ({least:.2f})."
    return (
        f"{far}no frame is much nearer ({least:.2f}), so faces will be bent. An image and a clip more alike do better."
    )


def _turned_apart(face: Face | None, track: Track | None, anchor: int) -> str:
    """How faces look different ways, in a word; empty where they do not."""
    if face is None or track is None or not bool(track.found[anchor]):
        return ""
    if abs(float(track.turn[anchor]) - face.turn) >= APART:
        return "turned aside"
    return "tilted" if abs(float(track.roll[anchor]) - face.roll) >= APART else ""


def border_warning(name: str, track: Track) -> str | None:
    """A warning where a clip's face is often cut off by the clip's border."""
    box = track.square[track.found]
    half = box[:, 2] / 2
    over = torch.stack(
        (half - box[:, 0], half - box[:, 1], box[:, 0] + half - track.width, box[:, 1] + half - track.height)
    )
    cut = int((over.amax(0) > CUT_OFF * box[:, 2]).sum())
    if cut < OFTEN * len(box):
        return None
    return (
        f"the clip's border cuts the face off in {cut} of {len(track)} frames of {name}: what is outside cannot drive. "
        f"{setting('start')} and {setting('frames')} choose a part."
    )


def cut_warning(name: str, shots: Sequence[int]) -> str:
    """What cuts in a clip mean."""
    places = ", ".join(str(shot) for shot in shots[1:9]) + (", ..." if len(shots) > 9 else "")
    return (
        f"{name} has cuts, at frame {places}: each shot has a square and an anchor of its own, and the image jumps "
        f"with them. {setting('start')} and {setting('frames')} choose one shot."
    )
