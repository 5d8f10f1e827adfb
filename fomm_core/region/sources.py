"""Where a region comes from: numbers, the middle, a mask, points, keypoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import torch
from torch import Tensor

from ..errors import RegionError
from ..geometry import Keypoints
from .boxes import bridged, region_of_boxes
from .matrices import moved_points, whole_from_crop
from .region import Region


@dataclass(frozen=True)
class Framing:
    """How a model wants to see what it animates: `share` of the crop's side, centred at (x, y) of it in 0..1.

    Raises:
        RegionError: a share that is not above 0 and at most 1, or a place outside the crop.
    """

    share: float
    x: float = 0.5
    y: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1 or not 0 <= self.x <= 1 or not 0 <= self.y <= 1:
            raise RegionError(f"expected a share above 0 and at most 1, at x and y of 0 to 1; got {self}")


FRAMINGS: Mapping[str, Framing] = MappingProxyType(
    {
        "vox": Framing(0.60, 0.49, 0.54),
        "demo": Framing(0.50, 0.46, 0.56),
    }
)
"""Where faces lie in the clips that models of heads were trained on; a face's box is meant (`faces.Face.box`)."""


def region_at(
    x: float | Sequence[float] | Tensor,
    y: float | Sequence[float] | Tensor,
    side: float | Sequence[float] | Tensor,
    angle: float | Sequence[float] | Tensor = 0.0,
    *,
    height: int,
    width: int,
    times: Tensor | None = None,
) -> Region:
    """A region by numbers: its centre and side in pixels of the whole image, its angle in radians clockwise.

    Each is one number or one for each frame.

    Raises:
        RegionError: as `Region` does, or numbers for differently many frames.
    """
    values = [torch.as_tensor(value, dtype=torch.float64).reshape(-1) for value in (x, y, side, angle)]
    counts = {len(value) for value in values} - {1}
    if len(counts) > 1:
        raise RegionError(f"expected one number or one for each frame; got {[len(value) for value in values]}")
    across, down, sides, angles = torch.broadcast_tensors(*values)
    return Region(torch.stack((across, down), 1), sides, angles, height, width, times)


def region_middle(height: int, width: int) -> Region:
    """The largest square in the middle, on whole pixels: what `fit(mode="crop")` shows."""
    side = min(height, width)
    return region_at((width - side) // 2 + side / 2, (height - side) // 2 + side / 2, side, height=height, width=width)


def region_of_mask(
    mask: Tensor,
    *,
    scale: float = 1.0,
    threshold: float = 0.5,
    moving: bool = False,
    times: Tensor | None = None,
) -> Region:
    """The square around what is marked in a mask [H, W] or [T, H, W], with `scale` times its longer side.

    moving: one square for each frame, bridged where a frame marks nothing; otherwise one square around all frames.
    threshold: a pixel is marked where the mask is at least this (a soft edge or a haze does not count).

    Raises:
        RegionError: a mask of another shape, with NaN, or that marks nothing anywhere.
    """
    masks = mask[None] if mask.ndim == 2 else mask
    if masks.ndim != 3 or 0 in masks.shape:
        raise RegionError(f"expected a mask [H, W] or [T, H, W]; got {list(mask.shape)}")
    if not bool(torch.isfinite(masks).all()):
        raise RegionError("expected a mask of finite numbers; got NaN or Inf")
    height, width = masks.shape[-2:]
    marked = masks >= threshold
    if not moving:
        marked = marked.any(0, keepdim=True)
    boxes = torch.full((len(marked), 4), torch.nan, dtype=torch.float64)
    for frame, pixels in enumerate(marked.cpu()):
        rows, columns = pixels.any(1).nonzero()[:, 0], pixels.any(0).nonzero()[:, 0]
        if len(rows):
            left, top = int(columns[0]), int(rows[0])
            boxes[frame] = torch.tensor([left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top])
    if not bool(boxes.isfinite().any()):
        raise RegionError(
            f"expected a mask that marks something; none of its values reach {threshold:g}. Paint it again."
        )
    return region_of_boxes(bridged(boxes), height, width, scale=scale, times=times if moving else None)


def framed(region: Region, framing: Framing) -> Region:
    """The larger squares in which those of `region` (a face's, say) lie as `framing` says, turned as they are."""
    side = region.side / framing.share
    across, down = (0.5 - framing.x) * side, (0.5 - framing.y) * side
    cos, sin = region.angle.cos(), region.angle.sin()
    centre = region.centre + torch.stack((across * cos - down * sin, across * sin + down * cos), 1)
    return replace(region, centre=centre, side=side)


def region_of_keypoints(keypoints: Keypoints, inside: Region, framing: Framing) -> Region:
    """A second, better crop: squares in which the extent of the model's own keypoints lies as `framing` says.

    keypoints: T frames, as found in the crops of `inside` (one square or T).
    framing: of the extent of all keypoints in the clips that the model was trained on.

    Raises:
        RegionError: a region of another number of frames, or keypoints that all lie in one place or are not finite.
    """
    inside = inside.frames(len(keypoints))
    # corner-aligned -1..1 are the outermost pixels' centres; that they are half a pixel inside is left out
    position = (keypoints.position.detach().to("cpu", torch.float64) + 1) / 2
    low, high = position.amin(1), position.amax(1)
    centre = moved_points(whole_from_crop(inside, 1), ((low + high) / 2)[:, None])[:, 0]
    extent = replace(inside, centre=centre, side=(high - low).amax(1) * inside.side)
    return framed(extent, framing)
