"""Pictures and clips in and out, one frame at a time."""

from .exr import write_exr
from .images import read_image, read_picture, write_image
from .info import VideoInfo
from .rate import frame_rate
from .reader import VideoReader, batches
from .stored import StoredFrame
from .times import Seconds
from .writer import VideoWriter, holds_alpha

__all__ = [
    "Seconds",
    "StoredFrame",
    "VideoInfo",
    "VideoReader",
    "VideoWriter",
    "batches",
    "frame_rate",
    "holds_alpha",
    "read_image",
    "read_picture",
    "write_exr",
    "write_image",
]
