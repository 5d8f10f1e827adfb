"""Decoded frames as the numbers that ComfyUI makes of them."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

IN_BYTES = frozenset({"yuvj420p", "yuvj422p", "yuvj444p", "rgb24", "rgba", "pal8"})
"""Pixel formats that are taken as RGB bytes; all others as floats."""
ALIGNED = 32
"""Widths of which FFmpeg's conversion to floats gives the same in each row; others are widened to one."""
ANY_TIME = Fraction(1, 1000)


def values_of(frame: av.VideoFrame) -> tuple[NDArray[np.float32], bool]:
    """[H, W, 3 or 4] float32 in 0..1, upright; and whether the fourth is opacity."""
    kind = frame.format.name
    has_alpha = kind == "pal8" or any(part.is_alpha for part in frame.format.components)
    if kind in IN_BYTES:
        values = np.asarray(frame.to_ndarray(format="rgba" if has_alpha else "rgb24"), np.float32) / np.float32(255)
    else:
        widened = _widened(frame) if frame.width % ALIGNED else frame
        whole = widened.to_ndarray(format="gbrapf32le" if has_alpha else "gbrpf32le")
        values = np.asarray(whole, np.float32)[: frame.height, : frame.width]
    return np.rot90(values, round(frame.rotation / 90)), has_alpha


def _widened(frame: av.VideoFrame) -> av.VideoFrame:
    """The last row and column repeated up to the next multiple."""
    width, height = (-(-side // ALIGNED) * ALIGNED for side in (frame.width, frame.height))
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base or ANY_TIME
    )
    pad = graph.add("pad", f"{width}:{height}:0:0")
    fill = graph.add(
        "fillborders", f"left=0:right={width - frame.width}:top=0:bottom={height - frame.height}:mode=smear"
    )
    sink = graph.add("buffersink")
    for before, after in ((source, pad), (pad, fill), (fill, sink)):
        before.link_to(after)
    graph.configure()
    source.push(frame)
    widened = sink.pull()
    assert isinstance(widened, av.VideoFrame)
    return widened
