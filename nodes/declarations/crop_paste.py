"""Crop Region and Paste Back: from the whole picture to what the model sees, and back again."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...fomm_core.errors import ImageError
from ...fomm_core.fitting import resize
from ...fomm_core.region import DEFAULT_FEATHER, Region, crop, paste, region_mask
from ..spec import (
    FLOAT,
    IMAGE,
    INT,
    MASK,
    MODEL,
    VIDEO,
    Absent,
    Host,
    NodeSpec,
    category,
    decimal,
    integer,
    socket,
    switch,
)
from .border import images_from_graph, images_to_graph
from .clips import READ_AT_ONCE, at_constant_rate, open_clip
from .region_ports import PICTURES_IN, REGION_IN, even_frames, part_of, rate_of_clip, too_large


def _crop(host: Host, images: Any, region: Region, crop_size: int, model: Any) -> tuple[Any, ...]:
    size = crop_size or _size_for(region, model)
    moving = len(region) > 1
    crops: list[Tensor] = []
    done = 0
    with open_clip(host, images, "images") as clip:
        for frames in even_frames(clip) if moving else clip.batches(READ_AT_ONCE):
            part = crop(frames, part_of(region, done, len(frames)), size)
            crops.append(images_to_graph(part).cpu())
            done += len(frames)
            host.progress(done, max(done, clip.length or 0), part[-1])
        if not crops:
            raise ImageError("“images”: expected a clip with at least one frame; got none. Check the video.")
        if moving:
            region.frames(done)
        made = torch.cat(crops) if moving else at_constant_rate(torch.cat(crops), clip)
        return made, region, float(rate_of_clip(clip)), size


def _size_for(region: Region, model: Any) -> int:
    """The side of crops in pixels: the model's, or that of the square itself, even."""
    if model is not None:
        return max(model.model.config.auto_size())
    return max(2, 2 * round(float(region.side.median()) / 2))


def _paste(
    host: Host,
    frames: Tensor,
    region: Region,
    whole: Any,
    feather: float,
    linear_light: bool,
    mask: Tensor | None,
) -> tuple[Any, ...]:
    crops = images_from_graph(frames, "frames")
    wholes = _pictures(host, whole)
    count = _count(len(crops), len(wholes))
    region.check_size(*wholes.shape[1:3])
    region = region if len(region) == 1 else region.frames(count)
    limits = None if mask is None else limits_of(mask, region, crops.shape[-1], count)
    result = wholes.new_empty(count, *wholes.shape[1:])
    for i in range(count):
        base = wholes[min(i, len(wholes) - 1)]
        result[i] = base
        colour = base[..., :3].movedim(-1, 0)[None]
        laid = paste(
            colour,
            crops[min(i, len(crops) - 1)][None],
            part_of(region, i, 1),
            feather=feather,
            mask=None if limits is None else limits[min(i, len(limits) - 1)][None],
            linear=linear_light,
        )
        result[i, ..., :3] = laid[0].movedim(0, -1)
        host.progress(i + 1, count, laid[0].clamp(0, 1))
    return result, _pasted(region, feather, limits, crops.shape[-1])


def _pictures(host: Host, whole: Any) -> Tensor:
    """The whole picture or clip as IMAGE [B, H, W, 3 or 4], not a number of it changed."""
    if isinstance(whole, Tensor):
        if whole.ndim != 4 or 0 in whole.shape or whole.shape[-1] not in (3, 4):
            return images_to_graph(images_from_graph(whole, "whole"))
        return whole.float().cpu()
    with open_clip(host, whole, "whole") as clip:
        read = [images_to_graph(part) for part in clip.batches(READ_AT_ONCE)]
        if not read:
            raise ImageError("“whole”: expected a clip with at least one frame; got none. Check the video.")
        return at_constant_rate(torch.cat(read), clip)


def _count(frames: int, wholes: int) -> int:
    if frames != wholes and 1 not in (frames, wholes):
        raise ImageError(
            f"expected one whole picture, or one for each frame; got {frames} frames and {wholes} whole pictures. Cut "
            "both to the same length."
        )
    return max(frames, wholes)


