"""The four networks, as plain as the paper. They know nothing of files, devices or clips."""

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

__all__ = [
    "ConvBlock",
    "DenseMotionNetwork",
    "DownBlock",
    "Downsample",
    "Hourglass",
    "KeypointDetector",
    "MultiScaleDiscriminator",
    "OcclusionAwareGenerator",
    "ResidualBlock",
    "SparseMotion",
    "UpBlock",
    "Verdict",
    "at_least_float32",
    "conv_pair",
    "without_autocast",
]
