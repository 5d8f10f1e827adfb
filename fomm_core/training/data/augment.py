"""Variation of pairs: both frames alike, a batch at a time, on whichever device the frames lie."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import torch
from einops import rearrange
from kornia import enhance, filters
from torch import Tensor

from ...geometry import coordinate_grid, warp
from ..config import AugmentationConfig
from .points import MIRRORED

SMALLEST_CHROMA = 1e-8
SHARP = 0.05
"""The least deviation of a blur in pixels: all of the kernel's weight is on its middle."""


@dataclass(frozen=True)
class Augmentation:
    """How one pair is varied. Both frames get the same.

    time_flip: source and driving change places. horizontal_flip: mirrored. brightness, contrast, saturation: factors.
    hue: shift in radians. rotation: in radians. zoom: enlargement. shift: (x, y) in -1..1, of the way that the enlarged
    (or reduced) image can be moved without leaving (or within) the frame. blur: standard deviation in pixels.
    """

    time_flip: bool
    horizontal_flip: bool
    brightness: float
    contrast: float
    saturation: float
    hue: float
    rotation: float
    zoom: float
    shift: tuple[float, float]
    blur: float = 0.0

    @classmethod
    def draw(cls, config: AugmentationConfig, seed: int) -> Augmentation:
        """Drawn uniformly within the configuration's ranges; the same for the same seed."""
        source = random.Random(seed)

        def within(reach: float, centre: float = 0.0) -> float:
            return centre + source.uniform(-reach, reach)

        time, mirror = source.random() < 0.5, source.random() < 0.5
        time = time and config.time_flip
        return cls(
            time_flip=time,
            horizontal_flip=mirror and config.horizontal_flip and not time,
            brightness=max(within(config.brightness, 1.0), 0.0),
            contrast=max(within(config.contrast, 1.0), 0.0),
            saturation=max(within(config.saturation, 1.0), 0.0),
            hue=within(config.hue) * 2 * math.pi,
            rotation=math.radians(within(config.rotation_degrees)),
            zoom=within(config.zoom, 1.0),
            shift=(within(1.0), within(1.0)),
            blur=abs(within(config.blur)),
        )


def augment(pairs: Tensor, augmentations: list[Augmentation], config: AugmentationConfig) -> Tensor:
    """Vary pairs [n, 2, 3, H, W] in 0..1, each by its own augmentation; what `config` never does costs nothing.

    Colours change before the shape, in the order brightness, contrast (around the mean of both frames), saturation,
    hue: a colour of one frame stays the same colour in the other. What a rotation or reduction uncovers repeats the
    picture's edge. No sample depends on another.
    """
    time = _column(pairs, [a.time_flip for a in augmentations], torch.bool)
    pairs = torch.where(time, pairs.flip(1), pairs) if config.time_flip else pairs
    mirror = _column(pairs, [a.horizontal_flip for a in augmentations], torch.bool)
    pairs = torch.where(mirror, pairs.flip(-1), pairs) if config.horizontal_flip else pairs
    pairs = _recoloured(pairs, augmentations, config)
    if config.rotation_degrees or config.zoom:
        flow = _flow(augmentations, *pairs.shape[-2:], like=pairs)
        moved = warp(rearrange(pairs, "n t c h w -> n (t c) h w"), flow, align_corners=True, padding="border")
        pairs = moved.view(pairs.shape)
    return _blurred(pairs, augmentations, config) if config.blur else pairs


def augment_points(points: Tensor, augmentations: list[Augmentation], size: tuple[int, int]) -> Tensor:
    """Points [n, 2, 64, 2] in -1..1 of pairs of `size` (height, width), where `augment` takes them; NaN stays NaN."""
    time = _column(points, [a.time_flip for a in augmentations], torch.bool)
    points = torch.where(time, points.flip(1), points)
    mirror = _column(points, [a.horizontal_flip for a in augmentations], torch.bool)
    points = torch.where(mirror, points[:, :, MIRRORED] * points.new_tensor([-1, 1]), points)
    half = points.new_tensor([max(size[1] - 1, 1), max(size[0] - 1, 1)]) / 2
    x, y = ((points - _room(augmentations, like=points)[:, None, None]) * half).unbind(-1)
    cosine = _column(x, [math.cos(a.rotation) * a.zoom for a in augmentations], x.dtype)
    sine = _column(x, [math.sin(a.rotation) * a.zoom for a in augmentations], x.dtype)
    return torch.stack((cosine * x + sine * y, cosine * y - sine * x), -1) / half


