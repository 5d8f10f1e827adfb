"""Regions: which square of an image, or of each frame of a clip, is cropped, animated and pasted back."""

from .boxes import LAYOUTS, bridged, read_boxes, region_boxes, region_of_boxes
from .feather import DEFAULT_FEATHER, coverage, region_mask
from .outline import outlined
from .pixels import Cropper, Paster, crop_pixels
from .region import Region
from .sources import FRAMINGS, Framing, framed, region_at, region_middle, region_of_keypoints, region_of_mask
from .storage import load_region, save_region
from .tensors import crop, paste

__all__ = [
    "DEFAULT_FEATHER",
    "FRAMINGS",
    "LAYOUTS",
    "Cropper",
    "Framing",
    "Paster",
    "Region",
    "bridged",
    "coverage",
    "crop",
    "crop_pixels",
    "framed",
    "load_region",
    "outlined",
    "paste",
    "read_boxes",
    "region_at",
    "region_boxes",
    "region_mask",
    "region_middle",
    "region_of_boxes",
    "region_of_keypoints",
    "region_of_mask",
    "save_region",
]
