"""The whole path: detect the driving clip, transfer its motion, render frames as a stream."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import torch
from torch import Tensor

from .errors import KeypointError, SizeError
from .fitting import FIT_MODES, FitMode, as_rgb, dimmed, fit
from .geometry import Keypoints
from .motion import (
    Disentangle,
    TransferOptions,
    anchor_frame,
    best_anchor,
    movement_scale,
    smooth_gaussian,
    smooth_one_euro,
    transfer,
)
from .session import AnimationSession, PreparedSource

Smoothing = Literal["none", "one-euro", "gaussian"]
Anchor = int | Literal["first", "best"]
Size = int | tuple[int, int] | Literal["auto", "model", "source"]
"""Of the frames, see `output_size`."""


@dataclass(frozen=True)
class AnimationOptions:
    """How a clip moves a source.

    transfer: see TransferOptions. anchor: the driving frame whose pose is the source's: 'first', 'best' (chosen by
    aligned keypoints), or a number from 0. smoothing: against jitter, before the transfer. smooth_sigma: of the
    gaussian, in frames.
    """

    transfer: TransferOptions = field(default_factory=TransferOptions)
    anchor: Anchor = "first"
    smoothing: Smoothing = "none"
    smooth_sigma: float = 1.0

    def __post_init__(self) -> None:
        if self.smoothing not in get_args(Smoothing):
            raise KeypointError(f"expected a smoothing out of {', '.join(get_args(Smoothing))}; got '{self.smoothing}'")
        if not (self.anchor in ("first", "best") or (isinstance(self.anchor, int) and self.anchor >= 0)):
            raise KeypointError(f"expected an anchor 'first', 'best' or a frame number from 0; got {self.anchor!r}")
        if not (math.isfinite(self.smooth_sigma) and self.smooth_sigma >= 0):
            raise KeypointError(f"expected a smoothing sigma of at least 0 frames; got {self.smooth_sigma}")


def anchor_index(source: Keypoints, driving: Keypoints, anchor: Anchor) -> int:
    """The number of the anchor frame; raises KeypointError where the clip is too short for it."""
    if anchor == "best":
        return best_anchor(source, driving)
    index = 0 if anchor == "first" else int(anchor)
    anchor_frame(driving, index)
    return index


def drive(
    source: Keypoints,
    driving: Keypoints,
    options: AnimationOptions,
    *,
    fps: float = 25.0,
    avd: Disentangle | None = None,
    pose: Keypoints | None = None,
) -> Keypoints:
    """The keypoints to render: smoothed, anchored, transferred. Touches no pixel; every frame has the same anchor.

    avd: what the mode "avd" asks, `AnimationSession.avd`. pose: keypoints of one frame that are the anchor, in place of
    a frame of the clip.
    """
    driving = _smoothed(driving, options, fps)
    anchor = driving[anchor_index(source, driving, options.anchor)] if pose is None else pose
    return transfer(source, driving, anchor, options.transfer, avd=avd)


def drive_each(
    source: Keypoints,
    driving: Keypoints,
    options: AnimationOptions,
    *,
    fps: float = 25.0,
    avd: Disentangle | None = None,
) -> Keypoints:
    """As `drive`, for a source that is a clip itself: frame i of the driver moves frame i of the source, T of both.

    The anchor and the scale of the movement are those of the source's first frame, so that they hold still. Raises
    KeypointError for other counts of frames.
    """
    if len(source) != len(driving):
        raise KeypointError(f"expected source and driver with as many frames; got {len(source)} and {len(driving)}.")
    driving = _smoothed(driving, options, fps)
    anchor = driving[anchor_index(source[0], driving, options.anchor)]
    adapts = options.transfer.mode == "relative" and options.transfer.adapt_scale
    scale = movement_scale(source[0], anchor) if adapts else 1.0
    moved = [
        transfer(source[frame], driving[frame], anchor, options.transfer, scale=scale, avd=avd)
        for frame in range(len(driving))
    ]
    return replace(Keypoints.cat(moved), times=driving.times)


def _smoothed(driving: Keypoints, options: AnimationOptions, fps: float) -> Keypoints:
    if options.smoothing == "one-euro":
        return smooth_one_euro(driving, fps=fps)
    if options.smoothing == "gaussian":
        return smooth_gaussian(driving, sigma=options.smooth_sigma)
    return driving


def output_size(session: AnimationSession, image: Tensor, size: Size) -> tuple[int, int]:
    """(height, width) of the frames: 'auto' (see `MotionModelConfig.auto_size`), the 'model's trained size, the
    'source' picture's own, a length for the shorter side of the trained aspect, or (height, width) as given.

    Any size will do: the networks work at the nearest one that they take (`MotionModelConfig.nearest_size`), and each
    frame is resized from there. Raises SizeError for lengths below 1.
    """
    config = session.config
    if size == "auto":
        return config.auto_size()
    if size == "source":
        return image.shape[-2], image.shape[-1]
    if size == "model":
        return config.frame_size
    if isinstance(size, int):
        shorter = min(config.frame_size)
        size = (round(config.frame_size[0] * size / shorter), round(config.frame_size[1] * size / shorter))
    height, width = (int(side) for side in size)
    if min(height, width) < 1:
        raise SizeError(f"expected frames of at least 1x1 pixels; got {width}x{height} (width x height).")
    return height, width


def prepare_source(
    session: AnimationSession,
    image: Tensor,
    *,
    size: Size = "auto",
    mode: FitMode = "crop",
    background: tuple[float, ...] | None = None,
    still: Tensor | None = None,
) -> PreparedSource:
    """Fit a picture [1, C, H, W] of any size to the output size and prepare it; frames come at `PreparedSource.size`.

    A picture with one channel more has its opacity there: the networks see it over `background`, an RGB colour in 0..1
    (white), and `Rendered.transparent` gives the frames with their alpha. still: [1, 1, H, W] in 0..1 over the same
    picture, white where nothing shall move.
    """
    if still is not None:
        prepared = prepare_source(session, image, size=size, mode=mode, background=background)
        return replace(prepared, still=fit(still, *prepared.working, mode=mode, shown=prepared.size)[:, 0])
    channels = session.config.num_channels
    shown = output_size(session, image, size)
    working = session.config.nearest_size(*shown)
    if image.ndim != 4 or image.shape[1] != channels + 1:
        return shown_at(session.prepare(fit(as_rgb(image, channels), *working, mode=mode, shown=shown)), shown)
    behind = background or (1.0,) * channels
    layers = fit(dimmed(image), *working, mode=mode, shown=shown)
    colour, opacity = layers[:, :channels], layers[:, channels:]
    over = colour + (1 - opacity) * torch.tensor(behind).reshape(1, -1, 1, 1)
    prepared = shown_at(session.prepare(over.clamp(0, 1)), shown)
    return replace(prepared, alpha=opacity.to(prepared.image.device), background=behind)


def shown_at(source: PreparedSource, size: tuple[int, int]) -> PreparedSource:
    """The same source, its frames resized to (height, width)."""
    return source if size == source.size else replace(source, shown=size)


def fitted(
    batches: Iterable[Tensor],
    height: int,
    width: int,
    *,
    mode: FitMode = "crop",
    shown: tuple[int, int] | None = None,
) -> Iterator[Tensor]:
    """Each batch [n, C, h, w] as RGB at (height, width): driving frames in the source's frame. shown: see `fit`."""
    for batch in batches:
        yield fit(as_rgb(batch), height, width, mode=mode, shown=shown)


__all__ = [
    "FIT_MODES",
    "Anchor",
    "AnimationOptions",
    "Size",
    "Smoothing",
    "anchor_index",
    "drive",
    "drive_each",
    "fitted",
    "output_size",
    "prepare_source",
    "shown_at",
]
