"""Crop Region and Paste Back: from the whole image to what the model sees, and back again."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...fomm_core.errors import ImageError
from ...fomm_core.fitting import resize
from ...fomm_core.region import DEFAULT_FEATHER, Paster, Region, crop, paste, region_mask
from ..spec import (
    FLOAT,
    IMAGE,
    INT,
    MASK,
    MODEL,
    VIDEO,
    Absent,
    FrameStream,
    Host,
    NodeSpec,
    category,
    choice,
    decimal,
    integer,
    socket,
    switch,
)
from .border import images_from_graph, images_to_graph
from .clips import READ_AT_ONCE, at_constant_rate, open_clip, part_of, rate_of_clip, squares
from .region_ports import PICTURES_IN, REGION_IN, too_large
from .several import Regions, each, rows_of
from .source_clip import MISMATCHES, STOP, played


def _crop(host: Host, images: Any, region: Regions, crop_size: int, model: Any) -> tuple[Any, ...]:
    faces = each(region)
    size = crop_size or size_for(region, model)
    crops: list[Tensor] = []
    with open_clip(host, images, "images") as clip:
        for number, face in enumerate(faces):
            part = _crop_of(host, clip, face, size, (number, len(faces)))
            crops.append(part if len(face) > 1 else at_constant_rate(part, clip))
        return torch.cat(crops), region, float(rate_of_clip(clip)), size


def _crop_of(host: Host, clip: FrameStream, region: Region, size: int, face: tuple[int, int]) -> Tensor:
    """The crops of one of so many faces, [T, size, size, 3]."""
    crops: list[Tensor] = []
    done, (before, faces) = 0, face
    for part in squares(clip, region, size, even=len(region) > 1):
        crops.append(images_to_graph(part).cpu())
        done += len(part)
        total = max(done, clip.length or 0)
        host.progress(before * total + done, faces * total, part[-1])
    if not crops:
        raise ImageError("“images”: expected a clip with at least one frame; got none. Check the video.")
    return torch.cat(crops)


def size_for(region: Regions, model: Any = None) -> int:
    """The side of crops in pixels: the model's, or that of the square itself, even; of several, of the largest."""
    if model is not None:
        return max(model.model.config.auto_size())
    return max(max(2, 2 * round(float(face.side.median()) / 2)) for face in each(region))


def _paste(
    host: Host,
    frames: Tensor,
    region: Regions,
    whole: Any,
    feather: float,
    linear_light: bool,
    mask: Tensor | None,
    mismatch: str,
) -> tuple[Any, ...]:
    faces = each(region)
    crops = per_face(images_from_graph(frames, "frames"), len(faces))
    wholes = _pictures(host, whole)
    order = _order(len(crops[0]), len(wholes), mismatch)
    count = len(order)
    result = wholes[order]
    pasted: Tensor | Absent | None = None
    for number, (face, squares_of_face) in enumerate(zip(faces, crops, strict=True)):
        face.check_size(*wholes.shape[1:3])
        if len(face) > 1:
            face = rows_of(face, order) if len(face) == len(wholes) else face.frames(count)
        limits = None if mask is None else limits_of(mask, face, squares_of_face.shape[-1], count)
        paster = Paster(face, feather=feather, linear=linear_light)
        for i in range(count):
            picture = result[i, ..., :3]
            paster(
                picture.numpy(),
                squares_of_face[min(i, len(squares_of_face) - 1)].movedim(0, -1).numpy(),
                i,
                mask=None if limits is None else limits[min(i, len(limits) - 1)].numpy(),
                in_place=True,
            )
            host.progress(number * count + i + 1, len(faces) * count, picture.movedim(-1, 0))
        pasted = _united(pasted, _pasted(face, feather, limits, squares_of_face.shape[-1]))
    return result, pasted


