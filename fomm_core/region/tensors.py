"""Cropping and pasting of tensors, batched and differentiable, on any device."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import RegionError
from .feather import DEFAULT_FEATHER, coverage
from .region import Region
from .resampling import Sampling, area_weights, check_crop_size, crop_sampling, paste_sampling


def crop(images: Tensor, region: Region, size: int) -> Tensor:
    """The squares of `images` [B, C, H, W] (floats) as crops [B, C, size, size].

    One square serves all images; otherwise there is one for each. Where a crop is smaller than its square, pixels
    are averaged by area; where it is larger, interpolation is bilinear. What lies outside the image is its nearest
    border pixel.

    Raises:
        RegionError: the region was made for another size or count, or `size` is below 1.
    """
    _check(images, region, size)
    if len(region) == 1:
        return _sample_crop(images, crop_sampling(region, size), size)
    region = region.frames(len(images))
    return torch.cat(
        [_sample_crop(images[i : i + 1], crop_sampling(region[i], size), size) for i in range(len(images))]
    )


def paste(
    images: Tensor,
    crops: Tensor,
    region: Region,
    *,
    feather: float = DEFAULT_FEATHER,
    mask: Tensor | None = None,
    linear: bool = False,
) -> Tensor:
    """`crops` [B, C, n, n] laid back onto `images` [B or 1, C, H, W]; returns new images [B, C, H, W].

    Pixels outside of the squares, and those that the feather or mask leaves alone, are bit-identical. Enlarged crops
    are interpolated bicubically, reduced ones averaged by area.

    Args:
        feather: width of the soft edge inwards, as a share of the side (`coverage`).
        mask: [B or 1, n, n] in 0..1, of the crops' pixels: limits the paste further.
        linear: mix light rather than sRGB values, so that a soft edge between bright and dark does not darken.

    Raises:
        RegionError: sizes or counts that do not fit each other, or a feather outside 0..0.5.
    """
    size = crops.shape[-1]
    _check(images, region, size)
    if crops.ndim != 4 or crops.shape[-2] != size or crops.shape[1] != images.shape[1]:
        raise RegionError(
            f"expected square crops [B, {images.shape[1]}, n, n] as the images' channels; got {list(crops.shape)}"
        )
    count = len(crops)
    if len(images) not in (1, count):
        raise RegionError(f"expected one whole image or one for each of {count} crops; got {len(images)}")
    if mask is not None and (mask.ndim != 3 or mask.shape[-2:] != crops.shape[-2:] or len(mask) not in (1, count)):
        raise RegionError(f"expected a mask of shape [{count}, {size}, {size}] or [1, ...]; got {list(mask.shape)}")
    region = region.frames(count)
    result = images.expand(count, -1, -1, -1).clone()
    for i in range(count):
        sampling = paste_sampling(region[i], size)
        (left, top, right, bottom), cover = coverage(region[i], feather)
        cover = cover.to(result.device, result.dtype)[None, None]
        if mask is not None:
            limits = mask[i if len(mask) > 1 else 0][None, None].to(result)
            cover = cover * _sample_paste(limits, sampling, smooth=False).clamp(0, 1)
        new = _sample_paste(crops[i : i + 1].to(result), sampling, smooth=True)
        old = result[i : i + 1, :, top:bottom, left:right]
        result[i : i + 1, :, top:bottom, left:right] = _blend(old, new, cover, linear=linear)
    return result


def _blend(old: Tensor, new: Tensor, cover: Tensor, *, linear: bool) -> Tensor:
    if linear and old.shape[1] == 3:
        from kornia.color import linear_rgb_to_rgb, rgb_to_linear_rgb  # a fifth of a second to import

        mixed = linear_rgb_to_rgb(torch.lerp(rgb_to_linear_rgb(old), rgb_to_linear_rgb(new), cover))
        mixed = torch.where(cover >= 1, new, mixed)
    else:
        mixed = torch.lerp(old, new, cover)
    return torch.where(cover > 0, mixed, old)


def _check(images: Tensor, region: Region, size: int) -> None:
    if images.ndim != 4 or 0 in images.shape or not images.is_floating_point():
        raise RegionError(f"expected float images [B, C, H, W]; got {images.dtype} {list(images.shape)}")
    region.check_size(*images.shape[-2:])
    check_crop_size(size)


def _sample_crop(images: Tensor, sampling: Sampling, size: int) -> Tensor:
    left, top, right, bottom = sampling.box
    source = _shrink(images[..., top:bottom, left:right], *sampling.shrunk)
    return _affine(source, sampling.matrix, size, size, mode="bilinear")


def _sample_paste(crops: Tensor, sampling: Sampling, *, smooth: bool) -> Tensor:
    left, top, right, bottom = sampling.box
    mode = "bicubic" if smooth and sampling.enlarges else "bilinear"
    pasted = _affine(_shrink(crops, *sampling.shrunk), sampling.matrix, bottom - top, right - left, mode=mode)
    return pasted.clamp(0, 1) if mode == "bicubic" else pasted


def _shrink(images: Tensor, height: int, width: int) -> Tensor:
    """Mean by area; an image of that size comes back untouched."""
    if images.shape[-2] != height:
        images = area_weights(images.shape[-2], height).to(images) @ images
    if images.shape[-1] != width:
        images = images @ area_weights(images.shape[-1], width).to(images).mT
    return images


def _affine(images: Tensor, matrix: Tensor | None, height: int, width: int, *, mode: str) -> Tensor:
    """`matrix` [3, 3] takes pixel numbers of `images` to those of the result."""
    if matrix is None:
        return images
    from kornia.geometry.transform import warp_affine

    by = matrix[None, :2].to(images).expand(len(images), -1, -1)
    return warp_affine(images, by, (height, width), mode=mode, padding_mode="border", align_corners=True)
