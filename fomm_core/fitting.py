"""Bringing images of any kind and size into the form that the networks take."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from .errors import ImageError

FitMode = Literal["crop", "pad", "stretch"]
FIT_MODES: tuple[FitMode, ...] = get_args(FitMode)


def from_uint8(frames: np.ndarray) -> Tensor:
    """Convert frames as files hold them to what the networks take.

    Args:
        frames: uint8 [B, H, W, 3] or [H, W, 3].

    Returns:
        float32 [B, 3, H, W] in 0..1.

    Example:
        >>> import numpy as np
        >>> from fomm_nodes.fomm_core.fitting import from_uint8
        >>> from_uint8(np.full((2, 48, 64, 3), 255, np.uint8)).shape
        torch.Size([2, 3, 48, 64])
    """
    return _in_unit_range(_channels_first(frames))


def to_uint8(images: Tensor) -> np.ndarray:
    """Convert frames to what files hold. Values outside 0..1 are clipped.

    Args:
        images: float [B, 3, H, W] in 0..1, on any device.

    Returns:
        uint8 [B, H, W, 3], rounded.

    Example:
        >>> import torch
        >>> from fomm_nodes.fomm_core.fitting import to_uint8
        >>> int(to_uint8(torch.ones(1, 3, 2, 2)).max())
        255
    """
    if images.device.type == "cpu":
        # numpy asks for no second thread: those of torch render the next frames, and would be waited for
        numbers = np.multiply(images.detach().float().numpy(), np.float32(255))
        np.clip(np.rint(numbers, out=numbers), 0, 255, out=numbers)
        with np.errstate(invalid="ignore"):  # NaN is black
            return np.ascontiguousarray(rearrange(numbers.astype(np.uint8), "b c h w -> b h w c"))
    scaled = (images.detach().float() * 255).round_().clamp_(0, 255).to(torch.uint8)
    return rearrange(scaled, "b c h w -> b h w c").contiguous().cpu().numpy()


def as_rgb(images: Tensor, channels: int = 3) -> Tensor:
    """[B, C, H, W] with C = 1 (grey), 3, or 4 (the fourth is opacity, laid over white) to [B, channels, H, W] float32.

    Raises ImageError for other shapes, for empty batches, and for NaN or Inf.
    """
    if images.ndim != 4 or 0 in images.shape:
        raise ImageError(f"expected images of shape [B, C, H, W], none of them 0; got {list(images.shape)}.")
    images = _in_unit_range(images).float()
    if not torch.isfinite(images).all():
        raise ImageError("expected finite pixel values; got NaN or Inf. Check what produced the image.")
    count = images.shape[1]
    if count == channels:
        return images
    if count == 1:
        return images.expand(-1, channels, -1, -1)
    if count == channels + 1:
        colour, opacity = images[:, :channels], images[:, channels:]
        return colour * opacity + (1 - opacity)
    raise ImageError(f"expected images with 1, {channels} or {channels + 1} channels; got {count}.")


def fit(
    images: Tensor, height: int, width: int, *, mode: FitMode = "crop", shown: tuple[int, int] | None = None
) -> Tensor:
    """Resize images of any shape, with anti-aliasing. Images that already have the size come back unchanged.

    Args:
        images: [B, C, h, w], float in 0..1 or uint8.
        height: Of the result, in pixels.
        width: Of the result, in pixels.
        mode: "crop" cuts the longer side in the middle, "pad" adds black borders, "stretch" ignores the aspect ratio.
        shown: The (height, width) that the result will be resized to in the end, if its aspect ratio differs; it then
            determines what is cut or added.

    Returns:
        float [B, C, height, width].

    Raises:
        ImageError: There is no such mode.

    Example:
        >>> import torch
        >>> from fomm_nodes.fomm_core.fitting import fit
        >>> fit(torch.rand(4, 3, 300, 200), 256, 256, mode="pad").shape
        torch.Size([4, 3, 256, 256])
    """
    if mode not in FIT_MODES:
        raise ImageError(f"expected a way of fitting out of {', '.join(FIT_MODES)}; got '{mode}'.")
    old_height, old_width = images.shape[-2:]
    shown_height, shown_width = shown or (height, width)
    if mode == "stretch" or (old_height, old_width) == (shown_height, shown_width):
        return resize(images, height, width)
    scales = (shown_height / old_height, shown_width / old_width)
    scale = max(scales) if mode == "crop" else min(scales)
    if mode == "crop":
        cut_height = min(old_height, max(1, round(shown_height / scale)))
        cut_width = min(old_width, max(1, round(shown_width / scale)))
        top, left = (old_height - cut_height) // 2, (old_width - cut_width) // 2
        return resize(images[..., top : top + cut_height, left : left + cut_width], height, width)
    new_height = min(height, max(1, round(old_height * scale * height / shown_height)))
    new_width = min(width, max(1, round(old_width * scale * width / shown_width)))
    top, left = (height - new_height) // 2, (width - new_width) // 2
    resized = resize(images, new_height, new_width)
    return F.pad(resized, (left, width - new_width - left, top, height - new_height - top))


def own_size(height: int, width: int, shown: tuple[int, int], mode: FitMode) -> tuple[int, int]:
    """The (height, width) at which a height x width image, fitted as frames of the size `shown` were, keeps its own
    resolution.
    """
    if mode == "stretch":
        return height, width
    factors = (height / shown[0], width / shown[1])
    factor = min(factors) if mode == "crop" else max(factors)
    return max(1, round(shown[0] * factor)), max(1, round(shown[1] * factor))


def fit_uint8(
    frames: np.ndarray, height: int, width: int, *, mode: FitMode = "crop", shown: tuple[int, int] | None = None
) -> Tensor:
    """`fit(from_uint8(frames), ...)` at half its cost: what is cut off never becomes a float."""
    return fit(_channels_first(frames), height, width, mode=mode, shown=shown)


def dimmed(images: Tensor) -> Tensor:
    """[B, C + 1, H, W], the last channel opacity, with the colours multiplied by it: so they can be resized."""
    images = _in_unit_range(images).float()
    return torch.cat([images[:, :-1] * images[:, -1:], images[:, -1:]], 1)


def undimmed(colour: Tensor, opacity: Tensor, background: Tensor) -> Tensor:
    """Straight colours and opacity, [B, C + 1, H, W] in 0..1, of images [B, C, H, W] that lie over a background.

    What an image shows at an edge is opacity * colour + (1 - opacity) * background; so no trace of it stays.
    opacity: [B, 1, H, W]. background: [C], of one colour.
    """
    seen = colour - (1 - opacity) * background.to(colour).reshape(1, -1, 1, 1)
    whole = (seen / opacity.clamp(min=1 / 512)).clamp(0, 1)
    return torch.cat([whole, opacity], 1)


def _channels_first(frames: np.ndarray) -> Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(frames))
    return rearrange(tensor if tensor.ndim == 4 else tensor.unsqueeze(0), "b h w c -> b c h w")


def _in_unit_range(images: Tensor) -> Tensor:
    """Bytes as float32 in 0..1; floats as they are."""
    return images if images.is_floating_point() else images.contiguous().float().div_(255)


def resize(images: Tensor, height: int, width: int) -> Tensor:
    """[B, C, h, w], floats of 0..1 or uint8, as float [B, C, height, width]: anti-aliased, whatever the aspects."""
    images = _in_unit_range(images)
    if images.shape[-2:] == (height, width):
        return images
    if images.device.type == "mps":  # lacks this filter
        return resize(images.cpu(), height, width).to(images.device)
    return F.interpolate(images, size=(height, width), mode="bilinear", antialias=True, align_corners=False).clamp(0, 1)
