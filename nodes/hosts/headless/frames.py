"""Decoded video frames as images, with the numbers that ComfyUI 0.33 gives them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import numpy as np
import torch
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from torch import Tensor

from .encoding import SRGB, STATED

BYTES = frozenset({"yuvj420p", "yuvj422p", "yuvj444p", "rgb24", "rgba", "pal8"})
"""Formats whose images have 8 bits; all others are converted in floating point."""

ANY_TIME = Fraction(1, 1000)
GROUP = 32
"""FFmpeg's converter works on so many columns at once; a rest of fewer comes out differently from call to call."""


class Pictures:
    """Turns the frames of one stream into images, float32 in 0..1, upright."""

    def __init__(self) -> None:
        self._filled: dict[tuple[int, int, str], tuple[Any, Any, Graph]] = {}

    def of(self, frame: VideoFrame) -> Tensor:
        """A frame's colours, [H, W, 3]."""
        return self.with_alpha(frame)[..., :3]

    def with_alpha(self, frame: VideoFrame) -> Tensor:
        """The same, and its alpha where its format has one: [H, W, 3 or 4]."""
        name = frame.format.name
        has_alpha = name == "pal8" or any(component.is_alpha for component in frame.format.components)
        if name in BYTES:
            picture: np.ndarray = frame.to_ndarray(format="rgba" if has_alpha else "rgb24").astype(np.float32) / 255.0
        else:
            whole = self._wide(frame) if frame.width % GROUP else frame
            picture = whole.to_ndarray(format="gbrapf32le" if has_alpha else "gbrpf32le")
            picture = picture[: frame.height, : frame.width]
        turns = round((getattr(frame, "rotation", 0) or 0) / 90)
        return torch.from_numpy(np.ascontiguousarray(np.rot90(picture, turns)))

    def _wide(self, frame: VideoFrame) -> VideoFrame:
        """The frame with its last column and row repeated, to whole groups."""
        key = (frame.width, frame.height, frame.format.name)
        if key not in self._filled:
            self._filled[key] = _filling(frame)
        source, sink, _ = self._filled[key]
        source.push(frame)
        return sink.pull()


def _filling(frame: VideoFrame) -> tuple[Any, Any, Graph]:
    right, bottom = -frame.width % GROUP, -frame.height % GROUP
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base or ANY_TIME
    )
    steps = [
        graph.add("pad", f"width={frame.width + right}:height={frame.height + bottom}"),
        graph.add("fillborders", f"right={right}:bottom={bottom}:mode=smear"),
        graph.add("buffersink"),
    ]
    for step, follower in zip((source, *steps), steps, strict=False):
        step.link_to(follower)
    graph.configure()
    return source, steps[-1], graph


def depth_and_space(container: av.container.InputContainer) -> tuple[int, str]:
    """The bits of each colour, and the colour space, as the first video stream states them."""
    if not container.streams.video:
        return 8, SRGB
    stream: VideoStream = container.streams.video[0]
    depth = max((component.bits for component in stream.format.components), default=8) if stream.format else 8
    return depth, STATED.get(int(stream.color_trc or 0), SRGB)
