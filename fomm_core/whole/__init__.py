"""Whole images and clips: what of them is cropped, and how the result gets back into the image."""

from .canvas import Canvas
from .choices import Crop, CropOptions, Square
from .finding import find_driving, find_source, reframed
from .found import FoundDriving, FoundSource, pose_warning
from .framing import FAMILIES, USUAL, framing_of
from .preview import preview_sheet

__all__ = [
    "FAMILIES",
    "USUAL",
    "Canvas",
    "Crop",
    "CropOptions",
    "FoundDriving",
    "FoundSource",
    "Square",
    "find_driving",
    "find_source",
    "framing_of",
    "pose_warning",
    "preview_sheet",
    "reframed",
]
