"""Whether a clip shows what was meant: the face is looked at again, and mouth and eyes are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from fomm_nodes.fomm_core.faces import Face, FaceFinder
from fomm_nodes.fomm_core.faces.finder import mesh_squares

from .clips import Pixels
from .head import Doubles

LEAST_PRESENCE = 0.5
MOST_LOST = 0.1
"""Of the frames."""
LEAST_SPAN, LEAST_CORRELATION, SLOPES = 0.2, 0.8, (0.3, 1.5)
"""Of the mouth's opening: meant to span so much, how well and how strongly it has to be seen."""
SHUT, STAYS_OPEN = 0.95, 0.85
"""Lids from which an eye counts as shut, and the opening that must then be left at most, against that of open eyes."""
OPEN_EYES = 0.14
"""Opening over the eye's width below which a still has its eyes shut."""


@dataclass(frozen=True)
class Seen:
    """What the networks see: [frames] mouth and [frames, 2] eyes as the openings of `Face`, NaN where there is none."""

    mouth: Doubles
    eyes: Doubles

    @classmethod
    def of(cls, frames: Sequence[Pixels], finder: FaceFinder) -> Seen:
        """In frames of one face."""
        face: Face | None = None
        mouths, eyes = [], []
        for frame in frames:
            face = followed(frame, finder, face)
            mouths.append(np.nan if face is None else face.mouth_opening)
            eyes.append((np.nan, np.nan) if face is None or face.eye_opening is None else face.eye_opening)
        return cls(np.array(mouths), np.array(eyes).reshape(-1, 2))


def fault(seen: Seen, mouth: npt.NDArray[np.floating], lids: Doubles) -> str | None:
    """What is wrong with a clip, None where nothing is. mouth: [frames] openings and lids: [frames, 2] as they were
    meant.
    """
    there = ~np.isnan(seen.mouth)
    if there.mean() < 1 - MOST_LOST:
        return "the face is lost"
    meant, found = mouth[there].astype(float), seen.mouth[there]
    if np.ptp(meant) >= LEAST_SPAN:
        centred = meant - meant.mean()
        slope = float(centred @ found / (centred @ centred))
        correlation = slope * float(meant.std() / max(float(found.std()), 1e-6))
        if correlation < LEAST_CORRELATION or not SLOPES[0] <= slope <= SLOPES[1]:
            return f"the mouth moves otherwise (correlation {correlation:.2f}, slope {slope:.2f})"
    for side in range(2):
        eye, shut = seen.eyes[:, side], lids[:, side]
        open_eye = np.nanmedian(np.where(shut < 0.1, eye, np.nan)) if (there & (shut < 0.1)).any() else np.nan
        closed = eye[(shut >= SHUT) & there]
        if len(closed) and open_eye > OPEN_EYES and float(np.median(closed)) > STAYS_OPEN * open_eye:
            return f"an eye does not shut ({float(np.median(closed)):.2f} of {open_eye:.2f})"
    return None


def followed(frame: Pixels, finder: FaceFinder, before: Face | None) -> Face | None:
    """The face where it was in the frame before, else wherever it is."""
    if before is not None:
        points, presence = finder.mesh(frame, mesh_squares(before.points[None]))
        if float(presence[0]) > LEAST_PRESENCE:
            height, width = frame.shape[:2]
            return finder.with_eyes(frame, Face(points[0], before.score, float(presence[0]), height, width))
    found = finder.find(frame, eyes=True, tiles="never")
    return found[0] if found else None
