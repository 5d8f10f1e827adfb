"""Gaussians around keypoints, and the low-pass filter in front of every downsampling."""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from .grid import coordinate_grid, downsample_factor

FAR = -60.0
"""Exponents of gaussians end here, at 1e-26: beyond -87 float32 has only denormal numbers left, which processors take
many times as long for, and the layer that reads them takes four times as long.
"""


def keypoint_gaussians(position: Tensor, height: int, width: int, variance: float) -> Tensor:
    """exp(-|z - p|^2 / 2 variance) with peak 1 around each position [B, K, 2]; returns [B, K, height, width]."""
    grid = coordinate_grid(height, width, like=position)
    offset = grid - rearrange(position, "b k xy -> b k 1 1 xy")
    return torch.exp((-0.5 * offset.square().sum(-1) / variance).clamp(min=FAR))


def antialias_kernel(scale: float) -> Tensor:
    """The square gaussian [size, size] that removes what an image `scale` times as large cannot show.

    Published rule: sigma = (1/scale - 1) / 2, size = 2 round(4 sigma) + 1, summing to 1. It is made on the CPU even
    where another default device is set: on "meta", `arange` alone would import half of torch.
    """
    sigma = (1 / scale - 1) / 2
    size = 2 * round(sigma * 4) + 1
    offset = torch.arange(size, dtype=torch.float32, device="cpu") - (size - 1) / 2
    profile = torch.exp(-offset.square() / (2 * sigma**2)) if sigma > 0 else torch.ones(1, device="cpu")
    kernel = torch.outer(profile, profile)
    return kernel / kernel.sum()


def downsample(image: Tensor, kernel: Tensor, scale: float) -> Tensor:
    """Filter [B, C, H, W] with `kernel` ([C, 1, size, size], zero padding) and keep every 1/scale-th pixel."""
    factor = downsample_factor(scale)
    if factor == 1:
        return image
    return F.conv2d(image, kernel.to(image.dtype), stride=factor, padding=kernel.shape[-1] // 2, groups=image.shape[1])
