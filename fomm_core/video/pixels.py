"""Turning stored pixels into shown ones: orientation, transparency, depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError

Pixels: TypeAlias = NDArray[np.uint8]
Colour: TypeAlias = tuple[int, int, int]
WHITE: Colour = (255, 255, 255)


@dataclass(frozen=True)
class Orientation:
    """How a stored picture is laid down to be shown: first transposed, then mirrored left-right and top-bottom."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @classmethod
    def from_exif(cls, code: int) -> Orientation:
        """The meaning of EXIF tag 274 (1 to 8; anything else is upright)."""
        return {
            2: cls(flip_x=True),
            3: cls(flip_x=True, flip_y=True),
            4: cls(flip_y=True),
            5: cls(transpose=True),
            6: cls(transpose=True, flip_x=True),
            7: cls(transpose=True, flip_x=True, flip_y=True),
            8: cls(transpose=True, flip_y=True),
        }.get(code, cls())

    @classmethod
    def from_display_matrix(cls, matrix: Sequence[int]) -> Orientation:
        """The quarter turn nearest to a container's display matrix (a, b, u, c, d, v, x, y, w).

        A stored point (p, q) is shown at (a p + c q, b p + d q), x to the right and y down.
        """
        a, b, _, c, d = matrix[:5]
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return cls(flip_x=a < 0, flip_y=d < 0)
        return cls(transpose=True, flip_x=c < 0, flip_y=b < 0)

    @property
    def rotation(self) -> int:
        """Clockwise degrees (0, 90, 180, 270) by which the stored picture is turned, after any mirroring."""
        if self.transpose:
            return 90 if self.flip_x else 270
        return 180 if self.flip_y else 0

    def size(self, width: int, height: int) -> tuple[int, int]:
        """The shown (width, height) of a stored picture."""
        return (height, width) if self.transpose else (width, height)

    def apply(self, picture: NDArray[Any]) -> NDArray[Any]:
        """[H, W, ...] as stored to [H', W', ...] as shown."""
        if self.transpose:
            picture = picture.swapaxes(0, 1)
        picture = picture[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]
        return np.ascontiguousarray(picture)


def over_background(rgba: Pixels, background: Colour) -> Pixels:
    """Lay straight-alpha uint8 [H, W, 4] over one colour; returns [H, W, 3]."""
    alpha = rgba[..., 3:].astype(np.uint16)
    if alpha.min(initial=255) == 255:
        return np.ascontiguousarray(rgba[..., :3])
    behind = np.asarray(background, np.uint16)
    return ((rgba[..., :3] * alpha + behind * (255 - alpha) + 127) // 255).astype(np.uint8)


def as_bytes(picture: NDArray[Any], name: str) -> Pixels:
    """uint8 as it is; uint16 0..65535 and float 0..1 scaled to 0..255 and rounded. Raises ImageError for NaN or Inf."""
    if picture.dtype == np.uint8:
        return picture
    if picture.dtype == np.uint16:
        return ((picture.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    if np.issubdtype(picture.dtype, np.floating):
        if not np.isfinite(picture).all():
            raise ImageError(f"expected finite pixels; {name} holds NaN or Inf. Export it again.")
        return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
    raise ImageError(f"expected 8-bit, 16-bit or float pixels; {name} holds {picture.dtype}. Export it as a PNG.")


def check_colour(background: Sequence[int]) -> Colour:
    """A background as three numbers 0..255, or ImageError."""
    values = tuple(int(value) for value in background)
    if len(values) != 3 or not all(0 <= value <= 255 for value in values):
        raise ImageError(f"expected a background of three numbers 0..255; got {tuple(background)}.")
    return values[0], values[1], values[2]
