"""Core nodes on IMAGE batches [B, H, W, C] in 0..1."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ....spec import IMAGE, INT, MASK
from ..encoding import bytes_of
from ..host import HeadlessHost
from .node import LARGEST, CoreNode, number, one_of, whole

METHODS = one_of("nearest-exact", "bilinear", "area", "bicubic", "lanczos")
PICTURE = (IMAGE,)


def resized(images: Tensor, height: int, width: int, method: str, crop: str = "disabled") -> Tensor:
    """[B, H, W, C] at another size; crop "center" first cuts them to the new shape."""
    if crop == "center":
        old, new = images.shape[2] / images.shape[1], width / height
        x = round(images.shape[2] * (1 - new / old) / 2) if old > new else 0
        y = round(images.shape[1] * (1 - old / new) / 2) if old < new else 0
        images = images[:, y : images.shape[1] - y, x : images.shape[2] - x]
    if method != "lanczos":
        return F.interpolate(images.movedim(-1, 1), size=(height, width), mode=method).movedim(1, -1)
    pictures = [Image.fromarray(bytes_of(image)) for image in images]
    small = [picture.resize((width, height), Image.Resampling.LANCZOS) for picture in pictures]
    return torch.stack([from_picture(picture) for picture in small])


def from_picture(picture: Image.Image) -> Tensor:
    """[H, W, C] (or [H, W]) float32 in 0..1."""
    import numpy as np

    return torch.from_numpy(np.array(picture).astype(np.float32) / 255.0)


def repeated(batch: Tensor, count: int) -> Tensor:
    """The batch from the start again until it has `count` entries, or its first ones."""
    times = math.ceil(count / len(batch))
    return batch.repeat(times, *[1] * (batch.ndim - 1))[:count]


def same_channels(under: Tensor, over: Tensor) -> tuple[Tensor, Tensor]:
    """The second loses an alpha channel that the first has not; the first gets an opaque one that the second has."""
    if over.shape[-1] > under.shape[-1]:
        over = over[..., : under.shape[-1]]
    elif over.shape[-1] < under.shape[-1]:
        # ComfyUI widens the destination by one more channel here, and fails; we widen the source.
        over = F.pad(over, (0, under.shape[-1] - over.shape[-1]), value=1.0)
    return under, over


def _scale(host: HeadlessHost, image: Tensor, upscale_method: str, width: int, height: int, crop: str) -> Any:
    if width == 0 and height == 0:
        return (image,)
    width = width or max(1, round(image.shape[2] * height / image.shape[1]))
    height = height or max(1, round(image.shape[1] * width / image.shape[2]))
    host.setting.limits.check(len(image), height, width)
    return (resized(image, height, width, upscale_method, crop),)


def _scale_by(host: HeadlessHost, image: Tensor, upscale_method: str, scale_by: float) -> Any:
    height, width = round(image.shape[1] * scale_by), round(image.shape[2] * scale_by)
    host.setting.limits.check(len(image), height, width)
    return (resized(image, max(height, 1), max(width, 1), upscale_method),)


def _scale_to_pixels(
    host: HeadlessHost, image: Tensor, upscale_method: str, megapixels: float, resolution_steps: int | None = None
) -> Any:
    pixels = megapixels * 1024 * 1024
    if resolution_steps is None:
        return _scale_by(host, image, upscale_method, math.sqrt(int(pixels) / (image.shape[1] * image.shape[2])))
    factor = math.sqrt(pixels / (image.shape[1] * image.shape[2])) / resolution_steps
    height, width = (max(round(side * factor), 1) * resolution_steps for side in image.shape[1:3])
    host.setting.limits.check(len(image), height, width)
    return (resized(image, height, width, upscale_method),)


def _crop(host: HeadlessHost, image: Tensor, width: int, height: int, x: int, y: int) -> Any:
    x, y = min(x, image.shape[2] - 1), min(y, image.shape[1] - 1)
    return (image[:, y : y + height, x : x + width],)


def _batch(host: HeadlessHost, image1: Tensor, image2: Tensor) -> Any:
    host.setting.limits.check(len(image1) + len(image2), *image1.shape[1:3])
    if image1.shape[1:] != image2.shape[1:]:
        image2 = resized(image2, image1.shape[1], image1.shape[2], "bilinear", "center")
    return (torch.cat((image1, image2)),)


def _repeat(host: HeadlessHost, image: Tensor, amount: int) -> Any:
    host.setting.limits.check(len(image) * amount, *image.shape[1:3])
    return (image.repeat(amount, 1, 1, 1),)


def _from_batch(host: HeadlessHost, image: Tensor, batch_index: int, length: int) -> Any:
    first = max(0, min(batch_index + (len(image) if batch_index < 0 else 0), len(image) - 1))
    return (image[first : first + length].clone(),)


def _empty(host: HeadlessHost, width: int, height: int, batch_size: int, color: int) -> Any:
    host.setting.limits.check(batch_size, height, width)
    rgb = torch.tensor([color >> shift & 0xFF for shift in (16, 8, 0)]) / 0xFF
    return (rgb.expand(batch_size, height, width, 3).clone(),)


def _blurred(image: Tensor, radius: int, sigma: float) -> Tensor:
    """A gaussian over -1..1, whatever the radius: sigma is a share of it. Not split into two passes, since the last
    bit decides what an encoder makes of a flat area, and graphs shall give what they gave in ComfyUI.
    """
    line = torch.linspace(-1, 1, 2 * radius + 1)
    distance = torch.sqrt(line[:, None] ** 2 + line**2)
    kernel = torch.exp(-(distance * distance) / (2.0 * sigma * sigma))
    kernel = (kernel / kernel.sum()).expand(image.shape[-1], 1, -1, -1)
    padded = F.pad(image.movedim(-1, 1), (radius,) * 4, "reflect")
    return F.conv2d(padded, kernel, groups=image.shape[-1]).movedim(1, -1)


def _blur(host: HeadlessHost, image: Tensor, blur_radius: int, sigma: float) -> Any:
    return (_blurred(image, blur_radius, sigma),)


def _sharpen(host: HeadlessHost, image: Tensor, sharpen_radius: int, sigma: float, alpha: float) -> Any:
    return ((image + 10 * alpha * (image - _blurred(image, sharpen_radius, sigma))).clamp(0, 1),)


def _pad(host: HeadlessHost, image: Tensor, left: int, top: int, right: int, bottom: int, feathering: int) -> Any:
    """Grey borders, and a mask that is white there and fades into the image by a quadratic ramp."""
    count, height, width, channels = image.shape
    host.setting.limits.check(count, height + top + bottom, width + left + right)
    wide = torch.full((count, height + top + bottom, width + left + right, channels), 0.5)
    wide[:, top : top + height, left : left + width] = image
    inner = torch.zeros(height, width)
    if 0 < feathering * 2 < min(height, width):
        y, x = torch.arange(height)[:, None], torch.arange(width)
        near = torch.full((height, width), max(height, width))  # to the closest border that is new, in pixels
        for border, distance in ((top, y), (bottom, height - y), (left, x), (right, width - x)):
            if border:
                near = torch.minimum(near, distance)
        inner = ((feathering - near).clamp(min=0) / feathering) ** 2
    mask = torch.ones(wide.shape[1:3])
    mask[top : top + height, left : left + width] = inner
    return wide, mask[None]


def _rotate(host: HeadlessHost, image: Tensor, rotation: str) -> Any:
    return (torch.rot90(image, int(rotation.split()[0]) // 90 if rotation != "none" else 0, dims=(2, 1)),)


def _flip(host: HeadlessHost, image: Tensor, flip_method: str) -> Any:
    return (image.flip(1 if flip_method.startswith("x") else 2),)


def _size(host: HeadlessHost, image: Tensor) -> Any:
    return image.shape[2], image.shape[1], len(image)


def _invert(host: HeadlessHost, image: Tensor) -> Any:
    return (1.0 - image,)


ONE = ((IMAGE, IMAGE),)
SCALING, TRANSFORM, PROCESSING = "image/upscaling", "image/transform", "image/postprocessing"
COLOUR = (INT, {"default": 0, "min": 0, "max": 0xFFFFFF, "step": 1, "display": "color"})
SIDE = whole(512, 1)
PLACE = whole(0, 0)

NODES = (
    CoreNode(
        "ImageScale",
        "Upscale Image",
        SCALING,
        {
            "image": PICTURE,
            "upscale_method": METHODS,
            "width": whole(512, 0),
            "height": whole(512, 0),
            "crop": one_of("disabled", "center"),
        },
        ONE,
        _scale,
    ),
    CoreNode(
        "ImageScaleBy",
        "Upscale Image By",
        SCALING,
        {"image": PICTURE, "upscale_method": METHODS, "scale_by": number(1.0, 0.01, 8.0)},
        ONE,
        _scale_by,
    ),
    CoreNode(
        "ImageScaleToTotalPixels",
        "Scale Image to Total Pixels",
        SCALING,
        {"image": PICTURE, "upscale_method": METHODS, "megapixels": number(1.0, 0.01, 16.0)},
        ONE,
        _scale_to_pixels,
        now={
            "image": PICTURE,
            "upscale_method": METHODS,
            "megapixels": number(1.0, 0.01, 16.0),
            "resolution_steps": whole(1, 1, 256),
        },
    ),
    CoreNode(
        "ImageCrop",
        "Image Crop",
        TRANSFORM,
        {"image": PICTURE, "width": SIDE, "height": SIDE, "x": PLACE, "y": PLACE},
        ONE,
        _crop,
    ),
    CoreNode(
        "ImageRotate",
        "ImageRotate",
        TRANSFORM,
        {"image": PICTURE, "rotation": one_of("none", "90 degrees", "180 degrees", "270 degrees")},
        ONE,
        _rotate,
    ),
    CoreNode(
        "ImageFlip",
        "ImageFlip",
        TRANSFORM,
        {"image": PICTURE, "flip_method": one_of("x-axis: vertically", "y-axis: horizontally")},
        ONE,
        _flip,
    ),
    CoreNode("ImageBatch", "Batch Images", "image", {"image1": PICTURE, "image2": PICTURE}, ONE, _batch),
    CoreNode(
        "RepeatImageBatch",
        "RepeatImageBatch",
        "image/batch",
        {"image": PICTURE, "amount": whole(1, 1, 4096)},
        ONE,
        _repeat,
    ),
    CoreNode(
        "ImageFromBatch",
        "ImageFromBatch",
        "image/batch",
        {"image": PICTURE, "batch_index": whole(0, -LARGEST), "length": whole(1, 1, 4096)},
        ONE,
        _from_batch,
    ),
    CoreNode("ImageInvert", "Invert Image", "image", {"image": PICTURE}, ONE, _invert),
    CoreNode(
        "EmptyImage",
        "EmptyImage",
        "image",
        {"width": SIDE, "height": SIDE, "batch_size": whole(1, 1, 4096), "color": COLOUR},
        ONE,
        _empty,
    ),
    CoreNode(
        "ImageBlur",
        "Image Blur",
        PROCESSING,
        {"image": PICTURE, "blur_radius": whole(1, 1, 31), "sigma": number(1.0, 0.1, 10.0, 0.1)},
        ONE,
        _blur,
    ),
    CoreNode(
        "ImageSharpen",
        "Image Sharpen",
        PROCESSING,
        {
            "image": PICTURE,
            "sharpen_radius": whole(1, 1, 31),
            "sigma": number(1.0, 0.1, 10.0),
            "alpha": number(1.0, 0.0, 5.0),
        },
        ONE,
        _sharpen,
    ),
    CoreNode(
        "ImagePadForOutpaint",
        "Pad Image for Outpainting",
        "image",
        {"image": PICTURE, "left": PLACE, "top": PLACE, "right": PLACE, "bottom": PLACE, "feathering": whole(40, 0)},
        (*ONE, (MASK, MASK)),
        _pad,
    ),
    CoreNode(
        "GetImageSize",
        "Get Image Size",
        "image",
        {"image": PICTURE},
        ((INT, "width"), (INT, "height"), (INT, "batch_size")),
        _size,
    ),
)
