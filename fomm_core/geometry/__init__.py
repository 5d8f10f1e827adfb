"""Coordinates, affine maps, gaussians: the maths that every other part stands on. Imports nothing of ours."""

from .affine import determinant, identity_like, inverse
from .gaussian import antialias_kernel, downsample, keypoint_gaussians
from .grid import (
    as_pixels,
    coordinate_grid,
    downsample_factor,
    identity_flow,
    resize_flow,
    resize_maps,
    warp,
)
from .hull import hull_area
from .keypoints import Keypoints, Motion
from .thin_plate import control_points, thin_plate_gradient, thin_plate_offset

__all__ = [
    "Keypoints",
    "Motion",
    "antialias_kernel",
    "as_pixels",
    "control_points",
    "coordinate_grid",
    "determinant",
    "downsample",
    "downsample_factor",
    "hull_area",
    "identity_flow",
    "identity_like",
    "inverse",
    "keypoint_gaussians",
    "resize_flow",
    "resize_maps",
    "thin_plate_gradient",
    "thin_plate_offset",
    "warp",
]
