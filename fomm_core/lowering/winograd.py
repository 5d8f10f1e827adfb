"""3x3 convolutions with fewer products: Winograd's F(4x4, 3x3) as one batched matrix product; the same behind nearest
upsampling, where fewer still will do.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn

from .folding import combined_taps
from .scratch import Scratch

OUT = 4
"""Outputs of a tile, each way."""


class Way(NamedTuple):
    """One dimension of a tile: `inward` [points, inputs], `kernel` [points, 3], `outward` [OUT, points]; a tile begins
    `step` inputs behind the one before it.
    """

    inward: Tensor
    kernel: Tensor
    outward: Tensor
    step: int


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
PLAIN = Way(
    torch.tensor(_INPUT, dtype=torch.float64),
    torch.tensor(_KERNEL, dtype=torch.float64),
    torch.tensor(_OUTPUT, dtype=torch.float64),
    OUT,
)
"""Six inputs, six products, four outputs."""


def _doubled() -> Way:
    """`PLAIN` for inputs that come in pairs, as nearest upsampling makes them. Its third point, -1, then sees nothing:
    five products of four inputs make four outputs.
    """
    kept = [0, 1, 3, 4, 5]
    inputs = torch.stack([PLAIN.inward[:, pair].sum(1) for pair in ([0], [1, 2], [3, 4], [5])], dim=1)
    return Way(inputs[kept], PLAIN.kernel[kept], PLAIN.outward[:, kept], OUT // 2)


DOUBLED = _doubled()
ALL_ONES = 1
"""The point whose product all outputs hold with weight 1, in both ways: what is added there is added to all."""

STRIP_BYTES, LINE_BYTES, CACHE_BYTES = 64_000, 1 << 19, 1 << 20
"""A row of tiles so large goes through the transforms alone, in the cache; smaller maps go at once, as fewer calls. And
as many rows are multiplied at once as need no more memory than this, or than the kernel, which is read again each time.
"""


def transformed_kernel(weight: Tensor, way: Way = PLAIN) -> Tensor:
    """A kernel [out, in, 3, 3] in Winograd's domain, [points squared, in, out]."""
    kernel = way.kernel.to(weight.dtype)
    return combined_taps(weight, torch.kron(kernel, kernel))


