"""Nearest upsampling and the 3x3 convolution behind it, as one layer."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn

from .folding import TAPS, combined_taps
from .scratch import Scratch

_ROWS = ((TAPS[3], TAPS[1]), (TAPS[2], TAPS[0]))
"""What an even output makes of (the pixel before it, this one), an odd one of (this, the next)."""


def four_kernels(weight: Tensor) -> Tensor:
    """What `weight` [out, in, 3, 3] makes of the 2x2 small pixels that an output reads, for even and odd rows and
    columns of outputs: [(row column), out, (2 2 in)].
    """
    rows = weight.new_tensor(_ROWS)  # [parity, small pixel, tap]
    shares = torch.einsum("avy,bux->abvuyx", rows, rows).reshape(16, 9)
    return rearrange(combined_taps(weight, shares), "(ab vu) i o -> ab o (vu i)", ab=4).contiguous()


class UpsampledConv2d(nn.Module):
    """Stands for nearest upsampling by 2 and a 3x3 convolution of padding 1, as four matrix products; any size.

    For maps of few pixels with many channels, whose time goes into reading the kernel: it is read once, 16 numbers a
    pair of channels.
    """

    kernel: Tensor
    bias: Tensor | None

    def __init__(self, conv: nn.Conv2d, scratch: Scratch | None = None) -> None:
        super().__init__()
        self.register_buffer("kernel", four_kernels(conv.weight.data), persistent=False)
        self.register_buffer("bias", None if conv.bias is None else conv.bias.data, persistent=False)
        self.scratch = scratch or Scratch()

    def forward(self, x: Tensor) -> Tensor:
        """[B, in, H, W] -> [B, out, 2 H, 2 W]."""
        images, channels, height, width = x.shape
        padded = self.scratch.bordered(x)
        windows = self.scratch.take("tiles", 2, 2, 2, 2, channels, images, height, width, like=x)
        for row in range(2):
            for column in range(2):
                part = padded[..., row : row + height + 1, column : column + width + 1]
                windows[row, column] = rearrange(part.unfold(2, 2, 1).unfold(3, 2, 1), "c b h w v u -> v u c b h w")
        count, out_channels = images * height * width, self.kernel.shape[1]
        product = self.scratch.take("domain", 4, out_channels, count, like=x)
        torch.bmm(self.kernel, windows.view(4, -1, count), out=product)  # twice as fast as windows @ kernel
        if self.bias is not None:
            product += self.bias[:, None]
        out = x.new_empty(images, height, 2, width, 2, out_channels)
        out.copy_(rearrange(product, "(v u) o (b h w) -> b h v w u o", v=2, b=images, h=height))
        return rearrange(out, "b h v w u o -> b o (h v) (w u)")
