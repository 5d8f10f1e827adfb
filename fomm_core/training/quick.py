"""The same layers with fewer products, for training on a CPU. Exact up to rounding; keys of `state_dict` stay.

What `lowering` does once with frozen weights is done here in every step, so that gradients reach the plain weights.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from ..lowering import transposed_kernel, wide_kernel
from ..model import MotionModel
from ..networks import UpBlock

ENOUGH_PIXELS = 512
"""Pixels of a batch from which making another kernel pays for itself."""


class UpsamplingConv2d(nn.Module):
    """Nearest upsampling by 2 and a 3x3 convolution, as one transposed convolution: 4 products for 9."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.weight, self.bias = conv.weight, conv.bias

    def forward(self, x: Tensor) -> Tensor:
        """[B, in, H, W] -> [B, out, 2 H, 2 W]."""
        if pays(x):
            return F.conv_transpose2d(x, transposed_kernel(self.weight), self.bias, stride=2, padding=1)
        return F.conv2d(F.interpolate(x, scale_factor=2, mode="nearest"), self.weight, self.bias, padding=1)


class FourAtOnceConv2d(nn.Module):
    """A same-size convolution with few outputs, four pixels at a time (see `lowering.four_at_once`)."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.weight, self.bias = conv.weight, conv.bias

    def forward(self, x: Tensor) -> Tensor:
        """[B, in, H, W] -> [B, out, H, W]; H and W even."""
        reach = self.weight.shape[-1] // 2
        if not pays(x):
            return F.conv2d(x, self.weight, self.bias, padding=reach)
        bias = None if self.bias is None else self.bias.repeat_interleave(4)
        return F.pixel_shuffle(F.conv2d(x, wide_kernel(self.weight), bias, stride=2, padding=reach), 2)


def pays(x: Tensor) -> bool:
    """Whether the rewritten form is the faster one for this input."""
    return x.device.type == "cpu" and x.shape[0] * x.shape[-2] * x.shape[-1] >= ENOUGH_PIXELS


def quicken(model: MotionModel) -> None:
    """Put the quick layers in place, with the very parameters of the plain ones.

    For training only: `lower` takes a plain model (see `MotionModel.from_state`).
    """
    for block in model.modules():
        if isinstance(block, UpBlock) and isinstance(block.conv, nn.Conv2d):
            block.upsample, block.conv = nn.Identity(), UpsamplingConv2d(block.conv)
    if isinstance(model.generator.final, nn.Conv2d):
        model.generator.final = FourAtOnceConv2d(model.generator.final)
