"""Decoded frames whose colours are worked out only where they are asked for."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av.filter
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from .pixels import Pixels

MARGIN = 8
"""Pixels around a part that its colours depend on: chroma is interpolated over four of its samples."""
GRID = 32
"""Parts grow to multiples of so many pixels, so that one that moves a little is cut by the same filter."""
NEAREST, AREA = 0x10, 0x20  # SWS_POINT, SWS_AREA
MEANS = AREA | 0x2000 | 0x4000 | 0x40000  # and SWS_FULL_CHR_H_INT, SWS_FULL_CHR_H_INP, SWS_ACCURATE_RND


class Colours:
    """Turns the frames of one stream, or parts of them, into RGB by one set of rules; for one thread.

    size: (height, width) as shown. options: of `VideoReformatter.reformat`.
    """

    def __init__(self, size: tuple[int, int], interpolation: int, options: dict[str, Any]) -> None:
        self.size = size
        self._interpolation, self._options = interpolation, options
        self._whole, self._parts, self._small, self._samples = (VideoReformatter() for _ in range(4))
        self._filter: tuple[tuple[int, ...], Any] | None = None

    def part(self, frame: VideoFrame, left: int, top: int, right: int, bottom: int) -> Pixels:
        """uint8 [bottom - top, right - left, 3]."""
        height, width = self.size
        x0, y0 = max(left - MARGIN, 0) // GRID * GRID, max(top - MARGIN, 0) // GRID * GRID
        x1, y1 = min(-(-(right + MARGIN) // GRID) * GRID, width), min(-(-(bottom + MARGIN) // GRID) * GRID, height)
        if 2 * (x1 - x0) * (y1 - y0) > width * height:
            return self._rgb(frame, self._whole)[top:bottom, left:right]
        pixels = self._rgb(self._cut(frame, x0, y0, x1, y1), self._parts)
        return pixels[top - y0 : bottom - y0, left - x0 : right - x0]

    def small(
        self, frame: VideoFrame, box: tuple[int, int, int, int], height: int, width: int, *, means: bool
    ) -> Pixels:
        """A part as uint8 [height, width, 3], of means by area or of single pixels. The box begins on even pixels."""
        part = frame if box == (0, 0, *self.size[::-1]) else self._cut(frame, *box)
        how = MEANS if means else NEAREST
        reformatter = self._small if means else self._samples
        rgb = reformatter.reformat(part, width=width, height=height, format="rgb24", interpolation=how, **self._options)
        return rgb.to_ndarray().astype(np.uint8, copy=False)

    def _cut(self, frame: VideoFrame, left: int, top: int, right: int, bottom: int) -> VideoFrame:
        where = (right - left, bottom - top, left, top)
        if self._filter is None or self._filter[0] != where:
            self._filter = where, _cutting(frame, *where)
        graph = self._filter[1]
        graph.push(frame)
        cut = graph.pull()
        assert isinstance(cut, VideoFrame)
        return cut

    def _rgb(self, frame: VideoFrame, reformatter: VideoReformatter) -> Pixels:
        rgb = reformatter.reformat(frame, format="rgb24", interpolation=self._interpolation, **self._options)
        return rgb.to_ndarray().astype(np.uint8, copy=False)


class StoredFrame:
    """One frame as it was decoded, [height, width, 3]: `frame[top:bottom, left:right]` gives the bytes of that part,
    the same as those of the whole frame. Whoever asks for a part does not pay for the rest.
    """

    grid = GRID
    """Shrunk parts begin on multiples of so many pixels."""

    def __init__(self, frame: VideoFrame, colours: Colours) -> None:
        self._frame, self._colours = frame, colours
        self.shape = (*colours.size, 3)

    def __getitem__(self, where: tuple[slice, slice]) -> Pixels:
        height, width = self._colours.size
        (top, bottom, _), (left, right, _) = where[0].indices(height), where[1].indices(width)
        if bottom <= top or right <= left:
            return np.empty((max(bottom - top, 0), max(right - left, 0), 3), np.uint8)
        return self._colours.part(self._frame, left, top, right, bottom)

    def whole(self) -> Pixels:
        """All of it, uint8 [height, width, 3]."""
        return self[:, :]

    def sampled(self, height: int, width: int) -> Pixels:
        """A small image of single pixels, evenly spread, uint8 [height, width, 3]."""
        box = (0, 0, self.shape[1], self.shape[0])
        return self._colours.small(self._frame, box, height, width, means=False)

    def shrunk(self, left: int, top: int, right: int, bottom: int, height: int, width: int) -> Pixels:
        """A part of it shrunk by area to uint8 [height, width, 3], at a tenth of the cost of all its pixels; `left` and
        `top` are even. Bytes differ by a few steps at coloured edges from those of `frame[...]` shrunk.
        """
        return self._colours.small(self._frame, (left, top, right, bottom), height, width, means=True)


def _cutting(frame: VideoFrame, width: int, height: int, left: int, top: int) -> Any:
    graph = av.filter.Graph()
    base = frame.time_base or Fraction(1, 1000)
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=base)
    crop = graph.add("crop", f"{width}:{height}:{left}:{top}:exact=1")
    sink = graph.add("buffersink")
    source.link_to(crop)
    crop.link_to(sink)
    graph.configure()
    return graph