class WinogradConv2d(nn.Module):
    """Stands for a 3x3 convolution of stride 1 and padding 1, on any height and width; channels last inside.

    36 instead of 144 products make 4x4 outputs. Float32 error is about 5e-5 of the output's deviation. Images go one
    by one, since the tiles of one (2.25 times its pixels) are what a cache can hold.
    """

    way: ClassVar[Way] = PLAIN
    kernel: Tensor
    bias: Tensor | None
    inward: Tensor
    outward: Tensor
    to_domain: Tensor
    from_domain: Tensor

    def __init__(self, conv: nn.Conv2d, scratch: Scratch | None = None) -> None:
        super().__init__()
        if conv.kernel_size != (3, 3) or conv.stride != (1, 1) or conv.padding != (1, 1) or conv.groups != 1:
            raise ValueError(f"expected a 3x3 convolution of stride 1, padding 1 and one group; got {conv}")
        inward, outward = self.way.inward.to(conv.weight.dtype), self.way.outward.to(conv.weight.dtype)
        held = {
            "kernel": transformed_kernel(conv.weight.data, self.way),
            "bias": None if conv.bias is None else conv.bias.data,
            "inward": inward,
            "outward": outward,
            "to_domain": torch.kron(inward, inward),
            "from_domain": torch.kron(outward, outward),
        }
        for name, tensor in held.items():
            self.register_buffer(name, tensor, persistent=False)
        self.scratch = scratch or Scratch()
        self.points, self.inputs = inward.shape

    def forward(self, x: Tensor) -> Tensor:
        """[B, in, H, W] -> [B, out, H, W]."""
        height, width = x.shape[-2:]
        rows, columns = self.tiles(height, width)
        out = x.new_empty(len(x), rows * OUT, columns * OUT, self.kernel.shape[-1])
        for image, target in zip(x, out, strict=True):
            padded = self.padded(height, width, like=x)
            padded[1 : height + 1, 1 : width + 1] = rearrange(image, "c h w -> h w c")
            self.convolve(padded, target)
        enlarged = OUT // self.way.step
        return rearrange(out[:, : height * enlarged, : width * enlarged], "b h w o -> b o h w")

    def tiles(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of tiles that cover an input."""
        return -(-height // self.way.step), -(-width // self.way.step)

    def padded(self, height: int, width: int, *, like: Tensor, name: str = "padded") -> Tensor:
        """Memory for an input [H, W, in] with a pixel of zeros around it, and more where its last tiles need it."""
        rows, columns = self.tiles(height, width)
        shape = rows * self.way.step + 2, columns * self.way.step + 2, self.kernel.shape[1]
        padded = self.scratch.take(name, *shape, like=like)
        padded[0], padded[:, 0], padded[height + 1 :], padded[:, width + 1 :] = 0, 0, 0, 0
        return padded

    def convolve(self, padded: Tensor, target: Tensor, *, add: bool = False) -> None:
        """`padded` input -> `target` [OUT rows, OUT columns, out], whose rows may lie apart; in its place, or added."""
        columns, channels = target.shape[1] // OUT, padded.shape[-1]
        row_bytes = self.points * columns * channels * padded.element_size()
        if row_bytes < STRIP_BYTES or torch.compiler.is_compiling():  # a compiler fuses the copies of the short form
            self._at_once(padded, target, add=add)
            return
        room = max(CACHE_BYTES, self.kernel.numel() * self.kernel.element_size())
        rows = max(1, room // (self.points * row_bytes))
        for start in range(0, len(target) // OUT, rows):
            first = start * self.way.step
            part = target[start * OUT : (start + rows) * OUT]
            self._by_rows(padded[first : first + len(part) // OUT * self.way.step + 2], part, add=add)

    def _by_rows(self, padded: Tensor, target: Tensor, *, add: bool) -> None:
        """First up and down, then left and right, for a few rows of tiles after the other; and back."""
        points, scratch, step = self.points, self.scratch, self.way.step
        rows, columns = len(target) // OUT, target.shape[1] // OUT
        width, channels, out_channels = padded.shape[1], padded.shape[2], target.shape[2]
        each = max(1, LINE_BYTES // (points * width * channels * padded.element_size()))
        down, across = self.inward.expand(rows, -1, -1), self.inward.expand(points, -1, -1)
        tall = padded.as_strided((rows, self.inputs, width * channels), (step * width * channels, width * channels, 1))
        domain = scratch.take("domain", points, points, rows, columns * channels, like=padded)
        for start in range(0, rows, each):
            few = min(each, rows - start)
            line = scratch.take("line", few, points, width, channels, like=padded)
            torch.bmm(down[:few], tall[start : start + few], out=line.flatten(2))
            strip = scratch.take("strip", points, self.inputs, few, columns, channels, like=padded)
            strip.copy_(line.unfold(2, self.inputs, step).permute(1, 4, 0, 2, 3))
            torch.bmm(across, strip.flatten(2), out=domain[:, :, start : start + few].flatten(2))
        product = self._multiplied(domain.view(points * points, rows * columns, channels))
        product = product.view(points, points, rows, columns * out_channels)
        down, across = self.outward.expand(rows, -1, -1), self.outward.expand(points, -1, -1)
        gap = target.stride(0)
        tall = target.as_strided((rows, OUT, columns * OUT * out_channels), (OUT * gap, gap, 1))
        for start in range(0, rows, each):
            few = min(each, rows - start)
            line = scratch.take("line", points, OUT, few, columns, out_channels, like=padded)
            torch.bmm(across, product[:, :, start : start + few].flatten(2), out=line.flatten(2))
            strip = scratch.take("strip", few, points, columns, OUT, out_channels, like=padded)
            strip.copy_(line.permute(2, 0, 3, 1, 4))
            place = tall[start : start + few]
            if add:
                place.baddbmm_(down[:few], strip.flatten(2))
            else:
                torch.bmm(down[:few], strip.flatten(2), out=place)

    def _at_once(self, padded: Tensor, target: Tensor, *, add: bool) -> None:
        """Both ways in one product, for all tiles."""
        points, inputs, step, scratch = self.points, self.inputs, self.way.step, self.scratch
        rows, columns = len(target) // OUT, target.shape[1] // OUT
        channels, out_channels = padded.shape[2], target.shape[2]
        tiles = scratch.take("tiles", inputs, inputs, rows, columns, channels, like=padded)
        tiles.copy_(rearrange(padded.unfold(0, inputs, step).unfold(1, inputs, step), "r l c u v -> u v r l c"))
        domain = scratch.take("domain", points * points, rows * columns, channels, like=padded)
        torch.mm(self.to_domain, tiles.view(inputs * inputs, -1), out=domain.view(points * points, -1))
        product = self._multiplied(domain)
        pixels = scratch.take("domain", OUT, OUT, rows, columns, out_channels, like=padded)
        torch.mm(self.from_domain, product.view(points * points, -1), out=pixels.view(OUT * OUT, -1))
        place = rearrange(target, "(r y) (l x) o -> y x r l o", y=OUT, x=OUT)
        if add:
            place.add_(pixels)
        else:
            place.copy_(pixels)

    def _multiplied(self, domain: Tensor) -> Tensor:
        """[points squared, tiles, in] -> [points squared, tiles, out], the bias added."""
        product = self.scratch.take("tiles", *domain.shape[:2], self.kernel.shape[-1], like=domain)
        torch.bmm(domain, self.kernel, out=product)
        if self.bias is not None:
            product[ALL_ONES * self.points + ALL_ONES] += self.bias
        return product


class UpsampledWinogradConv2d(WinogradConv2d):
    """Stands for nearest upsampling by 2 and a 3x3 convolution of padding 1 behind it; any height and width.

    25 products make 4x4 outputs, where the two as one transposed convolution take 64.
    """

    way = DOUBLED
