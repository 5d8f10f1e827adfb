"""Holding parts of an image still: motion that becomes the identity under a mask."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import ImageError
from ..geometry import Motion, identity_flow


def hold(motion: Motion, mask: Tensor, *, softness: float = 0.03) -> Motion:
    """The same motion, standing still where the mask is white.

    There the flow is the identity, the source shows all that is needed, and all belongs to the background; between,
    all three are mixed. A hard edge of the mask would tear the image, so it is blurred.

    Args:
        motion: B frames.
        mask: [1 or B, H, W] in 0..1, over the same image as the motion's frames, of any size.
        softness: of the mask's edge: the blur's standard deviation as a share of the shorter side, 0 to 0.5.

    Raises:
        ImageError: a mask of another shape or number, with NaN, or another softness.
    """
    if mask.ndim != 3 or 0 in mask.shape or len(mask) not in (1, len(motion)):
        raise ImageError(
            f"expected one mask [1, H, W], or one for each of {len(motion)} frames; got {list(mask.shape)}."
        )
    if not 0 <= softness <= 0.5:
        raise ImageError(f"expected a softness of 0 to 0.5; got {softness}.")
    if not bool(torch.isfinite(mask).all()):
        raise ImageError("expected a mask of finite numbers; got NaN or Inf.")
    layers = mask[:, None].to(motion.flow).clamp(0, 1)
    height, width = motion.flow.shape[1:3]
    still = _softened(_at_size(layers, height, width), softness)
    flow = torch.lerp(motion.flow, identity_flow(1, height, width, like=motion.flow), still[:, 0, ..., None])
    occlusion, parts = motion.occlusion, motion.mask
    if occlusion is not None:
        occlusion = _shown(occlusion, still)
    if parts is not None:
        background = torch.zeros_like(parts)
        background[:, 0] = 1
        parts = torch.lerp(parts, background, _at_size(still, *parts.shape[-2:]).to(parts))
    return Motion(flow, occlusion, parts, tuple(_shown(level, still) for level in motion.levels))


def _shown(occlusion: Tensor, still: Tensor) -> Tensor:
    share = _at_size(still, *occlusion.shape[-2:]).to(occlusion)
    return torch.lerp(occlusion, torch.ones_like(occlusion), share)


def _at_size(layers: Tensor, height: int, width: int) -> Tensor:
    if layers.shape[-2:] == (height, width):
        return layers
    return F.interpolate(layers, size=(height, width), mode="bilinear", antialias=True).clamp(0, 1)


def _softened(layers: Tensor, softness: float) -> Tensor:
    """[B, 1, h, w] blurred; what lies beyond the border goes on as it is there."""
    sigma = softness * min(layers.shape[-2:])
    if sigma < 0.1:  # less than shows between two pixels
        return layers
    from kornia.filters import gaussian_blur2d  # a fifth of a second to import

    reach = [min(round(3 * sigma), side - 1) for side in layers.shape[-2:]]
    kernel = (2 * reach[0] + 1, 2 * reach[1] + 1)
    return gaussian_blur2d(layers, kernel, (sigma, sigma), border_type="replicate").clamp(0, 1)
