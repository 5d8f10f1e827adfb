"""Large frames from small ones: the flow that was found at the model's size moves a source of full resolution."""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from .errors import ImageError
from .geometry import Motion, resize_flow, resize_maps, warp

DetailMode = Literal["transfer", "high-pass"]
DETAIL_MODES: tuple[DetailMode, ...] = get_args(DetailMode)


def transfer_detail(
    frames: Tensor,
    motion: Motion,
    source: Tensor,
    *,
    align_corners: bool,
    mode: DetailMode = "transfer",
    strength: float = 1.0,
) -> Tensor:
    """The model's frames at the size of a larger source, [B, 3, H, W] in 0..1.

    Where the source shows what a frame needs (the motion's occlusion; all of it where there is none), its moved pixels
    are taken; the rest is the frame, enlarged. A source that does not move comes out as it went in.

    Args:
        frames: [B, 3, h, w], as the model painted them.
        motion: the B frames' motion.
        source: [1 or B, 3, H, W] in 0..1, the same image as the model's source, larger.
        align_corners: of the warp, as the model's configuration says.
        mode: "transfer" takes the moved pixels as they are. "high-pass" takes only what the frame's size cannot hold,
            so that colours and light stay the frame's.
        strength: how much of it, 0 to 1.

    Raises:
        ImageError: counts or channels that do not fit each other, another mode or strength.
    """
    if mode not in DETAIL_MODES:
        raise ImageError(f"expected a mode out of {', '.join(DETAIL_MODES)}; got {mode!r}.")
    if not 0 <= strength <= 1:
        raise ImageError(f"expected a strength of 0 to 1; got {strength}.")
    count = len(frames)
    if frames.ndim != 4 or len(motion) != count:
        raise ImageError(
            f"expected a frame [B, C, h, w] for each of the motion's {len(motion)}; got {list(frames.shape)}."
        )
    if source.ndim != 4 or len(source) not in (1, count) or source.shape[1] != frames.shape[1]:
        raise ImageError(
            f"expected one source or one for each of {count} frames, with {frames.shape[1]} channels; got "
            f"{list(source.shape)}."
        )
    height, width = source.shape[-2:]
    source = source.to(frames)
    flow = resize_flow(motion.flow.to(frames), height, width)
    moved = warp(source.expand(count, -1, -1, -1), flow, align_corners=align_corners, padding="border")
    shown = _inside(flow, align_corners=align_corners) * strength
    if motion.occlusion is not None:
        shown = shown * resize_maps(motion.occlusion.to(frames), height, width).clamp(0, 1)
    enlarged = _enlarged(frames, height, width)
    if mode == "transfer":
        return torch.lerp(enlarged.clamp(0, 1), moved, shown)
    low = _enlarged(_reduced(moved, *frames.shape[-2:]), height, width)
    return (enlarged + shown * (moved - low)).clamp(0, 1)


def _inside(flow: Tensor, *, align_corners: bool) -> Tensor:
    """[B, 1, H, W]: 0 where a flow points out of the source, a pixel beyond its border or further."""
    height, width = flow.shape[1:3]
    sides = flow.new_tensor([width, height])
    # pixels between the border's pixel centres and where it points
    beyond = (flow.abs() - 1) * (sides - 1) / 2 if align_corners else (flow.abs() - 1) * sides / 2 + 0.5
    return (1 - beyond.amax(-1)).clamp(0, 1)[:, None]


def _enlarged(images: Tensor, height: int, width: int) -> Tensor:
    if images.shape[-2:] == (height, width):
        return images
    return F.interpolate(images, size=(height, width), mode="bicubic", antialias=True)


def _reduced(images: Tensor, height: int, width: int) -> Tensor:
    if images.shape[-2:] == (height, width):
        return images
    return F.interpolate(images, size=(height, width), mode="bilinear", antialias=True)
