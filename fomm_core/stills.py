"""An image that is to move: its squares, encoded, in full resolution where detail is carried over, and what holds."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .animation import prepare_source
from .enlarging import Large, large_source
from .errors import ImageError
from .fitting import from_uint8, resize
from .options import FileOptions
from .prepared import PreparedSource
from .region import Region, crop_pixels
from .session import AnimationSession
from .video import holds_alpha, read_picture
from .video.pixels import WHITE, Pixels, over_background
from .whole import Canvas, FoundDriving, FoundSource
from .wording import setting

PathLike = str | os.PathLike[str]

SAME_SHAPE = 0.02
"""How far the aspects of an image and of its mask may be apart, as a share: roundings of a resized mask."""
MARKED = 0.5
"""What counts as white in a mask."""


@dataclass(frozen=True, eq=False)
class Found:
    """What is to be animated: the image uint8 [H, W, 3 or 4], and the squares that were found in it and in each clip.

    room: of the clips' squares, see `CropOptions`.
    """

    picture: Pixels
    source: FoundSource
    driving: tuple[FoundDriving, ...]
    room: float = 1.0

    @property
    def words(self) -> str:
        """In one line, for the user; empty where nothing was looked for."""
        words = [self.source.words, *(clip.words for clip in self.driving)]
        return "; ".join(part for part in words if part)


@dataclass(frozen=True, eq=False)
class Still:
    """What moves of an image uint8 [H, W, 3 or 4]: the sources for the model, one for each square that was found, or
    one for all of it; and the same in full resolution, None where that is not asked for or brings nothing.
    """

    picture: Pixels
    found: FoundSource
    sources: tuple[PreparedSource, ...]
    large: tuple[Large | None, ...]

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the first one's frames."""
        return self.sources[0].size if self.large[0] is None else self.large[0].size


def prepare_still(
    session: AnimationSession,
    picture: Pixels,
    found: FoundSource,
    options: FileOptions,
    warn: Callable[[str], None],
) -> Still:
    """Encode what was found in an image. Raises ImageError for a mask that does not fit it."""
    colour = tuple(value / 255 for value in options.background or WHITE)
    mask = None if options.hold is None else hold_mask(options.hold, picture.shape[0], picture.shape[1])
    regions: Sequence[Region | None] = found.regions or [None]
    if not options.crop.paste:
        regions = regions[:1]
    squares = [from_uint8(cropped(picture, region)) for region in regions]
    held = [None if mask is None else from_uint8(cropped(mask, region)) for region in regions]
    if mask is not None:
        _tell_of_mask(Path(os.fspath(options.hold or "")).name, held, warn)
    sources = tuple(
        prepare_source(session, square, size=options.size, mode=options.fit, background=colour, still=still)
        for square, still in zip(squares, held, strict=True)
    )
    large: list[Large | None] = [None] * len(sources)
    if options.detail is not None:
        large = [
            large_source(square, source, options.fit, options.detail)
            for square, source in zip(squares, sources, strict=True)
        ]
        if None in large:
            height, width = sources[large.index(None)].size
            warn(
                f"no detail is carried over: what moves of the image is no larger than the {width}x{height} that "
                f"the model makes. Choose a larger image, or a smaller {setting('size')}."
            )
    return Still(picture, found, sources, tuple(large))


def cropped(picture: Pixels, region: Region | None) -> Pixels:
    """One square of an image at its own resolution, or all of it."""
    return picture if region is None else crop_pixels(picture, region, round(float(region.side[0])))


def hold_mask(path: PathLike, height: int, width: int) -> Pixels:
    """A mask, white where a height x width image shall stand still, uint8 [height, width, 1]. Transparent is black.

    Raises ImageError for a mask of another shape than the image, or what `read_picture` does.
    """
    pixels = read_picture(path)
    if abs(pixels.shape[1] / pixels.shape[0] * height / width - 1) > SAME_SHAPE:
        raise ImageError(
            f"expected a mask of the image's shape, {width}x{height}; '{path}' is "
            f"{pixels.shape[1]}x{pixels.shape[0]}. Paint it over the whole image, not over a part of it."
        )
    light = pixels[..., :3].mean(-1)
    if pixels.shape[-1] == 4:
        light = light * (pixels[..., 3] / 255)
    layer: Tensor = torch.from_numpy(light.round().astype(np.uint8))[None, None]
    fitted = resize(layer, height, width).clamp(0, 1)
    return (fitted[0, 0, ..., None] * 255).round().to(torch.uint8).numpy()


def _tell_of_mask(name: str, held: Sequence[Tensor | None], warn: Callable[[str], None]) -> None:
    masks = [mask for mask in held if mask is not None]
    if all(float(mask.max()) < MARKED for mask in masks):
        warn(f"{name} is black where the image moves, so nothing is held still: white is what stands still.")
    elif all(float(mask.min()) >= MARKED for mask in masks):
        warn(f"{name} is white all over what would move, so nothing moves: black is what may move.")


def canvas_of(
    still: Still, output: PathLike, options: FileOptions, warn: Callable[[str], None]
) -> tuple[Canvas | None, bool]:
    """The whole image that the squares are laid into, and whether frames keep their alpha."""
    picture, regions = still.picture, still.found.regions
    is_clear = picture.shape[-1] == 4
    clear = is_clear and _stays_transparent(output, options, warn)
    if not regions or not options.crop.paste:
        return None, clear
    whole = picture if clear or not is_clear else over_background(picture, options.background or WHITE)
    return Canvas(whole, regions, options.crop.feather), clear


def _stays_transparent(output: PathLike, options: FileOptions, warn: Callable[[str], None]) -> bool:
    """Whether the frames of a transparent source keep their alpha."""
    if options.background is not None:
        return False
    if options.compare or not holds_alpha(output):
        warn(
            f"the source is transparent, and lies over white: "
            f"{'a comparison' if options.compare else Path(output).name} cannot be transparent. Choose a background, "
            "or write a .webm, a .mov, or a folder of PNG files."
        )
        return False
    return True
