"""The same layers with fewer products, for training on a CPU. Exact up to rounding; keys of `state_dict` stay.

What `lowering` does once with frozen weights is done here in every step, so that gradients reach the plain weights.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from ..lowering import WinogradConv2d, transposed_kernel, wide_kernel
from ..lowering.winograd import transformed_kernel
from ..model import MotionModel
from ..networks import DownBlock, ResidualBlock, UpBlock

ENOUGH_PIXELS = 512
"""Pixels of a batch from which making another kernel pays for itself."""
FEW_PIXELS = 1024
"""A layer of in x out channels sees few pixels, in a batch, where it has so many pairs of channels for each of them."""
WINOGRAD_CHANNELS, WINOGRAD_PIXELS = 128, 2048
"""Winograd's way, its kernel made twice in each step, pays from so many channels, and pixels of one image."""


class _Quick(nn.Module):
    """With the very parameters of a plain convolution, by the same names."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.weight, self.bias = conv.weight, conv.bias


class SameConv2d(_Quick):
    """A same-size convolution; where its input is small, as in the depths of an hourglass, one matrix product.

    There the weight is all that is read and its gradient all that is written, once each; a convolution rearranges both.
    """

    def forward(self, x: Tensor) -> Tensor:
        """[B, in, H, W] -> [B, out, H, W]."""
        return same_convolution(x, self.weight, self.bias)


class UpsamplingConv2d(_Quick):
    """Nearest upsampling by 2 and a 3x3 convolution, as one transposed convolution: 4 products for 9."""

    def forward(self, x: Tensor) -> Tensor:
        """[B, in, H, W] -> [B, out, 2 H, 2 W]."""
        if pays(x):
            return F.conv_transpose2d(x, transposed_kernel(self.weight), self.bias, stride=2, padding=1)
        return same_convolution(F.interpolate(x, scale_factor=2, mode="nearest"), self.weight, self.bias)


class FourAtOnceConv2d(_Quick):
    """A same-size convolution with few outputs, four pixels at a time (see `lowering.four_at_once`)."""

    def forward(self, x: Tensor) -> Tensor:
        """[B, in, H, W] -> [B, out, H, W]; H and W even."""
        reach = self.weight.shape[-1] // 2
        if not pays(x):
            return F.conv2d(x, self.weight, self.bias, padding=reach)
        bias = None if self.bias is None else self.bias.repeat_interleave(4)
        return F.pixel_shuffle(F.conv2d(x, wide_kernel(self.weight), bias, stride=2, padding=reach), 2)


class WideConv2d(_Quick):
    """A 3x3 convolution that goes Winograd's way, forwards and back to its input, not to its weight."""

    def __init__(self, conv: nn.Conv2d, way: WinogradConv2d) -> None:
        super().__init__(conv)
        self._way = (way,)  # shared by all layers of one size, and no part of their state

    def forward(self, x: Tensor) -> Tensor:
        """[B, in, H, W] -> [B, out, H, W]."""
        as_one = x.dtype == self.weight.dtype == torch.float32 and not torch.is_autocast_enabled(x.device.type)
        if as_one and x.device.type == "cpu" and x.shape[-2] * x.shape[-1] >= WINOGRAD_PIXELS:
            return _Winograd.apply(x, self.weight, self.bias, self._way[0])
        return F.conv2d(x, self.weight, self.bias, padding=1)


class _Winograd(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, way: WinogradConv2d) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.way = way
        way.kernel, way.bias = transformed_kernel(weight), bias
        return way(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, weight = ctx.saved_tensors
        ctx.way.kernel, ctx.way.bias = transformed_kernel(weight.flip(2, 3).transpose(0, 1)), None
        _, to_weight, to_bias = torch.ops.aten.convolution_backward(
            gradient, x, weight, [len(weight)], [1, 1], [1, 1], [1, 1], False, [0, 0], 1, [False, True, True]
        )
        return ctx.way(gradient), to_weight, to_bias, None


def same_convolution(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """[B, in, H, W], [out, in, k, k] with k odd, [out] -> [B, out, H, W]; zeros lie around the input."""
    side, (batch, channels, height, width) = weight.shape[-1], x.shape
    pixels = batch * height * width
    if x.device.type != "cpu" or len(weight) * channels < FEW_PIXELS * pixels:
        return F.conv2d(x, weight, bias, padding=side // 2)
    around = F.pad(x, (side // 2,) * 4).unfold(2, side, 1).unfold(3, side, 1)
    out = F.linear(rearrange(around, "b c h w i j -> (b h w) (c i j)"), weight.flatten(1), bias)
    return rearrange(out, "(b h w) c -> b c h w", b=batch, h=height)


def pays(x: Tensor) -> bool:
    """Whether the rewritten form is the faster one for this input."""
    return x.device.type == "cpu" and x.shape[0] * x.shape[-2] * x.shape[-1] >= ENOUGH_PIXELS


def use_fast_layers(model: MotionModel) -> None:
    """Put the quick layers in place, with the very parameters of the plain ones.

    For training only: `lower` takes a plain model (see `MotionModel.from_state`).
    """
    for block in model.modules():
        if isinstance(block, UpBlock) and isinstance(block.conv, nn.Conv2d):
            block.upsample, block.conv = nn.Identity(), UpsamplingConv2d(block.conv)
        if isinstance(block, DownBlock) and isinstance(block.conv, nn.Conv2d):
            block.conv = SameConv2d(block.conv)
    way: WinogradConv2d | None = None
    for block in model.generator.bottleneck:
        assert isinstance(block, ResidualBlock)
        for name in ("conv1", "conv2"):
            conv = getattr(block, name)
            if isinstance(conv, nn.Conv2d) and conv.in_channels >= WINOGRAD_CHANNELS:
                way = way or WinogradConv2d(conv)
                setattr(block, name, WideConv2d(conv, way))
    if isinstance(model.generator.final, nn.Conv2d):
        model.generator.final = FourAtOnceConv2d(model.generator.final)
