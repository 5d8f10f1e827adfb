"""Stills that may become puppets: found, cut out, measured, and refused where they would not move well."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from fomm_nodes.fomm_core.errors import ImageError
from fomm_nodes.fomm_core.faces import Face as MeasuredFace
from fomm_nodes.fomm_core.faces import FaceFinder as Measurer
from fomm_nodes.fomm_core.video import VideoReader

from .clips import Pixels
from .faces import Face, FaceFinder, Floats, square_around
from .head import Pose
from .landmarks import AROUND_EYES, LIDS, OVAL
from .puppet import Portrait, Puppet
from .tracks import Tracker

PUPPET_SIDE = 384
CROPS = (1.9, 2.9)
"""Side of the cut-out against the extent of the face, from tight to loose."""
TIGHTEST_CROP = 1.4
RAISE = 0.05
SMALLEST_FACE = 60
"""Extent in pixels."""
LEAST_SCORE = 0.9
LARGEST_ANGLES = np.radians([30, 38, 30])
"""Pitch, yaw and roll that a still may show."""
LEAST_PERSON = 0.8
"""Mean of the person's mask within the face: figures that are drawn as something else fall below."""
FARTHEST_LIDS = 0.3
"""Between the corners of an eye as both networks see it, in widths of the eye: beyond, glasses or hair hide it."""


@dataclass(frozen=True, eq=False)
class Still:
    """An image that may show one large face, looked at when first needed. seed: decides how loosely it is cut."""

    path: Path
    tracker: Tracker
    seed: int

    @cached_property
    def puppet(self) -> Puppet | None:
        """None where there is no face, or none that can be moved well."""
        try:
            with VideoReader(self.path, stop=1) as reader:
                picture = next(iter(reader))
        except ImageError:
            return None
        crop = float(np.random.default_rng(self.seed).uniform(*CROPS))
        portrait = portrait_of(picture, self.tracker.finder, self.tracker.measurer, crop)
        return None if portrait is None else Puppet(portrait, self.tracker.triangles)


def portrait_of(picture: Pixels, finder: FaceFinder, measurer: Measurer, crop: float = 2.1) -> Portrait | None:
    """The picture's largest face, cut out with room around it; None where it can't be moved well."""
    face = finder.face(picture)
    if face is None or face.score < LEAST_SCORE or face.extent < SMALLEST_FACE:
        return None
    cut = cut_out(picture, face, crop)
    face = None if cut is None else finder.face(cut)
    if cut is None or face is None or face.score < LEAST_SCORE:
        return None
    angles = Pose.of(face.landmarks.astype(np.float64)).rotation_vector()
    mask = finder.person(cut)
    if (np.abs(angles) > LARGEST_ANGLES).any() or person_share(mask, face) < LEAST_PERSON:
        return None
    found = measurer.find(cut, eyes=True, tiles="never")
    return with_lids(cut, found[0], mask) if found else None


def with_lids(picture: Pixels, face: MeasuredFace, mask: Floats) -> Portrait | None:
    """The portrait of a face, its eyes as the eye network sees them; one that is seen elsewhere by the mesh counts as
    hidden, as behind dark glasses. None where the eyes were not looked at.
    """
    if face.lids is None or face.irises is None:
        return None
    landmarks = face.points.double().numpy().copy()
    landmarks[:, :2] -= 0.5
    contours, irises = (part.double().numpy()[..., :2] - 0.5 for part in (face.lids, face.irises))
    seen = []
    for side, (lids, around, contour) in enumerate(zip(LIDS, AROUND_EYES, contours, strict=True)):
        width = np.linalg.norm(contour[8] - contour[0])
        apart = np.linalg.norm(landmarks[[lids[0], lids[8]], :2] - contour[[0, 8]], axis=1).max()
        seen.append(bool(apart <= FARTHEST_LIDS * width))
        if seen[side]:
            landmarks[[*lids, *around], :2] = contour[:48]
        else:
            irises[side] = landmarks[list(lids), :2].mean(0)
    return Portrait(picture, landmarks, irises, mask, (seen[0], seen[1]))


def cut_out(picture: Pixels, face: Face, crop: float) -> Pixels | None:
    """A square around the face, inside the image, scaled to `PUPPET_SIDE` pixels; None where there is no room."""
    size = (picture.shape[0], picture.shape[1])
    low, high = face.box
    left, top, side = square_around(low, high, crop * face.extent, size, RAISE)
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
