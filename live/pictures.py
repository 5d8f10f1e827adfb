"""JPEG in and out of the page."""

from __future__ import annotations

import io

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from ..fomm_core.errors import ImageError
from ..fomm_core.video.pixels import Pixels

MOST_BYTES = 2 << 20
"""Of a camera's frame as it comes from the page."""
MOST_PIXELS = 1920 * 1080
QUALITY = 85


def from_jpeg(data: bytes) -> Pixels:
    """A frame uint8 [H, W, 3]. Raises ImageError for anything else than a JPEG of at most 1920x1080 pixels."""
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as picture:
            width, height = picture.size
            if width * height > MOST_PIXELS:
                raise ImageError(f"expected frames of at most {MOST_PIXELS} pixels; got {width}x{height}.")
            return np.asarray(picture.convert("RGB"))
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError) as problem:
        if isinstance(problem, ImageError):
            raise
        raise ImageError("expected a camera's frame as JPEG; got something else.") from problem


def to_jpeg(frame: Pixels) -> bytes:
    """A frame uint8 [H, W, 3] as JPEG."""
    done, data = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, QUALITY))
    if not done:
        raise ImageError(f"expected a frame that JPEG can hold; got {frame.shape[1]}x{frame.shape[0]}.")
    return data.tobytes()
