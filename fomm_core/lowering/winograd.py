"""3x3 convolutions with fewer products: Winograd's F(4x4, 3x3) as one batched matrix product."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

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


def transformed_kernel(weight: Tensor) -> Tensor:
    """A kernel [out, in, 3, 3] in Winograd's domain, [36, in, out]; computed in float64, a few outputs at a time."""
    kernel = torch.tensor(_KERNEL, dtype=torch.float64)
    transformed = weight.new_empty(TILE * TILE, weight.shape[1], weight.shape[0])
    for outputs in torch.arange(len(weight)).split(64):
        part = torch.einsum("uy,oiyx,vx->uvio", kernel, weight[outputs].double(), kernel)
        transformed[:, :, outputs] = part.flatten(0, 1).to(weight.dtype)
    return transformed


class WinogradConv2d(nn.Module):
    """Stands for a 3x3 convolution of stride 1 and padding 1, on any height and width; channels last inside.

    36 instead of 144 products make 4x4 outputs. Float32 error is about 5e-5 of the output's deviation. Images go one
    by one, since the tiles of one (2.25 times its pixels) are what a cache can hold.
    """

    kernel: Tensor
    to_domain: Tensor
    from_domain: Tensor

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        if conv.kernel_size != (3, 3) or conv.stride != (1, 1) or conv.padding != (1, 1) or conv.groups != 1:
            raise ValueError(f"expected a 3x3 convolution of stride 1, padding 1 and one group; got {conv}")
        dtype = conv.weight.dtype
        to_tiles, from_tiles = torch.tensor(_INPUT, dtype=dtype), torch.tensor(_OUTPUT, dtype=dtype)
        self.register_buffer("kernel", transformed_kernel(conv.weight.data), persistent=False)
        self.register_buffer("to_domain", torch.kron(to_tiles, to_tiles), persistent=False)  # [36, 36]
        self.register_buffer("from_domain", torch.kron(from_tiles, from_tiles), persistent=False)  # [16, 36]
        self.bias = conv.bias

    def forward(self, x: Tensor) -> Tensor:
        """[B, in, H, W] -> [B, out, H, W]."""
        images = [self._convolve(image) for image in x]
        stacked = images[0].unsqueeze(0) if len(images) == 1 else torch.stack(images)
        return rearrange(stacked, "b h w o -> b o h w")

    def _convolve(self, image: Tensor) -> Tensor:
        """[in, H, W] -> [H, W, out]."""
        height, width = image.shape[-2:]
        rows, columns = -(-height // OUT), -(-width // OUT)
        below, right = rows * OUT - height, columns * OUT - width
        padded = F.pad(rearrange(image, "c h w -> h w c"), (0, 0, 1, 1 + right, 1, 1 + below))
        tiles = padded.unfold(0, TILE, OUT).unfold(1, TILE, OUT)  # [rows, columns, in, 6, 6]
        tiles = rearrange(tiles, "r l c u v -> (u v) (r l c)")
        domain = rearrange(self.to_domain @ tiles, "uv (t c) -> uv t c", t=rows * columns)
        domain = torch.bmm(domain, self.kernel)  # [36, tiles, out]
        out = self.from_domain @ rearrange(domain, "uv t o -> uv (t o)")
        out = rearrange(out, "(y x) (r l o) -> (r y) (l x) o", y=OUT, r=rows, l=columns)
        if self.bias is not None:
            out = out + self.bias
        return out[:height, :width]
