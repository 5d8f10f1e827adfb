"""The image at work, as a small file for a driver that wants to show it."""

from __future__ import annotations

import time
from pathlib import Path

from torch import Tensor

from ...fomm_core.files import atomic_path
from ...fomm_core.fitting import to_uint8

LONGEST_SIDE = 512
PAUSE = 0.2
"""Seconds between two images, so that showing costs little."""


class PreviewFile:
    """Writes `preview.png` in a folder, each time over the one before, complete or not at all."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "preview.png"
        self._last = -PAUSE
        self._fresh = False

    def __call__(self, image: Tensor) -> None:
        """Show [3, H, W] in 0..1, made smaller where it is large; some are left out where they come fast."""
        if time.monotonic() - self._last < PAUSE:
            return
        from PIL import Image

        picture = Image.fromarray(to_uint8(image[None])[0])
        picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
        with atomic_path(self.path) as temporary:
            picture.save(temporary, compress_level=1)
        self._last, self._fresh = time.monotonic(), True

    def newest(self) -> Path | None:
        """The file where it holds an image that nobody was told of yet."""
        fresh, self._fresh = self._fresh, False
        return self.path if fresh else None
