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

    Attributes:
        transfer: How motion is transferred; see `TransferOptions`.
        anchor: The driving frame whose pose is taken as the source's: "first", "best" (the frame whose keypoints are
            most like the source's), or a frame number counted from 0.
        smoothing: The filter that removes jitter before the transfer: "none", "one-euro" or "gaussian".
        smooth_sigma: The standard deviation of the Gaussian, in frames.

    Raises:
        KeypointError: A value is out of range.

    Example:
        >>> from fomm_nodes.fomm_core import AnimationOptions, TransferOptions
        >>> options = AnimationOptions(TransferOptions(strength=1.2), anchor="best", smoothing="one-euro")
        >>> options.transfer.mode
        'relative'
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
    """Compute the keypoints to render: smoothed, anchored and transferred. No pixels are involved.

    Args:
        source: The source's keypoints, one frame.
        driving: The clip's keypoints, T frames.
        options: How the clip moves the source.
        fps: The clip's frame rate, for One-Euro smoothing; ignored if the keypoints have times.
        avd: The network for the mode "avd"; see `AnimationSession.avd`.
        pose: Keypoints of one frame that are the anchor, in place of a frame of the clip.

    Returns:
        Keypoints of T frames, all transferred relative to the same anchor frame.

    Raises:
        KeypointError: The keypoints do not fit each other or the mode, or the clip is shorter than the anchor.

    Example:
        >>> import torch
        >>> from fomm_nodes.fomm_core import AnimationOptions, Keypoints, drive
        >>> source = Keypoints(torch.zeros(1, 10, 2))
        >>> driving = Keypoints(torch.rand(25, 10, 2))
        >>> len(drive(source, driving, AnimationOptions()))
        25
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
    """Fit an image of any size to the output size and encode it once for any number of clips.

    Args:
        session: The session that will render.
        image: The source [1, C, H, W] in 0..1. One channel more than the model has is opacity.
        size: The size of the frames: "auto", "model", "source", the length of the shorter side, or (height, width) in
            pixels; see `animation.output_size`.
        mode: How an image of another aspect ratio is fitted: "crop", "pad" or "stretch"; see `fitting.fit`.
        background: The RGB colour in 0..1 that the networks see behind a transparent source; white by default.
        still: A mask [1, 1, H, W] in 0..1 over the same image, white for what must not move.

    Returns:
        The prepared source; frames are rendered at its `size`, and `Rendered.transparent` adds their opacity.

    Raises:
        ImageError: The image has another shape, or holds NaN or Inf.
        SizeError: The size is below 1.

    Example:
        >>> import torch
        >>> from fomm_nodes.fomm_core import AnimationSession, load_builtin, prepare_source
        >>> session = AnimationSession(load_builtin())
        >>> source = prepare_source(session, torch.rand(1, 3, 300, 200), size="model")
        >>> source.size, source.keypoints.count
        ((128, 128), 10)
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
