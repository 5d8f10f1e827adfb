"""How much of a square covers the picture: 1 inside, a soft ramp to 0 at its sides."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import RegionError
from .region import Region
from .resampling import touched

DEFAULT_FEATHER = 0.1


def coverage(region: Region, feather: float = DEFAULT_FEATHER) -> tuple[tuple[int, int, int, int], Tensor]:
    """The box of whole pixels under one square, and its cover [h, w] float32 in 0..1 there.

    feather: width of the ramp inwards, as a share of the side, 0 (a hard edge) to 0.5. There is no ramp on an upright
    square's sides that lie on or over the picture's border.

    Raises RegionError for a feather outside 0..0.5.
    """
    check_feather(feather)
    left, top, right, bottom = touched(region, margin=0)
    x = torch.arange(left, right, dtype=torch.float64) + 0.5 - region.centre[0, 0]
    y = torch.arange(top, bottom, dtype=torch.float64) + 0.5 - region.centre[0, 1]
    side, angle = region.side[0], region.angle[0]
    if float(angle) == 0:
        open_sides = _open_sides(region)
        across, down = _ramp(x, side, feather, open_sides[:2]), _ramp(y, side, feather, open_sides[2:])
        return (left, top, right, bottom), torch.minimum(across.float()[None], down.float()[:, None])
    cos, sin = angle.cos(), angle.sin()
    along = (x * cos).float() + (y * sin).float()[:, None]
    down = (y * cos).float()[:, None] - (x * sin).float()
    inwards = float(side / 2) - torch.maximum(along.abs_(), down.abs_())  # from the nearest side
    return (left, top, right, bottom), _soft(inwards, float(side) * feather)


def check_feather(feather: float) -> None:
    """Raises RegionError for a feather outside 0..0.5."""
    if not 0 <= feather <= 0.5:
        raise RegionError(f"expected a feather of 0 to 0.5 of the region's side; got {feather}")


def _open_sides(region: Region) -> tuple[bool, bool, bool, bool]:
    """Whether left, right, top and bottom of one upright square need a ramp."""
    left, top, right, bottom = region.bounds()[0].tolist()
    return left > 0, right < region.width, top > 0, bottom < region.height


def _ramp(position: Tensor, side: Tensor, feather: float, open_sides: tuple[bool, ...]) -> Tensor:
    """Cover by the distance of `position` (0 in the middle) from the two sides it lies between."""
    cover = (position.abs() < side / 2).to(position.dtype)
    for sign, is_open in zip((-1, 1), open_sides, strict=True):
        if is_open:
            cover = torch.minimum(cover, _soft(side / 2 - sign * position, float(side) * feather))
    return cover


def _soft(inwards: Tensor, ramp: float) -> Tensor:
    """0 at a side, 1 where it is `ramp` pixels away and more, smoothly between."""
    if ramp <= 0:
        return (inwards > 0).to(inwards.dtype)
    share = (inwards / ramp).clamp_(0, 1)
    return share * share * (3 - 2 * share)


def region_mask(region: Region, feather: float = 0.0) -> Tensor:
    """The squares as masks over the whole image, [T, height, width] float32: 1 inside, 0 outside."""
    masks = torch.zeros(len(region), *region.size)
    for frame in range(len(region)):
        (left, top, right, bottom), cover = coverage(region[frame], feather)
        masks[frame, top:bottom, left:right] = cover
    return masks
