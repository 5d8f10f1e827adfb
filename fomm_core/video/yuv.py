"""RGB as 8-bit 4:2:0, whole frames or what has changed of them."""

from __future__ import annotations

import cv2
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from .pixels import Pixels

BT709, LIMITED = 1, 1  # AVCOL_SPC_BT709, AVCOL_RANGE_MPEG
Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels; right and bottom excluded."""

# ITU-R BT.709, 8 bit: Y = 16 + 219 (kr R + kg G + kb B), Cb = 128 + 224 (B - Y) / 2 (1 - kb), with R, G, B 0..1.
KR, KB = 0.2126, 0.0722
LUMA = np.array([KR, 1 - KR - KB, KB])
CHROMA = np.stack([([0, 0, 1] - LUMA) / (2 * (1 - KB)), ([1, 0, 0] - LUMA) / (2 * (1 - KR))])
LUMA_FROM_RGB = np.append(LUMA * 219 / 255, 16)[None]  # [1, 4]
CHROMA_FROM_8_RGB = np.column_stack([CHROMA / 8 * 224 / 255, [128, 128]])  # [2, 4], of sums of 8 pixels


class Yuv420:
    """Frames of one size in BT.709, limited range, each chroma sample between two left pixels.

    Written out since swscale places the chroma of RGB half a pixel further right than H.264 has it, and PyAV gives no
    say in that: each round trip would move the colours against the outlines.
    """

    def __init__(self) -> None:
        self._planes: list[NDArray[np.uint8]] = []

    def frame(self, rgb: Pixels, changed: Box | None = None) -> VideoFrame:
        """A new frame of uint8 RGB [H, W, 3]. changed: a box outside of which it has the pixels of the frame before."""
        height, width = rgb.shape[:2]
        if not self._planes or changed is None:
            self._planes = [_luma(rgb), *_chroma(rgb)]
        else:
            self._change(rgb, changed)
        frame = VideoFrame(width, height, "yuv420p")
        for plane, values in zip(frame.planes, self._planes, strict=True):
            np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[
                : len(values), : values.shape[1]
            ] = values
        frame.colorspace, frame.color_range = BT709, LIMITED
        return frame

    def _change(self, rgb: Pixels, changed: Box) -> None:
        left, top, right, bottom = changed
        if right <= left or bottom <= top:
            return
        luma, *chroma = self._planes
        luma[top:bottom, left:right] = _luma(rgb[top:bottom, left:right])
        # a chroma sample is the mean of the pixels 2 c - 1 to 2 c + 1
        first, last = left // 2, min(right // 2, chroma[0].shape[1] - 1)
        before = max(first - 1, 0)
        rows = slice(top // 2, -(-bottom // 2))
        part = rgb[2 * rows.start : 2 * rows.stop, 2 * before : 2 * last + 2]
        for plane, values in zip(chroma, _chroma(part), strict=True):
            plane[rows, first : last + 1] = values[:, first - before :]


def yuv420_frame(rgb: Pixels) -> VideoFrame:
    """uint8 RGB [H, W, 3] as one frame; see `Yuv420`."""
    return Yuv420().frame(rgb)


def _luma(rgb: Pixels) -> NDArray[np.uint8]:
    return np.asarray(cv2.transform(rgb, LUMA_FROM_RGB), np.uint8)


def _chroma(rgb: Pixels) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    height, width = rgb.shape[:2]
    even = rgb if height % 2 == width % 2 == 0 else np.pad(rgb, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    pairs = even[0::2].astype(np.uint16) + even[1::2]  # [H/2, W, 3], sums of two rows
    left = np.concatenate([pairs[:, :1], pairs[:, 1:-1:2]], 1)
    triples = left + 2 * pairs[:, 0::2] + pairs[:, 1::2]  # [H/2, W/2, 3], sums of 2 x (1, 2, 1)
    blue, red = np.moveaxis(np.asarray(cv2.transform(triples, CHROMA_FROM_8_RGB)), -1, 0)
    return blue, red
