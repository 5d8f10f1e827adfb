"""Corner-aligned coordinate grids and the one place where images are sampled.

Coordinates are (x, y) in -1..1; -1 and 1 are the *centres* of the first and last pixel, as in the published model.
"""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor


def coordinate_grid(height: int, width: int, *, like: Tensor) -> Tensor:
    """Coordinates of every pixel centre, [height, width, 2] as (x, y), in the dtype and on the device of `like`."""
    y, x = (torch.linspace(-1, 1, length, device=like.device, dtype=like.dtype) for length in (height, width))
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)


def warp(image: Tensor, flow: Tensor, *, align_corners: bool, padding: str = "zeros") -> Tensor:
    """Sample `image` [B, C, H, W] bilinearly where `flow` [B, h, w, 2] points. Returns [B, C, h, w].

    Outside is zero; with `padding="border"` the nearest pixel inside, with "reflection" the mirrored inside.

    `align_corners` is the convention the weights were trained under (`MotionModelConfig.align_corners`). Half-precision
    images are sampled in float32, since a half-precision coordinate misses by a tenth of a pixel; the result has the
    image's dtype again.
    """
    sampled = F.grid_sample(
        image.to(flow.dtype), flow, mode="bilinear", padding_mode=padding, align_corners=align_corners
    )
    return sampled.to(image.dtype)


def resize_maps(maps: Tensor, height: int, width: int, *, align_corners: bool = False) -> Tensor:
    """Resize [B, C, h, w] maps bilinearly to [B, C, height, width]; a map of that size is returned as it is.

    `align_corners=False` is what `interpolate` did when the published weights were trained, and does today.
    """
    if maps.shape[-2:] == (height, width):
        return maps
    return F.interpolate(maps, size=(height, width), mode="bilinear", align_corners=align_corners)


def resize_flow(flow: Tensor, height: int, width: int, *, align_corners: bool = True) -> Tensor:
    """Resize a flow [B, h, w, 2] to [B, height, width, 2].

    As a flow's values stand at the points of `coordinate_grid`, an affine one, the identity among them, stays what it
    is. `align_corners=False` is the published generator's way: enlarged so, the identity stretches the image by up
    to a pixel and a half near its edges, which the published weights have learned to undo.
    """
    maps = resize_maps(rearrange(flow, "b h w xy -> b xy h w"), height, width, align_corners=align_corners)
    return rearrange(maps, "b xy h w -> b h w xy")


def identity_flow(batch: int, height: int, width: int, *, like: Tensor) -> Tensor:
    """The flow that moves nothing, [batch, height, width, 2]."""
    return coordinate_grid(height, width, like=like).expand(batch, height, width, 2)


def downsample_factor(scale: float) -> int:
    """The whole number of pixels that become one at `scale`; raises ValueError where `scale` is not 1/n."""
    factor = round(1 / scale)
    if factor < 1 or abs(1 / factor - scale) > 1e-6:
        raise ValueError(f"expected a scale factor of 1/n with n = 1, 2, 3, ...; got {scale}")
    return factor


def as_pixels(position: Tensor, height: int, width: int) -> Tensor:
    """Corner-aligned -1..1 positions [..., 2] to pixel coordinates (x, y), 0..width-1 and 0..height-1."""
    extent = torch.tensor([width - 1, height - 1], device=position.device, dtype=position.dtype)
    return (position + 1) / 2 * extent
