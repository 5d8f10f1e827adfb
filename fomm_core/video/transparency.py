"""Frames with alpha, in the kinds of files that hold it."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from .pixels import Pixels

BT709, LIMITED, FULL = 1, 1, 2  # AVCOL_SPC_BT709, AVCOL_RANGE_MPEG, AVCOL_RANGE_JPEG


def bled(rgba: Pixels) -> Pixels:
    """The same image, [H, W, 4], whose hidden pixels have the colours of the nearest ones that are seen.

    A codec that stores colours more coarsely than outlines mixes both sides of an edge: so nothing foreign mixes in.
    """
    alpha = rgba[..., 3].astype(np.float32) / 255
    if alpha.min() > 0:
        return rgba
    seen = rgba[..., :3].astype(np.float32) * alpha[..., None]
    colour = _spread(seen, alpha)
    hidden = alpha[..., None] == 0
    return np.dstack([np.where(hidden, colour.round().astype(np.uint8), rgba[..., :3]), rgba[..., 3]])


def _spread(dimmed: NDArray[Any], weight: NDArray[Any]) -> NDArray[Any]:
    """Colours [H, W, 3], from those that were multiplied by a weight; where it is 0, from coarser images."""
    height, width = weight.shape
    whole = dimmed / np.maximum(weight, 1e-6)[..., None]
    if min(height, width) == 1 or weight.min() > 0:
        return whole
    size = ((width + 1) // 2, (height + 1) // 2)
    coarse = _spread(
        cv2.resize(dimmed, size, interpolation=cv2.INTER_AREA), cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
    )
    filled = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.where(weight[..., None] > 0, whole, filled)


def yuva420_frame(opaque: VideoFrame, alpha: Pixels) -> VideoFrame:
    """A yuv420p frame with alpha [H, W] beside it."""
    frame = VideoFrame(opaque.width, opaque.height, "yuva420p")
    for plane, source in zip(frame.planes, opaque.planes, strict=False):
        _fill(plane, np.frombuffer(memoryview(source), np.uint8).reshape(-1, source.line_size)[:, : source.width])
    _fill(frame.planes[3], alpha)
    frame.colorspace, frame.color_range = BT709, LIMITED
    return frame


def yuva444_frame(rgba: Pixels, reformatter: VideoReformatter) -> VideoFrame:
    """uint8 [H, W, 4] as 10-bit 4:4:4:4 in BT.709, limited range; alpha in its full range."""
    height, width = rgba.shape[:2]
    deep = VideoFrame.from_ndarray(rgba[..., :3].astype(np.uint16) * 257, format="rgb48le")
    colour = reformatter.reformat(
        deep, format="yuv444p10le", dst_colorspace=BT709, src_color_range=FULL, dst_color_range=LIMITED
    )
    frame = VideoFrame(width, height, "yuva444p10le")
    for plane, source in zip(frame.planes, colour.planes, strict=False):
        _fill(plane, np.frombuffer(memoryview(source), np.uint8).reshape(-1, source.line_size)[:, : 2 * width])
    opacity = ((rgba[..., 3].astype(np.uint32) * 1023 + 127) // 255).astype("<u2")
    _fill(frame.planes[3], opacity.view(np.uint8).reshape(height, 2 * width))
    frame.colorspace, frame.color_range = BT709, LIMITED
    return frame


def prores_options(quality: int) -> dict[str, str]:
    """ProRes 4444; quality 0..100 to bits for each macroblock, 80 is Apple's own rate or so."""
    return {"profile": "4444", "vendor": "apl0", "bits_per_mb": str(round(1000 + 87.5 * quality)), "alpha_bits": "16"}


def _fill(plane: VideoPlane, values: NDArray[np.uint8]) -> None:
    padded = np.zeros((values.shape[0], plane.line_size), np.uint8)
    padded[:, : values.shape[1]] = values
    plane.update(padded.tobytes())
