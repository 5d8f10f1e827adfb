"""AKD, MKR and AED: where the face's landmarks lie, whether they are found, and who it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...fitting import to_uint8
from .base import Column, Metric, MetricMissing

SIDE = 256
"""Pixels of the shorter side at which faces are looked at, whatever the pictures' size; AKD is in these pixels."""
LANDMARKS = "shape_predictor_68_face_landmarks.dat"
IDENTITY = "dlib_face_recognition_resnet_model_v1.dat"


@dataclass(frozen=True, eq=False)
class Face:
    """The largest face of an image. landmarks: [68, 2] pixels (x, y). identity: [128], near for the same person."""

    landmarks: np.ndarray
    identity: np.ndarray


class Faces(Metric):
    """Compares the largest face of each image with the one that should be there.

    akd: average keypoint distance, the mean absolute difference of the coordinates of 68 landmarks, in pixels of an
    image of 256. mkr: missing keypoint rate, the share of images whose face is not found any more. aed: average
    Euclidean distance of a 128-dimensional identity embedding. Images whose true frame shows no face count nowhere;
    akd and aed need a face in both.

    The paper used other detectors and embeddings: compare only figures that were taken with the same.

    Raises MetricMissing where dlib or its model files are not installed.
    """

    columns: ClassVar[tuple[Column, ...]] = (
        Column("akd", "AKD", higher_is_better=False, digits=3),
        Column("mkr", "MKR", higher_is_better=False, digits=3),
        Column("aed", "AED", higher_is_better=False, digits=4),
    )

    def __init__(self) -> None:
        folder = _models_folder()
        try:
            import dlib
        except ImportError as problem:
            raise _missing() from problem
        self._detect: Any = dlib.get_frontal_face_detector()
        self._find_landmarks: Any = dlib.shape_predictor(str(folder / LANDMARKS))
        self._describe: Any = dlib.face_recognition_model_v1(str(folder / IDENTITY))

    def look(self, pictures: Tensor) -> list[Face | None]:
        """The largest face of each image; None where there is none."""
        height, width = pictures.shape[-2:]
        scale = SIDE / min(height, width)
        size = (round(height * scale), round(width * scale))
        large = F.interpolate(pictures.float(), size, mode="bilinear", antialias=True, align_corners=False)
        return [self._largest(picture) for picture in to_uint8(large)]

    def _largest(self, picture: np.ndarray) -> Face | None:
        found = self._detect(picture, 0) or self._detect(picture, 1)  # a small face only where there is no large one
        if not found:
            return None
        shape = self._find_landmarks(picture, max(found, key=lambda face: face.area()))
        return Face(
            np.array([(point.x, point.y) for point in shape.parts()], np.float32),
            np.array(self._describe.compute_face_descriptor(picture, shape), np.float32),
        )

    def compare(self, result: Sequence[Face | None], truth: Sequence[Face | None]) -> dict[str, Tensor]:
        """See Metric."""
        rows = [_distances(ours, theirs) for ours, theirs in zip(_as_many(result, truth), truth, strict=True)]
        columns = torch.tensor(rows, dtype=torch.float32).view(len(rows), 3).unbind(1)
        return {column.name: values for column, values in zip(self.columns, columns, strict=True)}


def _as_many(result: Sequence[Face | None], truth: Sequence[Face | None]) -> Sequence[Face | None]:
    return list(result) * len(truth) if len(result) == 1 else result


def _distances(ours: Face | None, theirs: Face | None) -> tuple[float, float, float]:
    """(akd, mkr, aed)."""
    if theirs is None:
        return math.nan, math.nan, math.nan
    if ours is None:
        return math.nan, 1.0, math.nan
    return (
        float(np.abs(ours.landmarks - theirs.landmarks).mean()),
        0.0,
        float(np.linalg.norm(ours.identity - theirs.identity)),
    )


def _models_folder() -> Path:
    package = find_spec("face_recognition_models")  # found, not imported: only its files are wanted
    for place in (package.submodule_search_locations or ()) if package is not None else ():
        folder = Path(place) / "models"
        if all((folder / name).is_file() for name in (LANDMARKS, IDENTITY)):
            return folder
    raise _missing()


def _missing() -> MetricMissing:
    return MetricMissing(
        "AKD, MKR and AED need dlib and its models: pip install dlib-bin face_recognition_models (the landmark model "
        "was made from data whose terms exclude commercial use)"
    )