def limits_of(mask: Tensor, region: Region, size: int, count: int) -> Tensor:
    """A MASK over the crop or the whole picture as [1 or count, size, size]."""
    masks = mask.float().cpu() if mask.ndim == 3 else mask.float().cpu()[None]
    if masks.ndim != 3 or 0 in masks.shape or len(masks) not in (1, count):
        raise ImageError(f"“mask”: expected one mask, or one for each of {count} frames; got {list(mask.shape)}.")
    if not bool(torch.isfinite(masks).all()):
        raise ImageError("“mask”: expected finite numbers; got NaN or Inf.")
    masks = masks.clamp(0, 1)[:, None]
    height, width = masks.shape[-2:]
    if (height, width) == region.size and (height, width) != (size, size):
        whole = masks if len(region) == 1 else masks.expand(count, -1, -1, -1)
        return crop(whole, region, size)[:, 0]
    if height != width:
        raise ImageError(
            f"“mask”: expected a mask of the frames, {size}x{size}, or of the whole picture, "
            f"{region.width}x{region.height}; got {width}x{height}."
        )
    return resize(masks, size, size)[:, 0]


def _pasted(region: Region, feather: float, limits: Tensor | None, size: int) -> Tensor | Absent:
    """MASK [B, H, W] of how much of each pixel is pasted."""
    if limits is None:
        problem = too_large(len(region), *region.size)
        return problem if problem is not None else region_mask(region, feather)
    count = max(len(region), len(limits))
    if (problem := too_large(count, *region.size)) is not None:
        return problem
    black, white = torch.zeros(1, 1, *region.size), torch.ones(1, 1, size, size)
    masks = torch.empty(count, *region.size)
    for i in range(count):
        limit = limits[min(i, len(limits) - 1)][None]
        masks[i] = paste(black, white, part_of(region, i, 1), feather=feather, mask=limit)[0, 0]
    return masks


WHOLE_IN = socket(
    "whole",
    (IMAGE, VIDEO),
    "whole",
    "Where it is pasted: the whole picture, or the clip with as many frames.",
)
FEATHER_IN = decimal(
    "feather",
    "feather",
    "Width of the soft edge, as a share of the square's side. There is none where the square ends at the picture's "
    "border.",
    default=DEFAULT_FEATHER,
    minimum=0.0,
    maximum=0.5,
)
LINEAR_IN = switch(
    "linear_light",
    "linear light",
    "Mix light rather than numbers in the soft edge, so that it does not darken between bright and dark.",
    default=True,
    advanced=True,
)
MASK_IN = socket(
    "mask",
    MASK,
    "mask",
    "Paste only where it is white: a mask of the frames or of the whole picture, one or one for each frame.",
    optional=True,
)

CROP_REGION = NodeSpec(
    id="FOMM_CropRegion",
    title="Crop Region",
    category=category("Region"),
    description="Cuts the square out of a picture, or out of each frame of a clip, at the size that the model wants.",
    aliases=("fomm", "crop face", "crop by box", "cut out", "square crop"),
    inputs=(
        PICTURES_IN,
        REGION_IN,
        integer(
            "crop_size",
            "crop size",
            "Sides of the crop in pixels. 0: as the connected model works; without a model, as large as the square is.",
            default=0,
            minimum=0,
            maximum=4096,
        ),
        socket("model", MODEL, "model", "For crop size 0: the model that will see the crop.", optional=True),
    ),
    outputs=(
        socket("crops", IMAGE, "images", "The crops."),
        socket("cropped", REGION_IN.types, "region", "The region as it came in, for Paste Back."),
        socket("fps", FLOAT, "fps", "Frames per second of a video; 25 of pictures."),
        socket("side", INT, "size", "Sides of the crops in pixels."),
    ),
    run=_crop,
)

PASTE_BACK = NodeSpec(
    id="FOMM_PasteBack",
    title="Paste Back",
    category=category("Region"),
    description="Lays frames back into the whole picture or clip that they were cut out of, with a soft edge.",
    aliases=("fomm", "uncrop", "stitch", "composite", "put back", "blend"),
    inputs=(
        socket(
            "frames", IMAGE, "frames", "What is pasted: square pictures of any size, from Animate or a later block."
        ),
        REGION_IN,
        WHOLE_IN,
        FEATHER_IN,
        LINEAR_IN,
        MASK_IN,
    ),
    outputs=(
        socket("images", IMAGE, "images", "The whole pictures. Outside of the square they are as they were."),
        socket("pasted", MASK, "mask", "White where it was pasted, grey in the soft edge."),
    ),
    run=_paste,
)

SPECS = (CROP_REGION, PASTE_BACK)
