"""Core nodes on MASK batches [B, H, W] in 0..1."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ....spec import IMAGE, MASK
from ..host import HeadlessHost
from .node import CoreNode, number, one_of, switch, whole
from .pictures import COLOUR, PICTURE, PLACE, SIDE, repeated, same_channels

WIRE = (MASK,)
ONE = ((MASK, MASK),)
CHANNELS = ("red", "green", "blue", "alpha")


def _batched(mask: Tensor) -> Tensor:
    return mask.reshape(-1, *mask.shape[-2:])


def _to_image(host: HeadlessHost, mask: Tensor) -> Any:
    return (_batched(mask)[..., None].expand(-1, -1, -1, 3),)


def _from_image(host: HeadlessHost, image: Tensor, channel: str) -> Any:
    if CHANNELS.index(channel) >= image.shape[-1]:
        raise ValueError(f"“channel”: expected one that the image has; it has no {channel}")
    return (image[..., CHANNELS.index(channel)],)


def _from_color(host: HeadlessHost, image: Tensor, color: int) -> Any:
    levels = (image[..., :3].clamp(0, 1) * 255).round().int()
    wanted = torch.tensor([color >> shift & 0xFF for shift in (16, 8, 0)])
    return ((levels == wanted).all(-1).float(),)


def _solid(host: HeadlessHost, value: float, width: int, height: int) -> Any:
    host.setting.limits.check(1, height, width)
    return (torch.full((1, height, width), value),)


def _invert(host: HeadlessHost, mask: Tensor) -> Any:
    return (1.0 - mask,)


def _crop(host: HeadlessHost, mask: Tensor, x: int, y: int, width: int, height: int) -> Any:
    return (_batched(mask)[:, y : y + height, x : x + width],)


def _threshold(host: HeadlessHost, mask: Tensor, value: float) -> Any:
    return ((mask > value).float(),)


_LOGIC = {"and": torch.logical_and, "or": torch.logical_or, "xor": torch.logical_xor}


def _combine(host: HeadlessHost, destination: Tensor, source: Tensor, x: int, y: int, operation: str) -> Any:
    output = _batched(destination).clone()
    under = output[:, y : y + source.shape[-2], x : x + source.shape[-1]]
    over = _batched(source)[:, : under.shape[-2], : under.shape[-1]]
    if operation in _LOGIC:
        under.copy_(_LOGIC[operation](under.round(), over.round()))
    elif operation == "multiply":
        under.mul_(over)
    else:
        under.add_(over, alpha=1 if operation == "add" else -1)
    return (output.clamp(0, 1),)


def _feather(host: HeadlessHost, mask: Tensor, left: int, top: int, right: int, bottom: int) -> Any:
    """Ramps from the borders inwards."""
    output = _batched(mask).clone()
    height, width = output.shape[-2:]
    across, down = torch.ones(width), torch.ones(height)
    for line, start, end in ((across, left, right), (down, top, bottom)):
        start, end = min(start, len(line)), min(end, len(line))
        line[:start] *= torch.arange(1, start + 1) / max(start, 1)
        line[len(line) - end :] *= torch.arange(end, 0, -1) / max(end, 1)
    return (output * across * down[:, None],)


def _grow(host: HeadlessHost, mask: Tensor, expand: int, tapered_corners: bool) -> Any:
    """Grey dilation (erosion below 0) by 3x3 steps: a cross for tapered corners, else a square."""
    sign = -1.0 if expand < 0 else 1.0
    grown = sign * _batched(mask)[:, None]  # [B, 1, H, W]
    for _ in range(min(abs(expand), max(mask.shape[-2:]))):
        if tapered_corners:
            grown = torch.maximum(
                F.max_pool2d(grown, (3, 1), 1, padding=(1, 0)), F.max_pool2d(grown, (1, 3), 1, padding=(0, 1))
            )
        else:
            grown = F.max_pool2d(grown, 3, 1, padding=1)
    return (sign * grown[:, 0],)


def _composite(
    host: HeadlessHost,
    destination: Tensor,
    source: Tensor,
    x: int,
    y: int,
    resize_source: bool,
    mask: Tensor | None = None,
) -> Any:
    """`source` laid over `destination` at (x, y), as far as it fits, where `mask` is white."""
    under, over = same_channels(destination, source)
    under, over = under.clone(), over.movedim(-1, 1)
    if resize_source:
        over = F.interpolate(over, size=under.shape[1:3], mode="bilinear")
    over = repeated(over, len(under))
    opacity = torch.ones_like(over[:, :1])
    if mask is not None:
        opacity = repeated(F.interpolate(_batched(mask)[:, None], size=over.shape[-2:], mode="bilinear"), len(over))
    place = under[:, y : y + over.shape[-2], x : x + over.shape[-1]]  # a view
    over, opacity = (part[..., : place.shape[1], : place.shape[2]].movedim(1, -1) for part in (over, opacity))
    place.copy_(opacity * over + (1 - opacity) * place)
    return (under,)


def _split_alpha(host: HeadlessHost, image: Tensor) -> Any:
    """Colours, and a mask of what is transparent."""
    return image[..., :3], 1.0 - (image[..., 3] if image.shape[-1] > 3 else torch.ones_like(image[..., 0]))


def _join_alpha(host: HeadlessHost, image: Tensor, alpha: Tensor) -> Any:
    """[B, H, W, 4], transparent where the mask is white."""
    opacity = 1.0 - F.interpolate(_batched(alpha)[:, None], size=image.shape[1:3], mode="bilinear")[:, 0]
    count = max(len(image), len(opacity))
    return (torch.cat((repeated(image[..., :3], count), repeated(opacity, count)[..., None]), -1),)


AREA = {"x": PLACE, "y": PLACE, "width": SIDE, "height": SIDE}

NODES = (
    CoreNode("MaskToImage", "Convert Mask to Image", "mask", {"mask": WIRE}, ((IMAGE, IMAGE),), _to_image),
    CoreNode(
        "ImageToMask",
        "Convert Image to Mask",
        "mask",
        {"image": PICTURE, "channel": one_of(*CHANNELS)},
        ONE,
        _from_image,
    ),
    CoreNode("ImageColorToMask", "ImageColorToMask", "mask", {"image": PICTURE, "color": COLOUR}, ONE, _from_color),
    CoreNode(
        "SolidMask",
        "SolidMask",
        "mask",
        {"value": number(1.0, 0.0, 1.0), "width": SIDE, "height": SIDE},
        ONE,
        _solid,
    ),
    CoreNode("InvertMask", "InvertMask", "mask", {"mask": WIRE}, ONE, _invert),
    CoreNode("CropMask", "CropMask", "mask", {"mask": WIRE, **AREA}, ONE, _crop),
    CoreNode(
        "MaskComposite",
        "MaskComposite",
        "mask",
        {
            "destination": WIRE,
            "source": WIRE,
            "x": PLACE,
            "y": PLACE,
            "operation": one_of("multiply", "add", "subtract", "and", "or", "xor"),
        },
        ONE,
        _combine,
    ),
    CoreNode(
        "FeatherMask",
        "FeatherMask",
        "mask",
        {"mask": WIRE, "left": PLACE, "top": PLACE, "right": PLACE, "bottom": PLACE},
        ONE,
        _feather,
    ),
    CoreNode(
        "GrowMask",
        "GrowMask",
        "mask",
        {"mask": WIRE, "expand": whole(0, -16384), "tapered_corners": switch(True)},
        ONE,
        _grow,
    ),
    CoreNode("ThresholdMask", "ThresholdMask", "mask", {"mask": WIRE, "value": number(0.5, 0.0, 1.0)}, ONE, _threshold),
    CoreNode(
        "ImageCompositeMasked",
        "ImageCompositeMasked",
        "image",
        {"destination": PICTURE, "source": PICTURE, "x": PLACE, "y": PLACE, "resize_source": switch(False)},
        ((IMAGE, IMAGE),),
        _composite,
        {"mask": WIRE},
    ),
    CoreNode(
        "SplitImageWithAlpha",
        "Split Image with Alpha",
        "mask/compositing",
        {"image": PICTURE},
        ((IMAGE, IMAGE), (MASK, MASK)),
        _split_alpha,
    ),
    CoreNode(
        "JoinImageWithAlpha",
        "Join Image with Alpha",
        "mask/compositing",
        {"image": PICTURE, "alpha": WIRE},
        ((IMAGE, IMAGE),),
        _join_alpha,
    ),
)
