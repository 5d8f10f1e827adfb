"""Layers that become one: normalisation, upsampling, and the last layer's pixels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..networks import ConvBlock, DownBlock, ResidualBlock, UpBlock
from ..networks.resnet import BasicBlock, ResNet18

PAIRS: dict[type, tuple[tuple[str, str], ...]] = {
    **dict.fromkeys((ConvBlock, DownBlock, UpBlock), (("conv", "norm"),)),
    ResidualBlock: (("conv1", "norm2"),),
    BasicBlock: (("conv1", "bn1"), ("conv2", "bn2")),
    ResNet18: (("conv1", "bn1"),),
}
"""A block's convolutions with the norms that follow them."""


def fold_normalisation(network: nn.Module) -> None:
    """Fold every batch norm that follows a convolution into that convolution, in place.

    Instance norms stay: they are of each image, and no constants.
    """
    for block in network.modules():
        for conv_name, norm_name in PAIRS.get(type(block), ()):
            conv, norm = getattr(block, conv_name), getattr(block, norm_name)
            if isinstance(norm, nn.BatchNorm2d):
                setattr(block, conv_name, fuse_conv_bn_eval(conv, norm))
                setattr(block, norm_name, nn.Identity())
        if isinstance(block, BasicBlock) and block.downsample is not None:
            conv, norm = block.downsample
            assert isinstance(conv, nn.Conv2d)
            assert isinstance(norm, nn.BatchNorm2d)
            block.downsample = nn.Sequential(fuse_conv_bn_eval(conv, norm))


def fold_upsampling(block: UpBlock) -> None:
    """Make nearest upsampling and the 3x3 convolution behind it one transposed convolution, in place."""
    conv = block.conv
    assert isinstance(conv, nn.Conv2d)
    transposed = nn.ConvTranspose2d(conv.in_channels, conv.out_channels, 4, stride=2, padding=1)
    transposed.weight = nn.Parameter(transposed_kernel(conv.weight.data), requires_grad=False)
    transposed.bias = conv.bias
    block.conv, block.upsample = transposed, nn.Identity()


TAPS = (
    (0.0, 0.0, 1.0),  # odd output, pixel on the right
    (0.0, 1.0, 1.0),  # even output, this pixel
    (1.0, 1.0, 0.0),  # odd output, this pixel
    (1.0, 0.0, 0.0),  # even output, pixel on the left
)
"""Behind upsampling by 2, two of the three taps of a row always read the same small pixel: an even output reads (left,
here, here), an odd one (here, here, right). Which taps make each of the four numbers of the transposed kernel's row.
"""


def transposed_kernel(weight: Tensor) -> Tensor:
    """The 4x4 stride-2 transposed kernel [in, out, 4, 4] that equals upsampling by 2 and then `weight` [out, in, 3, 3];
    4 instead of 9 products make one output.
    """
    taps = weight.new_tensor(TAPS)
    flat = rearrange(weight, "o i y x -> i o (y x)") @ torch.kron(taps, taps).T
    return rearrange(flat, "i o (v u) -> i o v u", v=len(TAPS))


def combined_taps(weight: Tensor, shares: Tensor) -> Tensor:
    """`weight` [out, in, 3, 3] as [n, in, out]: for each row of `shares` [n, 9] the sum of the taps by these shares."""
    flat = shares @ rearrange(weight, "o i y x -> (y x) (i o)")
    return rearrange(flat, "n (i o) -> n i o", i=weight.shape[1])


def four_at_once(conv: nn.Conv2d) -> nn.Sequential:
    """A same-size convolution with few output channels as one of stride 2 with four times as many, then a shuffle.

    The kernel grows by one row and column, so that it covers all that a 2x2 square of outputs reads; each of the four
    holds `conv`'s kernel at its own offset. Wide outputs keep a processor busier. Needs even heights and widths.
    """
    size = conv.kernel_size[0]
    wide = nn.Conv2d(conv.in_channels, 4 * conv.out_channels, size + 1, stride=2, padding=size // 2)
    wide.weight = nn.Parameter(wide_kernel(conv.weight.data), requires_grad=False)
    assert conv.bias is not None
    wide.bias = nn.Parameter(conv.bias.data.repeat_interleave(4), requires_grad=False)
    return nn.Sequential(wide, nn.PixelShuffle(2))


def wide_kernel(weight: Tensor) -> Tensor:
    """`weight` [out, in, size, size] at the four offsets in a kernel one larger: [4 out, in, size + 1, size + 1]."""
    offsets = [F.pad(weight, (column, 1 - column, row, 1 - row)) for row in range(2) for column in range(2)]
    return torch.stack(offsets, dim=1).flatten(0, 1)
