"""Residual blocks whose convolutions go Winograd's way, in memory of their own from the first to the last."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn

from ..networks import ResidualBlock
from .winograd import OUT, WinogradConv2d

ROWS = 8
"""Rows of a map that are normalised at once."""


class WinogradResidualBlock(nn.Module):
    """Stands for a `ResidualBlock` whose second norm is folded: norm, ReLU, convolution, ReLU, convolution, added.

    What goes into a convolution is made where it wants to read it, and its result is added where it belongs: nothing is
    copied between them.
    """

    scale: Tensor
    shift: Tensor
    conv1: WinogradConv2d
    conv2: WinogradConv2d

    def __init__(self, block: ResidualBlock) -> None:
        super().__init__()
        if not self.stands_for(block):
            raise ValueError(f"expected a batch norm, one that is folded, and Winograd's convolutions; got {block}")
        norm = block.norm1
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.weight.data / torch.sqrt(norm.running_var + norm.eps)
        self.register_buffer("scale", scale, persistent=False)
        self.register_buffer("shift", norm.bias.data - norm.running_mean * scale, persistent=False)
        assert isinstance(block.conv1, WinogradConv2d)
        assert isinstance(block.conv2, WinogradConv2d)
        self.conv1, self.conv2 = block.conv1, block.conv2

    @staticmethod
    def stands_for(block: ResidualBlock) -> bool:
        """Whether a block has gone so far that this one can take its place."""
        convs = isinstance(block.conv1, WinogradConv2d) and isinstance(block.conv2, WinogradConv2d)
        return convs and isinstance(block.norm1, nn.BatchNorm2d) and isinstance(block.norm2, nn.Identity)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> the same, channels last."""
        out = x.clone(memory_format=torch.channels_last)
        self.add_to(out)
        return out

    def add_to(self, x: Tensor) -> None:
        """Add the block's branch to [B, C, H, W], which is channels last, in place."""
        for image in x:
            self._add(rearrange(image, "c h w -> h w c"))

    def _add(self, x: Tensor) -> None:
        height, width, _ = x.shape
        first = self.conv1.padded(height, width, like=x)
        for row in range(0, height, ROWS):  # a few rows at a time stay in the cache for the second step
            there = first[row + 1 : min(row + ROWS, height) + 1, 1 : width + 1]
            torch.addcmul(self.shift, x[row : row + ROWS], self.scale, out=there)
            there.relu_()
        second = self.conv2.padded(height, width, like=x, name="padded again")
        inner = second[1:-1, 1:-1]
        self.conv1.convolve(first, inner)
        inner.relu_()
        inner[height:], inner[:, width:] = 0, 0  # what its last tiles made beyond the edge
        if height % OUT == width % OUT == 0:
            self.conv2.convolve(second, x, add=True)
        else:
            whole = self.conv2.scratch.take("whole", *inner.shape, like=x)
            self.conv2.convolve(second, whole)
            x += whole[:height, :width]


class ResidualBlocks(nn.Sequential):
    """`WinogradResidualBlock`s, one after the other, in the memory of their input: who needs it keeps a copy."""

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> the same, channels last; `x` itself where it is."""
        out = x.contiguous(memory_format=torch.channels_last)
        for block in self:
            assert isinstance(block, WinogradResidualBlock)
            block.add_to(out)
        return out
