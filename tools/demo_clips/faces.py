"""Faces in pictures: boxes, 468 landmarks in three dimensions, and what belongs to the person."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from fomm_nodes.fomm_core.errors import DataError

from .clips import Pixels

if TYPE_CHECKING:
    from ai_edge_litert.interpreter import Interpreter

Floats = npt.NDArray[np.float32]
LANDMARKS = 468
LEAST_SCORE = 0.6
"""Of a face in moving images, below which it is not taken for one."""
BOX_TO_REGION = 1.5
"""Side of the square that landmarks are looked for in, against the longer side of the face."""
_DETECTOR_SIDE, _MESH_SIDE, _MASK_SIDE = 256, 192, 256


@dataclass(frozen=True)
class Region:
    """A square around a face: centre and side in pixels, angle in radians (clockwise, as y points down)."""

    x: float
    y: float
    side: float
    angle: float

    @classmethod
    def around(cls, low: Floats, high: Floats, left_eye: Floats, right_eye: Floats) -> Region:
        """Around a box [2] to [2], turned with the line of the eyes."""
        x, y = (low + high) / 2
        along = right_eye - left_eye
        side = BOX_TO_REGION * float((high - low).max())
        return cls(float(x), float(y), side, float(np.arctan2(along[1], along[0])))


@dataclass(frozen=True)
class Detection:
    """A face that was found: its region, and how sure that is (0 to 1)."""

    region: Region
    score: float


@dataclass(frozen=True)
class Face:
    """landmarks: [468, 3] in pixels, depth growing away from the viewer; score: 0 to 1."""

    landmarks: Floats
    score: float

    @property
    def box(self) -> tuple[Floats, Floats]:
        """The upper left and lower right corner, [2] each."""
        flat = self.landmarks[:, :2]
        return flat.min(0), flat.max(0)

    @property
    def extent(self) -> float:
        """The longer side of the box, in pixels."""
        low, high = self.box
        return float((high - low).max())

    def region(self) -> Region:
        """Where to look for it in the next frame."""
        return Region.around(*self.box, self.landmarks[33, :2], self.landmarks[263, :2])


def square_around(low: Floats, high: Floats, side: float, size: tuple[int, int], raised: float) -> tuple[int, int, int]:
    """(left, top, side) of a square around a box, `raised` by a share of the box's height, inside an image of `size`
    (height, width), and smaller than asked for where that has no more room.
    """
    height, width = size
    whole = int(min(side, height, width))
    x, y = (low + high) / 2 - [0, raised * (high - low)[1]] - whole / 2
    return int(np.clip(x, 0, width - whole)), int(np.clip(y, 0, height - whole)), whole


class FaceFinder:
    """MediaPipe's networks for faces. folders: hold the `.tflite` files."""

    def __init__(self, *folders: Path) -> None:
        self._detector = _interpreter(folders, "face_detection_back.tflite")
        self._mesh = _interpreter(folders, "face_landmark.tflite")
        self._segmenter = _interpreter(folders, "selfie_segmentation.tflite")
        self._anchors = _anchors()

    def detect(self, picture: Pixels, least: float = 0.5) -> list[Detection]:
        """The faces in an image [height, width, 3], the surest first."""
        import cv2

        height, width = picture.shape[:2]
        side = max(height, width)
        top, left = (side - height) // 2, (side - width) // 2
        square = np.zeros((side, side, 3), np.uint8)
        square[top : top + height, left : left + width] = picture
        small = cv2.resize(square, (_DETECTOR_SIDE, _DETECTOR_SIDE), interpolation=cv2.INTER_AREA)
        outputs = _run(self._detector, small / 127.5 - 1)
        boxes = next(output for output in outputs if output.shape[-1] == 16)[0]
        logits = next(output for output in outputs if output.shape[-1] == 1)[0, :, 0]
        scores = 1 / (1 + np.exp(-np.clip(logits, -80, 80)))
        found: list[Detection] = []
        for index in np.argsort(-scores)[: int((scores > least).sum())]:
            offsets = boxes[index].reshape(8, 2) / _DETECTOR_SIDE  # centre, size, two eyes, ...
            centre = self._anchors[index] + offsets[0]
            eyes = self._anchors[index] + offsets[2:4]
            corners = np.stack([centre - offsets[1] / 2, centre + offsets[1] / 2, *eyes]) * side - [left, top]
            region = Region.around(*corners.astype(np.float32))
            if all(_apart(region, other.region) for other in found):
                found.append(Detection(region, float(scores[index])))
        return found

    def face(self, picture: Pixels, region: Region | None = None) -> Face | None:
        """The landmarks of the face in a region; of the largest face without one. None where none is found."""
        import cv2

        if region is None:
            regions = [detection.region for detection in self.detect(picture)]
            if not regions:
                return None
            region = max(regions, key=lambda region: region.side)
        to_crop = _to_crop(region, _MESH_SIDE)
        reducing = region.side > 2 * _MESH_SIDE
        crop = cv2.warpAffine(
            picture,
            to_crop,
            (_MESH_SIDE, _MESH_SIDE),
            flags=cv2.INTER_AREA if reducing else cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        outputs = _run(self._mesh, crop / 255)
        points = next(output for output in outputs if output.size == 3 * LANDMARKS).reshape(LANDMARKS, 3)
        logit = next(output for output in outputs if output.size == 1).item()
        back = cv2.invertAffineTransform(to_crop)
        flat = points[:, :2] @ back[:, :2].T + back[:, 2]
        depth = points[:, 2:] * (region.side / _MESH_SIDE)
        return Face(np.concatenate([flat, depth], 1).astype(np.float32), float(1 / (1 + np.exp(-logit))))

    def person(self, picture: Pixels) -> Floats:
        """How surely each pixel belongs to a person: [height, width] in 0..1."""
        import cv2

        small = cv2.resize(picture, (_MASK_SIDE, _MASK_SIDE), interpolation=cv2.INTER_AREA)
        mask = _run(self._segmenter, small / 255)[0][0, ..., -1]
        return np.asarray(cv2.resize(mask, picture.shape[1::-1]), np.float32)


def _interpreter(folders: tuple[Path, ...], name: str) -> Interpreter:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as problem:
        raise DataError(
            f"expected the package ai-edge-litert, to find faces; {problem}. "
            "`pip install -r tools/demo_clips/requirements.txt` brings it."
        ) from problem
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    interpreter = Interpreter(model_path=str(found_in(folders, name)), num_threads=1)
    interpreter.allocate_tensors()
    return interpreter


def found_in(folders: Sequence[Path], name: str) -> Path:
    """The file of this name. Raises DataError where no folder holds it."""
    path = next((folder / name for folder in folders if (folder / name).is_file()), None)
    if path is None:
        raise DataError(f"expected {name} in {', '.join(map(str, folders))}; it is not there. Fetch again.")
    return path


def _run(interpreter: Interpreter, picture: npt.NDArray[Any]) -> list[Floats]:
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture[None].astype(np.float32))
    interpreter.invoke()
    return [interpreter.get_tensor(output["index"]) for output in interpreter.get_output_details()]


def _anchors() -> Floats:
    """[896, 2]: the centres of the detector's cells, two boxes in each of 16x16 and six in each of 8x8."""
    grids = []
    for cells, boxes in ((16, 2), (8, 6)):
        centres = (np.arange(cells) + 0.5) / cells
        y, x = np.meshgrid(centres, centres, indexing="ij")
        grids.append(np.repeat(np.stack([x.ravel(), y.ravel()], 1), boxes, axis=0))
    return np.concatenate(grids).astype(np.float32)


def _apart(one: Region, other: Region) -> bool:
    """Whether two regions are of two faces."""
    distance = max(abs(one.x - other.x), abs(one.y - other.y))
    return distance > 0.4 * other.side / BOX_TO_REGION


def _to_crop(region: Region, side: int) -> npt.NDArray[np.float64]:
    """[2, 3]: from the image to an upright crop of the region."""
    scale = side / region.side
    cosine, sine = scale * np.cos(region.angle), scale * np.sin(region.angle)
    turn = np.array([[cosine, sine], [-sine, cosine]])
    shift = side / 2 - turn @ [region.x, region.y]
    return np.column_stack([turn, shift])
