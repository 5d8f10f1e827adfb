"""Turning stored pixels into shown ones: orientation, transparency, depth."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ImageColor

from ..errors import ImageError

Pixels: TypeAlias = NDArray[np.uint8]
Colour: TypeAlias = tuple[int, int, int]
WHITE: Colour = (255, 255, 255)
BAND = 256  # rows


@dataclass(frozen=True)
class Orientation:
    """How a stored image is laid down to be shown: first transposed, then mirrored left-right and top-bottom."""

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
        """Clockwise degrees (0, 90, 180, 270) by which the stored image is turned, after any mirroring."""
        if self.transpose:
            return 90 if self.flip_x else 270
        return 180 if self.flip_y else 0

    def size(self, width: int, height: int) -> tuple[int, int]:
        """The shown (width, height) of a stored image."""
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


def straight_alpha(premultiplied: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """[H, W, n + 1] whose colours were multiplied by the last channel, all in 0..1, with the colours as they were."""
    alpha = premultiplied[..., -1:]
    colour = np.clip(premultiplied[..., :-1] / np.maximum(alpha, np.finfo(np.float32).tiny), 0, 1)
    return np.concatenate([colour, alpha], -1)


def reduced(picture: Pixels, most: int) -> Pixels:
    """uint8 [H, W], [H, W, 3] or straight [H, W, 4]: averaged over squares where it has more than `most` pixels."""
    height, width = picture.shape[:2]
    factor = math.ceil(math.sqrt(height * width / most))
    if factor <= 1:
        return picture
    size = (max(1, width // factor), max(1, height // factor))
    if picture.shape[-1] != 4:
        return cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    dimmed = cv2.resize(_premultiplied(picture), size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return (straight_alpha(dimmed) * 255 + 0.5).astype(np.uint8)


def _premultiplied(rgba: Pixels) -> Pixels:
    colour = cv2.multiply(rgba[..., :3], cv2.merge([rgba[..., 3]] * 3), scale=1 / 255)
    return np.dstack([colour, rgba[..., 3]]).astype(np.uint8, copy=False)


def as_bytes(picture: NDArray[Any], name: str, *, bits: int = 0) -> Pixels:
    """uint8 as it is; wider whole numbers scaled to 0..255 by the `bits` that they use (0: all that they have) and
    rounded; floats of 0..1 likewise, what is brighter cut off.

    Raises ImageError for NaN or Inf, for floats that are mostly above 1, and for numbers with a sign.
    """
    if picture.dtype == np.uint8 and bits in (0, 8):
        return picture
    if picture.dtype == np.bool_:
        return picture.astype(np.uint8) * np.uint8(255)
    if np.issubdtype(picture.dtype, np.unsignedinteger):
        most = 2 ** (bits or 8 * picture.dtype.itemsize) - 1
        return _in_bands(picture, lambda band: (band.astype(np.uint64) * 255 + most // 2) // most)
    if np.issubdtype(picture.dtype, np.floating):
        if not np.isfinite(picture).all():
            raise ImageError(f"expected finite pixels; {name} holds NaN or Inf. Export it again.")
        if np.count_nonzero(picture > 1) * 2 > picture.size:
            raise ImageError(
                f"expected float pixels of 0 to 1; most of those in {name} are above, up to {picture.max():g}. Divide "
                "them by the value of white, or export a 16-bit PNG."
            )
        return _in_bands(picture, lambda band: np.clip(band.astype(np.float32), 0, 1) * 255 + 0.5)
    raise ImageError(
        f"expected 8-bit, 16-bit or float pixels; {name} holds {picture.dtype}. Export it as a PNG or an ordinary TIFF."
    )


def _in_bands(picture: NDArray[Any], change: Callable[[NDArray[Any]], NDArray[Any]]) -> Pixels:
    """What `change` makes of some rows at a time: a large image needs no second of its width in memory."""
    out = np.empty(picture.shape, np.uint8)
    for top in range(0, len(picture), BAND):
        out[top : top + BAND] = change(picture[top : top + BAND])
    return out


def colour_named(text: str) -> Colour:
    """A colour by its name (CSS's: white, navy, ...) or as #rrggbb; raises ImageError for others."""
    try:
        red, green, blue = ImageColor.getrgb(text.strip())[:3]
    except ValueError as error:
        raise ImageError(f"expected a colour such as white, navy or #20b040; got {text!r}.") from error
    return red, green, blue


def check_colour(background: Sequence[int]) -> Colour:
    """A background as three numbers 0..255, or ImageError."""
    values = tuple(int(value) for value in background)
    if len(values) != 3 or not all(0 <= value <= 255 for value in values):
        raise ImageError(f"expected a background of three numbers 0..255; got {tuple(background)}.")
    return values[0], values[1], values[2]


def too_large(name: str, width: int, height: int, most: int) -> ImageError:
    """The error for an image that would fill the memory."""
    return ImageError(
        f"expected an image of at most {most / 1e6:.0f} megapixels; {name} has {width}x{height}, "
        f"{width * height / 1e6:.0f}. Reduce it first, to 4000 pixels on its longer side, say."
    )
