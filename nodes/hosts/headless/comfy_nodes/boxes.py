"""Core nodes of ComfyUI 0.33 on boxes, and those that resize images and masks alike.

A box is a table of x, y, width and height in pixels; several are a list of such tables for each image.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from .....fomm_core.errors import ImageError
from .....graph.types import AUTOGROW
from ....spec import IMAGE, MASK
from ..host import HeadlessHost
from .node import LARGEST, CoreNode, choosing, number, one_of, whole
from .pictures import METHODS, PICTURE, resized

BOX = "BOUNDING_BOX"
SIDES = {"x": 0, "y": 0, "width": 512, "height": 512}

Box = Mapping[str, float]
Edges = tuple[int, int, int, int]
"""Left, top, right, bottom."""


def _box(host: HeadlessHost, x: int, y: int, width: int, height: int) -> Any:
    return ({"x": x, "y": y, "width": width, "height": height},)


def _cropped(host: HeadlessHost, image: Tensor, crop_region: Box) -> Any:
    if not isinstance(crop_region, Mapping):
        raise ImageError(f"expected one box, with x, y, width and height; got {type(crop_region).__name__}.")
    x, y, width, height = (int(crop_region.get(side, default)) for side, default in SIDES.items())
    x, y = min(x, image.shape[2] - 1), min(y, image.shape[1] - 1)
    return (image[:, y : y + height, x : x + width],)


def _cropped_by(
    host: HeadlessHost,
    image: Tensor,
    bboxes: Any,
    output_width: int,
    output_height: int,
    padding: int,
    keep_aspect: str,
) -> Any:
    listed: Sequence[Sequence[Box]] = bboxes if isinstance(bboxes, list) else [[bboxes]]
    host.setting.limits.check(len(image), output_height, output_width)
    crops = []
    for index, picture in enumerate(image):
        boxes = listed[min(index, len(listed) - 1)] if listed else ()
        if not boxes:
            continue
        height, width = picture.shape[:2]
        left, top, right, bottom = _edges(boxes, padding, width, height)
        if right <= left or bottom <= top:
            crops.append(picture.new_zeros(1, output_height, output_width, picture.shape[-1]))
            continue
        part = picture[None, top:bottom, left:right]
        if keep_aspect == "stretch":
            crops.append(resized(part, output_height, output_width, "area"))
            continue
        scale = min(output_width / (right - left), output_height / (bottom - top))
        inner = resized(part, round((bottom - top) * scale), round((right - left) * scale), "area")
        whole_picture = picture.new_zeros(1, output_height, output_width, picture.shape[-1])
        y, x = (output_height - inner.shape[1]) // 2, (output_width - inner.shape[2]) // 2
        whole_picture[:, y : y + inner.shape[1], x : x + inner.shape[2]] = inner
        crops.append(whole_picture)
    return (torch.cat(crops) if crops else image,)


def _edges(boxes: Sequence[Box], padding: int, width: int, height: int) -> Edges:
    """What holds all boxes of an image; where that is empty, a part of its upper middle."""
    left = max(0, min(int(box["x"]) for box in boxes) - padding)
    top = max(0, min(int(box["y"]) for box in boxes) - padding)
    right = min(width, max(int(box["x"] + box["width"]) for box in boxes) + padding)
    bottom = min(height, max(int(box["y"] + box["height"]) for box in boxes) + padding)
    if right > left and bottom > top:
        return left, top, right, bottom
    side = int(min(height, width) * 0.3)
    left, top = max(0, (width - side) // 2), max(0, int(height * 0.1))
    return left, top, min(width, left + side), min(height, top + side)


def _resize(host: HeadlessHost, input: Tensor, resize_type: Mapping[str, Any], scale_method: str) -> Any:
    is_mask = input.ndim == 3
    batch = input[..., None].expand(-1, -1, -1, 3) if is_mask else input
    height, width = _wanted(batch, resize_type)
    if (height, width) == tuple(batch.shape[1:3]):
        return (input,)
    host.setting.limits.check(len(batch), height, width)
    made = resized(batch, height, width, scale_method, resize_type.get("crop", "disabled"))
    if (multiple := resize_type.get("multiple")) is not None:
        low, wide = (side // multiple * multiple for side in batch.shape[1:3])
        y, x = (height - low) // 2, (width - wide) // 2
        made = made[:, y : y + low, x : x + wide]
    return (made[..., 0] if is_mask else made,)


def _wanted(batch: Tensor, how: Mapping[str, Any]) -> tuple[int, int]:
    """(height, width) before a cut to a multiple."""
    height, width = batch.shape[1:3]
    match how["resize_type"]:
        case "scale by multiplier":
            return round(height * how["multiplier"]), round(width * how["multiplier"])
        case "scale longer dimension":
            return _by_side(height, width, how["longer_size"], max(height, width))
        case "scale shorter dimension":
            return _by_side(height, width, how["shorter_size"], min(height, width))
        case "scale total pixels":
            factor = math.sqrt(int(how["megapixels"] * 1024 * 1024) / (height * width))
            return round(height * factor), round(width * factor)
        case "match size":
            return how["match"].shape[1], how["match"].shape[2]
        case "scale to multiple":
            low, wide = (side // how["multiple"] * how["multiple"] for side in (height, width))
            if how["multiple"] <= 1 or not low or not wide:
                return height, width
            if wide / width >= low / height:
                return max(low, math.ceil(height * (wide / width))), wide
            return low, max(wide, math.ceil(width * (low / height)))
    high, wide = how.get("height", 0), how.get("width", 0)
    if not high and not wide:
        return height, width
    return high or max(1, round(height * wide / width)), wide or max(1, round(width * high / height))


def _by_side(height: int, width: int, size: int, side: int) -> tuple[int, int]:
    return (
        size if height == side else round(height / width * size),
        size if width == side else round(width / height * size),
    )


def _batched(host: HeadlessHost, images: Sequence[Tensor]) -> Any:
    height, width = images[0].shape[1:3]
    host.setting.limits.check(sum(len(batch) for batch in images), height, width)
    channels = max(batch.shape[-1] for batch in images)
    opaque = [torch.nn.functional.pad(batch, (0, channels - batch.shape[-1]), value=1.0) for batch in images]
    same = [
        batch if batch.shape[1:3] == (height, width) else resized(batch, height, width, "bilinear", "center")
        for batch in opaque
    ]
    return (torch.cat(same),)


EDGE, PLACE, SIDE = whole(512, 0), whole(0, 0), whole(512, 1)
CUT = (["disabled", "center"], {"default": "center"})
BOTH = f"{IMAGE},{MASK}"

NODES = (
    CoreNode(
        "PrimitiveBoundingBox",
        "Bounding Box",
        "utilities/primitive",
        {},
        ((BOX, BOX),),
        _box,
        now={"x": PLACE, "y": PLACE, "width": SIDE, "height": SIDE},
        is_new=True,
    ),
    CoreNode(
        "ImageCropV2",
        "Crop Image",
        "image/transform",
        {},
        ((IMAGE, IMAGE),),
        _cropped,
        now={"image": PICTURE, "crop_region": (BOX, {"default": SIDES})},
        is_new=True,
    ),
    CoreNode(
        "CropByBBoxes",
        "Crop By Bounding Boxes",
        "image/transform",
        {},
        ((IMAGE, IMAGE),),
        _cropped_by,
        now={
            "image": PICTURE,
            "bboxes": (BOX, {"forceInput": True}),
            "output_width": whole(512, 64, 4096),
            "output_height": whole(512, 64, 4096),
            "padding": whole(0, 0, 1024),
            "keep_aspect": one_of("stretch", "pad"),
        },
        is_new=True,
    ),
    CoreNode(
        "ResizeImageMaskNode",
        "Resize Image/Mask",
        "image/transform",
        {},
        ((BOTH, "resized"),),
        _resize,
        now={
            "input": (BOTH,),
            "resize_type": choosing(
                scale_dimensions={"width": EDGE, "height": EDGE, "crop": CUT},
                scale_by_multiplier={"multiplier": number(1.0, 0.01, 8.0)},
                scale_longer_dimension={"longer_size": EDGE},
                scale_shorter_dimension={"shorter_size": EDGE},
                scale_width={"width": EDGE},
                scale_height={"height": EDGE},
                scale_total_pixels={"megapixels": number(1.0, 0.01, 16.0)},
                match_size={"match": (BOTH,), "crop": CUT},
                scale_to_multiple={"multiple": whole(8, 1, LARGEST)},
            ),
            "scale_method": (METHODS[0], {"default": "area"}),
        },
        is_new=True,
    ),
    CoreNode(
        "BatchImagesNode",
        "Batch Images",
        "image/batch",
        {},
        ((IMAGE, IMAGE),),
        _batched,
        now={"images": (AUTOGROW, {"template": {"input": {"required": {"image": [IMAGE, {}]}}, "prefix": "image"}})},
        is_new=True,
    ),
)