def _recoloured(pairs: Tensor, augmentations: list[Augmentation], config: AugmentationConfig) -> Tensor:
    """The two frames stand one below the other, so that they count as one image."""
    pictures = rearrange(pairs, "n t c h w -> n c (t h) w")
    for name, change in (
        ("brightness", enhance.adjust_brightness_accumulative),
        ("contrast", enhance.adjust_contrast_with_mean_subtraction),
        ("saturation", enhance.adjust_saturation_with_gray_subtraction),
        ("hue", turned_hue),
    ):
        if getattr(config, name):
            factors = torch.tensor([getattr(a, name) for a in augmentations]).to(pairs)
            pictures = change(pictures, factors)
    return rearrange(pictures, "n c (t h) w -> n t c h w", t=2)


def turned_hue(pictures: Tensor, angles: Tensor) -> Tensor:
    """Hues of RGB images [n, 3, H, W] turned by angles [n] in radians; value and saturation stay.

    The same function as `kornia.enhance.adjust_hue`, in less than half the time: HSV is never written out.
    """
    red, green, blue = pictures.unbind(1)
    value = torch.maximum(torch.maximum(red, green), blue)
    chroma = value - torch.minimum(torch.minimum(red, green), blue)
    from_blue, from_green = (
        4 * chroma + red - green,
        2 * chroma + blue - red,
    )  # hue times chroma, in sixths of the circle
    sixth = torch.where(value == red, green - blue, torch.where(value == green, from_green, from_blue))
    sixth = sixth / chroma.clamp_min(SMALLEST_CHROMA) + (angles * (3 / math.pi))[:, None, None]
    channels = []
    for first in (5, 3, 1):
        place = (sixth + first) % 6
        channels.append(value - chroma * torch.minimum(place, 4 - place).clamp(0, 1))
    return torch.stack(channels, 1)


def _blurred(pairs: Tensor, augmentations: list[Augmentation], config: AugmentationConfig) -> Tensor:
    """The kernel reaches three deviations of the strongest blur, so that a sample does not depend on the others."""
    side = 2 * math.ceil(3 * config.blur) + 1
    deviations = torch.tensor([[max(a.blur, SHARP)] * 2 for a in augmentations]).to(pairs)
    pictures = rearrange(pairs, "n t c h w -> n (t c) h w")
    return filters.gaussian_blur2d(pictures, (side, side), deviations, border_type="replicate").view(pairs.shape)


def _flow(augmentations: list[Augmentation], height: int, width: int, *, like: Tensor) -> Tensor:
    """Where each pixel of the varied image is taken from, [n, H, W, 2]: turned about the centre, in square pixels."""
    half = torch.tensor([max(width - 1, 1), max(height - 1, 1)]).to(like) / 2
    x, y = (coordinate_grid(height, width, like=like) * half).unbind(-1)  # [H, W], pixels from the centre
    cosine = _column(x, [math.cos(a.rotation) / a.zoom for a in augmentations], x.dtype)
    sine = _column(x, [math.sin(a.rotation) / a.zoom for a in augmentations], x.dtype)
    turned = torch.stack((cosine * x - sine * y, sine * x + cosine * y), -1) / half
    return turned + _room(augmentations, like=like)[:, None, None]


def _room(augmentations: list[Augmentation], *, like: Tensor) -> Tensor:
    """How far the image is moved, [n, 2]."""
    return torch.tensor([[way * abs(1 - 1 / a.zoom) for way in a.shift] for a in augmentations]).to(like)


def _column(like: Tensor, values: list[bool] | list[float], dtype: torch.dtype) -> Tensor:
    """One value for each sample, [n, 1, 1, ...], to go with [n, ...] or, for [H, W], with [n, H, W]."""
    ranks = like.ndim - 1 if like.ndim > 2 else 2
    return torch.tensor(values, dtype=dtype, device=like.device).view(-1, *[1] * ranks)
