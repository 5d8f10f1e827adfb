"""How much a stranger's graph may ask for."""

from __future__ import annotations

from dataclasses import dataclass

from ....fomm_core.errors import FommError


class LimitError(FommError):
    """A graph asks for more than it was allowed."""


@dataclass(frozen=True)
class Limits:
    """What a graph may ask for.

    frames: of one clip. pixels: of one image. held: frames times pixels of one batch of images in memory.
    """

    frames: int = 20_000
    pixels: int = 64_000_000
    held: int = 1 << 30

    def check(self, frames: int, height: int = 1, width: int = 1) -> None:
        """Raise LimitError where a batch [frames, height, width] is too much."""
        if frames > self.frames:
            raise LimitError(f"expected at most {self.frames} frames; this graph wants {frames}. Raise --max-frames.")
        if height * width > self.pixels:
            raise LimitError(
                f"expected at most {self.pixels} pixels; this graph wants {width}x{height}. Raise --max-pixels."
            )
        if frames * height * width > self.held:
            raise LimitError(
                f"expected at most {self.held} pixels in memory; this graph wants {frames} frames of {width}x{height} "
                "at once. Use Animate to Video, which streams, or smaller images."
            )
