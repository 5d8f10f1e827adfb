"""Regions from what is known already: boxes of other blocks, masks, numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ...fomm_core.errors import ImageError, RegionError
from ...fomm_core.region import LAYOUTS, read_boxes, region_at, region_of_boxes, region_of_mask
from ...fomm_core.region.boxes import Layout
from ..spec import BOXES, MASK, Host, NodeSpec, category, choice, decimal, integer, socket
from .border import images_from_graph
from .clips import first_frame, open_clip
from .region_ports import MOVEMENT_IN, OUTPUTS, PICTURES_IN, SCALE_IN, Samples, outputs_of, samples_of

SHARE, PIXELS = "share", "pixels"


def _from_box(
    host: Host, images: Any, box: Any, box_numbers: Layout, number: int, movement: str, scale: float
) -> tuple[Any, ...]:
    frames, samples, (height, width) = _whole(host, images)
    if isinstance(box, Mapping) and "frames" in box:
        box, box_numbers = _boxes_of_landmarks(box, height, width), "xyxy"
    boxes = read_boxes(box, layout=box_numbers, which=number, frames=frames)
    if boxes is None:
        raise RegionError("“box”: expected a box; got nothing.")
    if movement == "fixed":
        low, high = boxes[:, :2].amin(0), (boxes[:, :2] + boxes[:, 2:]).amax(0)
        boxes = torch.cat((low, high - low))[None]
    region = region_of_boxes(boxes, height, width, scale=scale)
    return outputs_of(region, samples.drawn(region))


def _whole(host: Host, images: Any) -> tuple[int | None, Samples, tuple[int, int]]:
    """How many frames there are, where that needs no reading; some to draw on; and their size."""
    if isinstance(images, Tensor):
        pictures = images_from_graph(images)
        frames = len(pictures)
        return None if frames == 1 else frames, samples_of(pictures), (pictures.shape[-2], pictures.shape[-1])
    with open_clip(host, images, "images") as clip:
        first = first_frame(clip)
    return None, samples_of(first), (first.shape[-2], first.shape[-1])


def _boxes_of_landmarks(value: Mapping[str, Any], height: int, width: int) -> list[list[Any]]:
    """The extents of the meshes in a FACE_LANDMARKS value, (left, top, right, bottom) for each face of each frame."""
    size = tuple(int(side) for side in value.get("image_size", (height, width)))
    if size != (height, width):
        raise RegionError(
            f"“box”: expected landmarks found in this image, {width}x{height}; they were found in one of "
            f"{size[1]}x{size[0]}. Detect them in the image that is connected here."
        )
    frames = value["frames"]
    try:
        return [[[float(number) for number in face["bbox_xyxy"]] for face in faces] for faces in frames]
    except (TypeError, KeyError, ValueError):
        raise RegionError("“box”: expected landmarks with a bbox_xyxy for each face; got others.") from None


def _from_mask(host: Host, mask: Tensor, movement: str, scale: float, threshold: float) -> tuple[Any, ...]:
    if not isinstance(mask, Tensor) or mask.ndim not in (2, 3) or 0 in mask.shape:
        got = list(mask.shape) if isinstance(mask, Tensor) else type(mask).__name__
        raise ImageError(f"“mask”: expected a mask [B, H, W]; got {got}.")
    masks = mask.float() if mask.ndim == 3 else mask.float()[None]
    region = region_of_mask(masks, scale=scale, threshold=threshold, moving=movement == "follow")
    return outputs_of(region, samples_of(masks.clamp(0, 1)[:, None].expand(-1, 3, -1, -1)).drawn(region))


def _from_numbers(
    host: Host, images: Any, unit: str, centre_x: float, centre_y: float, side: float, angle: float
) -> tuple[Any, ...]:
    _, samples, (height, width) = _whole(host, images)
    across, down, length = (width, height, min(width, height)) if unit == SHARE else (1, 1, 1)
    region = region_at(
        centre_x * across, centre_y * down, side * length, math.radians(angle), height=height, width=width
    )
    return outputs_of(region, samples.drawn(region))


REGION_FROM_BOX = NodeSpec(
    id="FOMM_RegionFromBox",
    title="Region from Box",
    category=category("Region"),
    description="Takes boxes that other blocks detected or that were drawn, and outputs the squares around them.",
    aliases=("fomm", "bounding box", "bbox", "face landmarks", "detection", "crop box"),
    inputs=(
        PICTURES_IN,
        socket(
            "box",
            BOXES,
            "box",
            (
                "One box, or one for each frame: a bounding box from ComfyUI's own blocks, a BBOX from other packs,"
                " or face landmarks."
            ),
        ),
        choice(
            "box_numbers",
            "box numbers",
            (
                "What the four numbers of a BBOX mean, which it does not say itself. xywh: left, top, width, "
                "height. xyxy: left, top, right, bottom. Bounding boxes and landmarks do not need this."
            ),
            LAYOUTS,
        ),
        integer(
            "number",
            "number",
            "Which box, if a frame has several: counted from 0, in the order given.",
            default=0,
            minimum=0,
            maximum=999,
        ),
        MOVEMENT_IN,
        SCALE_IN,
    ),
    outputs=OUTPUTS,
    run=_from_box,
)

REGION_FROM_MASK = NodeSpec(
    id="FOMM_RegionFromMask",
    title="Region from Mask",
    category=category("Region"),
    description="Outputs the square around whatever is white in a mask.",
    aliases=("fomm", "mask to box", "crop by mask", "bounding box", "segment"),
    inputs=(
        socket("mask", MASK, "mask", "One mask, or one for each frame, at the size of the whole image."),
        MOVEMENT_IN,
        SCALE_IN,
        decimal(
            "threshold",
            "threshold",
            "The value from which a pixel counts as white: softer edges do not enlarge the square.",
            default=0.5,
            minimum=0.01,
            maximum=1.0,
        ),
    ),
    outputs=OUTPUTS,
    run=_from_mask,
)

REGION_FROM_NUMBERS = NodeSpec(
    id="FOMM_RegionFromNumbers",
    title="Region from Numbers",
    category=category("Region"),
    description="A square given by its centre, side and angle.",
    aliases=("fomm", "crop", "square", "coordinates", "manual region"),
    inputs=(
        PICTURES_IN,
        choice(
            "unit",
            "unit",
            (
                "share: the centre as a share of the image's width and height, the side as a share of its shorter "
                "side. pixels: everything in pixels."
            ),
            (SHARE, PIXELS),
        ),
        decimal(
            "centre_x",
            "centre x",
            "Horizontal position of the square's centre, from the left.",
            default=0.5,
            minimum=-16384.0,
            maximum=16384.0,
        ),
        decimal(
            "centre_y",
            "centre y",
            "Vertical position of the square's centre, from the top.",
            default=0.5,
            minimum=-16384.0,
            maximum=16384.0,
        ),
        decimal("side", "side", "Length of its sides.", default=1.0, minimum=0.01, maximum=32768.0),
        decimal(
            "angle",
            "angle",
            "Rotation in degrees, clockwise: the tilt of the head.",
            default=0.0,
            minimum=-180.0,
            maximum=180.0,
            step=0.5,
        ),
    ),
    outputs=OUTPUTS,
    run=_from_numbers,
)

SPECS = (REGION_FROM_BOX, REGION_FROM_MASK, REGION_FROM_NUMBERS)