def per_face(frames: Tensor, faces: int) -> tuple[Tensor, ...]:
    """Frames [faces * T, ...], one face after the other, in as many equal parts."""
    if len(frames) % faces:
        raise ImageError(
            f"“frames”: expected as many for each of the {faces} faces, one face after the other; got {len(frames)}."
        )
    return frames.split(len(frames) // faces)


def _united(one: Tensor | Absent | None, other: Tensor | Absent) -> Tensor | Absent:
    if one is None or isinstance(other, Absent):
        return other
    return one if isinstance(one, Absent) else torch.maximum(one, other)


def _pictures(host: Host, whole: Any) -> Tensor:
    """The whole image or clip as IMAGE [B, H, W, 3 or 4], not a number of it changed."""
    if isinstance(whole, Tensor):
        if whole.ndim != 4 or 0 in whole.shape or whole.shape[-1] not in (3, 4):
            return images_to_graph(images_from_graph(whole, "whole"))
        return whole.float().cpu()
    with open_clip(host, whole, "whole") as clip:
        read = [images_to_graph(part) for part in clip.batches(READ_AT_ONCE)]
        if not read:
            raise ImageError("“whole”: expected a clip with at least one frame; got none. Check the video.")
        return at_constant_rate(torch.cat(read), clip)


def _order(frames: int, wholes: int, mismatch: str) -> list[int]:
    """The whole image that belongs to each frame of the result."""
    if wholes == 1:
        return [0] * frames
    if frames == 1:
        return list(range(wholes))
    if frames != wholes and mismatch == STOP:
        raise ImageError(
            f"expected one whole image, or one for each frame; got {frames} frames and {wholes} whole images. Cut "
            "both to the same length, or choose what to do in mismatch: looped, held or ping-pong."
        )
    return played(wholes, frames, mismatch)


def limits_of(mask: Tensor, region: Region, size: int, count: int) -> Tensor:
    """A MASK over the crop or the whole image as [1 or count, size, size]."""
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
            f"“mask”: expected a mask of the frames, {size}x{size}, or of the whole image, "
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
    "What to paste into: the whole image, or a clip with as many frames.",
)
FEATHER_IN = decimal(
    "feather",
    "feather",
    (
        "Width of the soft edge, as a share of the square's side. There is none where the square meets the border "
        "of the image."
    ),
    default=DEFAULT_FEATHER,
    minimum=0.0,
    maximum=0.5,
)
MISMATCH_IN = choice(
    "mismatch",
    "mismatch",
    (
        "What to do if the whole clip has another number of frames. stop: report an error. Otherwise the result is "
        "as long as the frames: a longer clip is cut, and a shorter one continues looped, held at its last image, "
        "or ping-pong, back and forth."
    ),
    MISMATCHES,
    advanced=True,
)
LINEAR_IN = switch(
    "linear_light",
    "linear light",
    "Blend light rather than pixel values in the soft edge, so that it does not darken between bright and dark.",
    default=True,
    advanced=True,
)
MASK_IN = socket(
    "mask",
    MASK,
    "mask",
    "Paste only where the mask is white: a mask of the frames or of the whole image; one, or one for each frame.",
    optional=True,
)

CROP_REGION = NodeSpec(
    id="FOMM_CropRegion",
    title="Crop Region",
    category=category("Region"),
    description="Crops the square from an image, or from each frame of a clip, at the size that the model expects.",
    aliases=("fomm", "crop face", "crop by box", "cut out", "square crop"),
    inputs=(
        PICTURES_IN,
        REGION_IN,
        integer(
            "crop_size",
            "crop size",
            (
                "Sides of the crop in pixels. 0: the connected model's working size; without a model, the size of "
                "the square."
            ),
            default=0,
            minimum=0,
            maximum=4096,
        ),
        socket("model", MODEL, "model", "For crop size 0: the model that will see the crop.", optional=True),
    ),
    outputs=(
        socket("crops", IMAGE, "images", "The crops."),
        socket("cropped", REGION_IN.types, "region", "The same region, for Paste Back."),
        socket("fps", FLOAT, "fps", "Frames per second of a video; 25 for images."),
        socket("side", INT, "size", "Sides of the crops in pixels."),
    ),
    run=_crop,
)

PASTE_BACK = NodeSpec(
    id="FOMM_PasteBack",
    title="Paste Back",
    category=category("Region"),
    description="Pastes frames back into the whole image or clip that they were cropped from, with a soft edge.",
    aliases=("fomm", "uncrop", "stitch", "composite", "put back", "blend"),
    inputs=(
        socket("frames", IMAGE, "frames", "What to paste: square images of any size, from Animate or a later block."),
        REGION_IN,
        WHOLE_IN,
        FEATHER_IN,
        LINEAR_IN,
        MASK_IN,
        MISMATCH_IN,
    ),
    outputs=(
        socket("images", IMAGE, "images", "The whole images. Outside the square they are unchanged."),
        socket("pasted", MASK, "mask", "White where frames were pasted, grey in the soft edge."),
    ),
    run=_paste,
)

SPECS = (CROP_REGION, PASTE_BACK)
