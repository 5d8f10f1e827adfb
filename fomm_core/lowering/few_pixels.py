"""Convolutions of maps with few pixels and many channels."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn

from .scratch import Scratch


class FewPixelsConv2d(nn.Module):
    """Stands for a 3x3 convolution of stride 1 and padding 1, as one matrix product; any size.

    For maps of few pixels with many channels, whose time goes into reading the kernel: a convolution rearranges it
    first, and a product with the kernel on its left reads it as it lies.
    """

    kernel: Tensor
    bias: Tensor | None

    def __init__(self, conv: nn.Conv2d, scratch: Scratch | None = None) -> None:
        super().__init__()
        kernel = rearrange(conv.weight.data, "o i y x -> o (y x i)").contiguous()
        self.register_buffer("kernel", kernel, persistent=False)
        self.register_buffer("bias", None if conv.bias is None else conv.bias.data, persistent=False)
        self.scratch = scratch or Scratch()

    def forward(self, x: Tensor) -> Tensor:
        """[B, in, H, W] -> [B, out, H, W]."""
        images, channels, height, width = x.shape
        padded = self.scratch.bordered(x)
        windows = self.scratch.take("tiles", 3, 3, channels, images, height, width, like=x)
        windows.copy_(rearrange(padded.unfold(2, 3, 1).unfold(3, 3, 1), "c b h w y x -> y x c b h w"))
        product = self.scratch.take("domain", len(self.kernel), images * height * width, like=x)
        torch.mm(self.kernel, windows.view(9 * channels, -1), out=product)
        if self.bias is not None:
            product += self.bias[:, None]
        out = x.new_empty(images, height, width, len(self.kernel))
        out.copy_(rearrange(product, "o (b h w) -> b h w o", b=images, h=height))
        return rearrange(out, "b h w o -> b o h w")
