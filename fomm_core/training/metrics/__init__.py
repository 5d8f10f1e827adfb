"""How near an image comes to the one it should be: by pixels, by features, and by the face in it."""

from .acting import Acting
from .base import Column, Metric, MetricMissing
from .build import METRICS, build_metrics
from .faces import Faces
from .perceptual import PerceptualDistance
from .pixels import PixelDistance

__all__ = [
    "METRICS",
    "Acting",
    "Column",
    "Faces",
    "Metric",
    "MetricMissing",
    "PerceptualDistance",
    "PixelDistance",
    "build_metrics",
]
