"""Coordinates, affine maps, gaussians: the maths that every other part stands on. Imports nothing of ours."""

from .affine import determinant, identity_like, inverse
from .covariance import axes_map, inverse_covariance, principal_axes, region_gaussians, upright
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
from .keypoints import Keypoints
from .local_maps import local_inverse
from .motion import Motion
from .thin_plate import control_points, spline_at, spline_through, thin_plate_gradient, thin_plate_offset

__all__ = [
    "Keypoints",
    "Motion",
    "antialias_kernel",
    "as_pixels",
    "axes_map",
    "control_points",
    "coordinate_grid",
    "determinant",
    "downsample",
    "downsample_factor",
    "hull_area",
    "identity_flow",
    "identity_like",
    "inverse",
    "inverse_covariance",
    "keypoint_gaussians",
    "local_inverse",
    "principal_axes",
    "region_gaussians",
    "resize_flow",
    "resize_maps",
    "spline_at",
    "spline_through",
    "thin_plate_gradient",
    "thin_plate_offset",
    "upright",
    "warp",
]
