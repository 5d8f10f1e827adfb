"""Blocks that keep what the source has: parts that stand still, and detail that the model's size cannot hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ...fomm_core.detail import DETAIL_MODES, DetailMode, transfer_detail
from ...fomm_core.errors import ImageError
from ...fomm_core.motion import hold
from ..spec import IMAGE, MASK, MOTION, Host, NodeSpec, category, choice, decimal, socket
from .border import MotionClip, fit_like, images_from_graph, images_to_graph

AT_ONCE = 4


def _hold(host: Host, motion: MotionClip, mask: Tensor, softness: float) -> tuple[Any, ...]:
    if not isinstance(mask, Tensor) or mask.ndim not in (2, 3) or 0 in mask.shape:
        got = list(mask.shape) if isinstance(mask, Tensor) else type(mask).__name__
        raise ImageError(f"“mask”: expected a mask [B, H, W]; got {got}.")
    layers = mask.float().cpu()[None] if mask.ndim == 2 else mask.float().cpu()
    fitted = fit_like(layers[:, None], motion)[:, 0]
    return (replace(motion, motion=hold(motion.motion, fitted, softness=softness)),)


def _transfer_detail(
    host: Host, frames: Tensor, motion: MotionClip, source: Tensor, mode: DetailMode, strength: float
) -> tuple[Any, ...]:
    pictures = images_from_graph(frames, "frames")
    if len(pictures) != len(motion):
        raise ImageError(
            f"“frames”: expected the {len(motion)} frames that were generated from this motion; got {len(pictures)}."
        )
    large = images_from_graph(source, "source")
    if len(large) not in (1, len(motion)):
        raise ImageError(f"“source”: expected one image, or one for each of {len(motion)} frames; got {len(large)}.")
    large = fit_like(large, motion).cpu()
    made = torch.empty(len(pictures), *large.shape[-2:], 3)
    for start in range(0, len(pictures), AT_ONCE):
        span = slice(start, min(start + AT_ONCE, len(pictures)))
        part = transfer_detail(
            pictures[span].cpu(),
            motion.motion[span].to("cpu"),
            large if len(large) == 1 else large[span],
            align_corners=motion.align_corners,
            mode=mode,
            strength=strength,
        )
        made[span] = images_to_graph(part)
        host.progress(span.stop, len(pictures), part[-1])
    return (made,)


HOLD = NodeSpec(
    id="FOMM_Hold",
    title="Hold",
    category=category("Motion"),
    description="Keeps parts of the image still: whatever is white in the mask does not move, with a soft edge.",
    aliases=("fomm", "freeze", "pin", "lock background", "still shoulders", "mask motion"),
    inputs=(
        socket("motion", MOTION, "motion", "From Dense Motion."),
        socket("mask", MASK, "mask", "White for what must not move: one mask of the source, or one for each frame."),
        decimal(
            "softness",
            "softness",
            (
                "Width of the transition between still and moving, as a share of the shorter side. 0 tears at hard "
                "edges."
            ),
            default=0.03,
            minimum=0.0,
            maximum=0.5,
        ),
    ),
    outputs=(
        socket("held", MOTION, "motion", "The motion with these parts still, for Generate Frames or Warp Image."),
    ),
    run=_hold,
)

TRANSFER_DETAIL = NodeSpec(
    id="FOMM_TransferDetail",
    title="Transfer Detail",
    category=category("Motion"),
    description=(
        "Makes frames as large and as sharp as a large source: its own pixels are moved along where they are "
        "visible, and the rest is the model's."
    ),
    aliases=("fomm", "upscale", "sharpen", "high resolution", "high pass", "texture", "super resolution"),
    inputs=(
        socket("frames", IMAGE, "frames", "The frames, from Generate Frames."),
        socket("motion", MOTION, "motion", "The motion that they were generated from, from Dense Motion."),
        socket("source", IMAGE, "source", "The source in full resolution, with the same framing."),
        choice(
            "mode",
            "mode",
            "transfer: the source's moved pixels as they are. high-pass: only their fine detail, so that colours and "
            "light stay those of the frames.",
            DETAIL_MODES,
        ),
        decimal("strength", "strength", "How much of it to apply.", default=1.0, minimum=0.0, maximum=1.0, step=0.05),
    ),
    outputs=(socket("images", IMAGE, "images", "The frames at the source's size."),),
    run=_transfer_detail,
)

SPECS = (HOLD, TRANSFER_DETAIL)
