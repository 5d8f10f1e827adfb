"""OpenEXR pictures: numbers as they are, for compositors."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np

from ..errors import ImageError
from ..files import atomic_path
from .source import PathLike


def write_exr(path: PathLike, values: np.ndarray) -> None:
    """Write float32 [H, W, 3] as red, green and blue, unchanged, losslessly packed.

    Raises ImageError for another shape or type.
    """
    if values.dtype != np.float32 or values.ndim != 3 or values.shape[-1] != 3 or 0 in values.shape:
        raise ImageError(f"expected float32 values [H, W, 3]; got {values.dtype} {list(values.shape)}.")
    coder = av.CodecContext.create("exr", "w")
    assert isinstance(coder, av.VideoCodecContext)
    coder.height, coder.width = values.shape[:2]
    coder.pix_fmt, coder.time_base = "gbrpf32le", Fraction(1, 25)
    coder.options = {"compression": "zip16", "format": "float"}
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(values), format="gbrpf32le")
    packets = [*coder.encode(frame), *coder.encode(None)]
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"".join(bytes(packet) for packet in packets))
