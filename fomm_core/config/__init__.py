"""What a model is made of: frozen, typed, and complete."""

from .model import FAMILIES, MotionModelConfig
from .parts import (
    COMFORTABLE_SIDE,
    HEAD_SIZE,
    LEAST_SCALE,
    MOST_PIXELS,
    AvdConfig,
    BackgroundConfig,
    DenseMotionConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    HourglassConfig,
    KeypointDetectorConfig,
    PointDetectorConfig,
)
from .presets import PRESETS, preset

__all__ = [
    "COMFORTABLE_SIDE",
    "FAMILIES",
    "HEAD_SIZE",
    "LEAST_SCALE",
    "MOST_PIXELS",
    "PRESETS",
    "AvdConfig",
    "BackgroundConfig",
    "DenseMotionConfig",
    "DiscriminatorConfig",
    "GeneratorConfig",
    "HourglassConfig",
    "KeypointDetectorConfig",
    "MotionModelConfig",
    "PointDetectorConfig",
    "preset",
]
