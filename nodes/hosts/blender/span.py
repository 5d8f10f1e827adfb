"""Which frames of a file a strip shows, and where on the timeline. No bpy: plain numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

TOLERANCE = 1e-4
"""Of a frame; Blender keeps offsets and rates as 32-bit floats."""


class StripError(ValueError):
    """The strips at hand can't be used, with what to do instead."""


@dataclass(frozen=True)
class Clip:
    """A stretch of a file's frames on the timeline.

    first, count: the file's frames [first, first + count).
    per_frame: how many of them go by in one frame of the scene; 1 where the strip shows one after the other.
    start, end: the timeline's frames [start, end) in which they are seen.
    """

    first: int
    count: int
    per_frame: float
    start: int
    end: int

    @property
    def is_plain(self) -> bool:
        """Whether each frame of the scene shows the file's next frame."""
        return abs(self.per_frame - 1) < TOLERANCE

    def rate(self, fps: float) -> float:
        """Frames per second at which a result, resampled from a file with `fps`, has one for each of the scene's."""
        return fps / self.per_frame

    def seconds(self, fps: float) -> tuple[float, float]:
        """(start, duration) in the file, half a frame early, so that rounding can't shift it."""
        start = max(0.0, self.first - 0.5) / fps
        return start, (self.first + self.count - 0.5) / fps - start


def clip_of(
    media: int, offset: int, content: float, per_frame: float, visible: tuple[int, int], name: str = "the strip"
) -> Clip:
    """The frames that a strip shows.

    Args:
        media: frames in the file. offset: of them are cut off at the front for good.
        content: where on the timeline the first that is left lies.
        per_frame: see `Clip`.
        visible: the strip's span [start, end) on the timeline; it may reach beyond the content on both sides, where
            Blender holds the first or last frame.

    Raises:
        StripError: None of the file's frames lies in the span.
    """
    left = media - offset
    start = max(visible[0], math.ceil(content - TOLERANCE))
    end = min(visible[1], math.floor(content + left / per_frame + TOLERANCE))
    if end <= start:
        raise StripError(
            f"“{name}” shows only its held first or last frame here. Move its handles so that it shows moving frames."
        )
    exact = (start - content) * per_frame
    first = math.floor(exact + TOLERANCE)
    last = math.ceil(exact + (end - start - 1) * per_frame - TOLERANCE)
    needed = max(last - first + 1, math.ceil((end - start) * per_frame - TOLERANCE))
    return Clip(offset + first, min(needed, left - first), per_frame, start, end)


def pace(media: int, offset: int, length: float, fps: float, scene_fps: float) -> float | None:
    """How many of a movie's frames go by in one of the scene's, from the length that its content has on the timeline:
    1 frame by frame, fps / scene_fps where Blender plays it at its own rate; None where it is neither.
    """
    left = media - offset
    for candidate in (1.0, fps / scene_fps if scene_fps > 0 else 1.0):
        if abs(left / candidate - length) <= 1 + TOLERANCE:
            return candidate
    return None
