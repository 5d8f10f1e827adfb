"""The networks, as plain as the paper. They know nothing of files, devices or clips."""

from .avd import AvdNetwork
from .background import BackgroundPredictor
from .blocks import (
    ConvBlock,
    DownBlock,
    Downsample,
    ResidualBlock,
    UpBlock,
    at_least_float32,
    conv_pair,
    without_autocast,
)
from .dense_motion import DenseMotionNetwork, SparseMotion
from .discriminator import MultiScaleDiscriminator, Verdict
from .generator import OcclusionAwareGenerator
from .hourglass import Hourglass
from .keypoint_detector import KeypointDetector
from .part_motion import part_flows, part_motion
from .thin_plate_motion import LevelGenerator, PointDetector, ThinPlateMotionNetwork

__all__ = [
    "AvdNetwork",
    "BackgroundPredictor",
    "ConvBlock",
    "DenseMotionNetwork",
    "DownBlock",
    "Downsample",
    "Hourglass",
    "KeypointDetector",
    "LevelGenerator",
    "MultiScaleDiscriminator",
    "OcclusionAwareGenerator",
    "PointDetector",
    "ResidualBlock",
    "SparseMotion",
    "ThinPlateMotionNetwork",
    "UpBlock",
    "Verdict",
    "at_least_float32",
    "conv_pair",
    "part_flows",
    "part_motion",
    "without_autocast",
]
