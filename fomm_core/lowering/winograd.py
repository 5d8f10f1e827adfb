"""3x3 convolutions with fewer products: Winograd's F(4x4, 3x3) as one batched matrix product."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn

from .folding import combined_taps
from .scratch import Scratch

OUT, TAPS = 4, 3
TILE = OUT + TAPS - 1

# Lavin & Gray, Fast Algorithms for Convolutional Neural Networks (2016), section 4.3.
_INPUT = [
    [4, 0, -5, 0, 1, 0],
    [0, -4, -4, 1, 1, 0],
    [0, 4, -4, -1, 1, 0],
    [0, -2, -1, 2, 1, 0],
    [0, 2, -1, -2, 1, 0],
    [0, 4, 0, -5, 0, 1],
]
_KERNEL = [
    [1 / 4, 0, 0],
    [-1 / 6, -1 / 6, -1 / 6],
    [-1 / 6, 1 / 6, -1 / 6],
    [1 / 24, 1 / 12, 1 / 6],
    [1 / 24, -1 / 12, 1 / 6],
    [0, 0, 1],
]
_OUTPUT = [
    [1, 1, 1, 1, 1, 0],
    [0, 1, -1, 2, -2, 0],
    [0, 1, 1, 4, 4, 0],
    [0, 1, -1, 8, -8, 1],
]
FLAT = 1 * TILE + 1
"""The one of the 36 that all outputs of a tile hold with weight 1: the second column of _OUTPUT, both ways."""


def transformed_kernel(weight: Tensor) -> Tensor:
    """A kernel [out, in, 3, 3] in Winograd's domain, [36, in, out]."""
    kernel = torch.tensor(_KERNEL, dtype=weight.dtype)
    return combined_taps(weight, torch.kron(kernel, kernel))


class WinogradConv2d(nn.Module):
    """Stands for a 3x3 convolution of stride 1 and padding 1, on any height and width; channels last inside.

    36 instead of 144 products make 4x4 outputs. Float32 error is about 5e-5 of the output's deviation. Images go one
    by one, since the tiles of one (2.25 times its pixels) are what a cache can hold.
    """

    kernel: Tensor
    to_domain: Tensor
    from_domain: Tensor
    bias: Tensor | None

    def __init__(self, conv: nn.Conv2d, scratch: Scratch | None = None) -> None:
        super().__init__()
        if conv.kernel_size != (3, 3) or conv.stride != (1, 1) or conv.padding != (1, 1) or conv.groups != 1:
            raise ValueError(f"expected a 3x3 convolution of stride 1, padding 1 and one group; got {conv}")
        dtype = conv.weight.dtype
        to_tiles, from_tiles = torch.tensor(_INPUT, dtype=dtype), torch.tensor(_OUTPUT, dtype=dtype)
        self.register_buffer("kernel", transformed_kernel(conv.weight.data), persistent=False)
        self.register_buffer("to_domain", torch.kron(to_tiles, to_tiles), persistent=False)  # [36, 36]
        self.register_buffer("from_domain", torch.kron(from_tiles, from_tiles), persistent=False)  # [16, 36]
        self.register_buffer("bias", None if conv.bias is None else conv.bias.data, persistent=False)
        self.scratch = scratch or Scratch()

    def forward(self, x: Tensor) -> Tensor:
        """[B, in, H, W] -> [B, out, H, W]."""
        height, width = x.shape[-2:]
        rows, columns = -(-height // OUT), -(-width // OUT)
        out = x.new_empty(len(x), rows * OUT, columns * OUT, self.kernel.shape[-1])
        for image, target in zip(x, out, strict=True):
            self._convolve(image, target)
        return rearrange(out[:, :height, :width], "b h w o -> b o h w")

    def _convolve(self, image: Tensor, target: Tensor) -> None:
        """[in, H, W] -> [H, W, out], with H and W of `target` rounded up to whole tiles."""
        channels, height, width = image.shape
        rows, columns, out_channels = target.shape[0] // OUT, target.shape[1] // OUT, target.shape[2]
        padded = self.scratch.take("padded", rows * OUT + 2, columns * OUT + 2, channels, like=image)
        padded.zero_()
        padded[1 : height + 1, 1 : width + 1] = rearrange(image, "c h w -> h w c")
        tiles = self.scratch.take("tiles", TILE, TILE, rows, columns, channels, like=image)
        tiles.copy_(rearrange(padded.unfold(0, TILE, OUT).unfold(1, TILE, OUT), "r l c u v -> u v r l c"))
        domain = self.scratch.take("domain", TILE * TILE, rows * columns, channels, like=image)
        torch.mm(self.to_domain, tiles.view(TILE * TILE, -1), out=domain.view(TILE * TILE, -1))
        product = self.scratch.take("tiles", TILE * TILE, rows * columns, out_channels, like=image)
        torch.bmm(domain, self.kernel, out=product)
        if self.bias is not None:
            product[FLAT] += self.bias
        pixels = self.scratch.take("domain", OUT, OUT, rows, columns, out_channels, like=image)
        torch.mm(self.from_domain, product.view(TILE * TILE, -1), out=pixels.view(OUT * OUT, -1))
        rearrange(target, "(r y) (l x) o -> y x r l o", y=OUT, x=OUT).copy_(pixels)
