"""Blocks on dense motion: compute it, paint frames from it, move anything else along."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ...fomm_core.animation import fitted, shown_at
from ...fomm_core.background import one_core
from ...fomm_core.errors import ImageError
from ...fomm_core.fitting import FitMode
from ...fomm_core.fitting import fit as fit_images
from ...fomm_core.geometry import Keypoints, Motion, resize_flow, resize_maps, warp
from ...fomm_core.session import Rendered
from ..spec import IMAGE, INT, KEYPOINTS, LATENT, MASK, MOTION, VIDEO, Absent, Host, NodeSpec, category, socket, switch
from .border import (
    FIT_IN,
    HEIGHT_IN,
    MODEL_IN,
    PRECISION_IN,
    SIZE_IN,
    WIDTH_IN,
    MotionClip,
    Sizing,
    fit_like,
    images_from_graph,
    images_to_graph,
    one_image,
    repaint_mask,
)
from .clips import READ_AT_ONCE, at_constant_rate, first_frame, keypoints_at_constant_rate, open_clip


def _fit(host: Host, model: Any, images: Any, size: str, width: int, height: int, fit: FitMode) -> tuple[Any, ...]:
    sizing = Sizing(size, width, height, fit)
    with open_clip(host, images, "images") as clip:
        working = sizing.working_size(model.model.config, first_frame(clip))
        done: list[Tensor] = []
        for frames in fitted(clip.batches(READ_AT_ONCE), *working, mode=fit):
            done.append(images_to_graph(frames))
            count = sum(map(len, done))
            host.progress(count, max(count, clip.length or 0))
        images = at_constant_rate(torch.cat(done), clip)
    return images, working[1], working[0]


def _dense_motion(
    host: Host,
    model: Any,
    source: Tensor,
    keypoints: Keypoints,
    size: str,
    width: int,
    height: int,
    fit: FitMode,
    precision: str,
) -> tuple[Any, ...]:
    config = model.model.config
    keypoints = keypoints_at_constant_rate(keypoints)
    sizing, picture = Sizing(size, width, height, fit), one_image(source)
    image = sizing.apply(config, picture)
    working = (image.shape[-2], image.shape[-1])
    session = host.session(model, precision=precision, size=working)
    parts: list[Motion] = []
    for part in session.motion(session.prepare(image), keypoints):
        parts.append(part.to("cpu"))
        host.progress(sum(map(len, parts)), len(keypoints))
    shown = sizing.frame_size(config, picture)
    return (MotionClip(Motion.cat(parts), shown, fit, config.align_corners, working),)


def _generate(host: Host, model: Any, source: Tensor, motion: MotionClip, precision: str) -> tuple[Any, ...]:
    image = fit_images(one_image(source), *motion.working, mode=motion.fit, shown=motion.size)
    session = host.session(model, precision=precision, size=motion.working)
    canvas = ClipBuffer(len(motion), motion.size)
    for rendered in session.generate(shown_at(session.prepare(image), motion.size), motion.motion):
        canvas.add(rendered)
        host.progress(canvas.done, len(motion), rendered.images[-1])
    return canvas.images, canvas.masks


class ClipBuffer:
    """Frames and masks of a clip in graph layout, filled chunk by chunk: IMAGE [T, H, W, 3] and MASK [T, H, W].

    Of a transparent source the frames have straight colours, as Load Image gives them.
    """

    def __init__(self, frames: int, size: tuple[int, int]) -> None:
        self.images = torch.empty(frames, *size, 3)
        self.masks = torch.empty(frames, *size)
        self.done = 0

    def add(self, rendered: Rendered) -> None:
        """Put a chunk behind those that are there."""
        span = slice(self.done, self.done + len(rendered))
        with one_core():
            self.images[span] = images_to_graph(rendered.transparent[:, :3]).cpu()
            self.masks[span] = repaint_mask(rendered.occlusion, rendered.images).cpu()
        self.done = span.stop


def _warp_image(
    host: Host,
    motion: MotionClip,
    darken_hidden: bool,
    image: Tensor | None,
    mask: Tensor | None,
    latent: dict[str, Any] | None,
) -> tuple[Any, ...]:
    if image is None and mask is None and latent is None:
        raise ImageError("expected something to warp: connect an image, a mask or a latent.")
    moved_image: Any = Absent("Warp Image: connect an image to its input to get a warped image.")
    moved_mask: Any = Absent("Warp Image: connect a mask to its input to get a warped mask.")
    moved_latent: Any = Absent("Warp Image: connect a latent to its input to get a warped latent.")
    if image is not None:
        moved_image = images_to_graph(warp_clip(host, images_from_graph(image, "image"), motion, darken_hidden))
    if mask is not None:
        layers = mask.float()[:, None] if mask.ndim == 3 else mask.float()[None, None]
        moved_mask = warp_clip(host, layers, motion, darken_hidden)[:, 0]
    if latent is not None:
        moved_latent = {"samples": _moved_latent(host, latent["samples"], motion, darken_hidden)}
    return moved_image, moved_mask, moved_latent


def _moved_latent(host: Host, samples: Tensor, motion: MotionClip, hide: bool) -> Tensor:
    """Of images [B, C, H, W], one for each frame; of a video model [1, C, T, H, W], moved at T moments of the motion,
    the first and the last frame among them. One moment stays for as many as the motion has frames.
    """
    if samples.ndim == 4:
        return warp_clip(host, samples, motion, hide)
    if samples.ndim != 5 or len(samples) != 1:
        raise ImageError(
            "“latent”: expected latents of images, [B, C, H, W], or of one video, [1, C, T, H, W]; got "
            f"{list(samples.shape)}."
        )
    layers = samples[0].movedim(1, 0)  # [T, C, H, W]
    if len(layers) > 1:
        motion = replace(motion, motion=motion.motion[_spread(len(layers), len(motion))])
    return warp_clip(host, layers, motion, hide).movedim(0, 1)[None]


def _spread(count: int, length: int) -> list[int]:
    """`count` of `length` frames, as evenly as it goes."""
    return [round(place * (length - 1) / max(count - 1, 1)) for place in range(count)]


def warp_clip(host: Host, layers: Tensor, clip: MotionClip, hide: bool = False) -> Tensor:
    """[B, C, H, W] moved by each frame of the clip, [T, C, h, w], at its own resolution."""
    if len(layers) not in (1, len(clip)):
        raise ImageError(f"expected one image, or one for each of the motion's {len(clip)} frames; got {len(layers)}.")
    layers = fit_like(layers.cpu(), clip)
    height, width = layers.shape[-2:]
    moved = layers.new_empty(len(clip), layers.shape[1], height, width)
    for start in range(0, len(clip), READ_AT_ONCE):
        span = slice(start, min(start + READ_AT_ONCE, len(clip)))
        part = clip.motion[span]
        flow = resize_flow(part.flow, height, width)
        picture = layers[span] if len(layers) > 1 else layers.expand(len(part), -1, -1, -1)
        moved[span] = warp(picture, flow, align_corners=clip.align_corners)
        if hide and part.occlusion is not None:
            moved[span] *= resize_maps(part.occlusion, height, width)
        host.progress(span.stop, len(clip))
    return moved


FIT_TO_MODEL = NodeSpec(
    id="FOMM_FitToModel",
    title="Fit to Model",
    category=category("Motion"),
    description="Resizes images or a video to a size that the model accepts, so that every later block sees the same.",
    aliases=("fomm", "resize", "crop", "prepare", "scale image"),
    inputs=(
        MODEL_IN,
        socket("images", (IMAGE, VIDEO), "images", "One image, a batch of images, or a video."),
        SIZE_IN,
        WIDTH_IN,
        HEIGHT_IN,
        FIT_IN,
    ),
    outputs=(
        socket("fitted", IMAGE, "images", "The images at their new size."),
        socket("new_width", INT, "width", "Their width in pixels."),
        socket("new_height", INT, "height", "Their height in pixels."),
    ),
    run=_fit,
)

DENSE_MOTION = NodeSpec(
    id="FOMM_DenseMotion",
    title="Dense Motion",
    category=category("Motion"),
    description="Computes where in the source each pixel of each frame comes from, and what the source does not show.",
    aliases=("fomm", "optical flow", "dense motion network", "occlusion"),
    inputs=(
        MODEL_IN,
        socket("source", IMAGE, "source", "The still image to animate (one)."),
        socket("keypoints", KEYPOINTS, "keypoints", "Keypoints for each frame, from Transfer Motion."),
        SIZE_IN,
        WIDTH_IN,
        HEIGHT_IN,
        FIT_IN,
        PRECISION_IN,
    ),
    outputs=(socket("motion", MOTION, "motion", "Flow and occlusion of each frame."),),
    run=_dense_motion,
)

GENERATE_FRAMES = NodeSpec(
    id="FOMM_GenerateFrames",
    title="Generate Frames",
    category=category("Motion"),
    description="Generates frames from the source and the motion, and reports what had to be invented.",
    aliases=("fomm", "render", "generator", "decode", "paint"),
    inputs=(
        MODEL_IN,
        socket("source", IMAGE, "source", "The still image to animate. It is fitted as Dense Motion fitted it."),
        socket("motion", MOTION, "motion", "From Dense Motion."),
        PRECISION_IN,
    ),
    outputs=(
        socket("images", IMAGE, "images", "The frames."),
        socket(
            "repaint",
            MASK,
            "repaint mask",
            "White where the source shows nothing: what an inpainting model may repaint.",
        ),
    ),
    run=_generate,
)

WARP_IMAGE = NodeSpec(
    id="FOMM_WarpImage",
    title="Warp Image",
    category=category("Motion"),
    description="Moves any image, mask or latent with a motion, without the generator: depth maps, styles, masks.",
    aliases=("fomm", "deform", "apply flow", "warp mask", "warp latent"),
    inputs=(
        socket("motion", MOTION, "motion", "From Dense Motion."),
        switch(
            "darken_hidden",
            "darken hidden",
            "Fade to black (or zero) what the source does not show, according to the motion's occlusion.",
            default=False,
        ),
        socket("image", IMAGE, "image", "One image, or one for each frame; of any size.", optional=True),
        socket("mask", MASK, "mask", "One mask, or one for each frame; of any size.", optional=True),
        socket(
            "latent",
            LATENT,
            "latent",
            (
                "One latent, or one for each frame; or that of a video model, which is moved once for each of its "
                "latent frames."
            ),
            optional=True,
        ),
    ),
    outputs=(
        socket("moved_image", IMAGE, "image", "The moved image for each frame."),
        socket("moved_mask", MASK, "mask", "The moved mask for each frame."),
        socket("moved_latent", LATENT, "latent", "The moved latent for each frame."),
    ),
    run=_warp_image,
)

SPECS = (FIT_TO_MODEL, DENSE_MOTION, GENERATE_FRAMES, WARP_IMAGE)
