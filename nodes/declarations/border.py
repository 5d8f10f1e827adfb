"""The border between graph and core: layouts, sizes, and the ports that several blocks share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import torch
from einops import rearrange
from torch import Tensor

from ...fomm_core.animation import Anchor
from ...fomm_core.config import MotionModelConfig
from ...fomm_core.errors import ImageError
from ...fomm_core.fitting import FitMode, as_rgb, fit, own_size, resize
from ...fomm_core.geometry import Motion
from ...fomm_core.motion import UNTIMED_RATE, TransferMode
from ...fomm_core.precision import AUTO, PRECISIONS
from ..spec import MODEL, choice, decimal, integer, socket, switch

SIZES = ("auto", "model", "picture", "custom")
FITS = ("crop", "pad", "stretch")
PRECISIONS_OFFERED = (AUTO, *PRECISIONS)
ANCHORS = ("first", "best", "number")
JACOBIANS = ("auto", "on", "off")
STILL_FPS = float(UNTIMED_RATE)

MODEL_IN = socket("model", MODEL, "model", "The motion model, from Load Motion Model.")
SIZE_IN = choice(
    "size",
    "size",
    (
        "The working size. auto: the size that the model was trained at, but at least 256 pixels. model: exactly "
        "that size. image: the image's own size. custom: width and height as set. If the model does not accept a "
        "size, it works at the nearest. Larger is sharper and slower; use the same in all blocks that see the same "
        "image."
    ),
    SIZES,
)
WIDTH_IN = integer(
    "width", "width", "Width in pixels if size is custom.", default=256, minimum=16, maximum=4096, advanced=True
)
HEIGHT_IN = integer(
    "height", "height", "Height in pixels if size is custom.", default=256, minimum=16, maximum=4096, advanced=True
)
FIT_IN = choice(
    "fit",
    "fit",
    (
        "How to fit images of another shape. crop: cut off the sides (keeps proportions). pad: keep everything and "
        "add borders. stretch: ignore proportions."
    ),
    FITS,
)
PRECISION_IN = choice(
    "precision",
    "precision",
    (
        "Number format. auto chooses a fast one that your device supports well; float32 is exact, and slower on "
        "most GPUs."
    ),
    PRECISIONS_OFFERED,
    advanced=True,
)
MODE_IN = choice(
    "mode",
    "mode",
    (
        "relative: the source keeps its own proportions and moves like the driver (the usual choice). absolute: it "
        "adopts the driver's pose and proportions; good only if both faces or bodies are alike. avd: the driver's "
        "pose in the source's proportions, with a network that some MRAA and TPS models have."
    ),
    get_args(TransferMode),
)
STRENGTH_IN = decimal(
    "strength",
    "strength",
    "How much of the motion to use: 0 stands still, 1 moves like the driver, 2 doubles it.",
    default=1.0,
    minimum=0.0,
    maximum=2.0,
    step=0.05,
)
ANCHOR_IN = choice(
    "anchor",
    "anchor",
    (
        "Relative mode: the driving frame whose pose is taken to equal the source's. first: the clip's first frame."
        " best: the most similar frame, found automatically. number: the one given as anchor frame."
    ),
    ANCHORS,
)
ANCHOR_FRAME_IN = integer(
    "anchor_frame",
    "anchor frame",
    "Number of the driving frame (from 0) if anchor is number.",
    default=0,
    minimum=0,
    maximum=1_000_000,
    advanced=True,
)
JACOBIAN_IN = choice(
    "relative_jacobian",
    "relative jacobian",
    "Relative mode: transfer local rotation and stretching as well. auto: if the model has them.",
    JACOBIANS,
    advanced=True,
)
ADAPT_SCALE_IN = switch(
    "adapt_scale",
    "adapt scale",
    "Relative mode: scale the motion by how large the source is in its image, compared with the driver.",
    default=True,
    advanced=True,
)
FPS_IN = decimal(
    "fps",
    "fps",
    (
        "Frames per second of the clip. Connect the fps of Detect Keypoints or Load Keypoints, or leave it at 25. "
        "Keypoints of a video with uneven frames carry their own times."
    ),
    default=STILL_FPS,
    minimum=0.1,
    maximum=1000.0,
)


@dataclass(frozen=True, eq=False)
class MotionClip:
    """The FOMM_MOTION value: dense motion, and how the images it was made for were fitted.

    size: (height, width) of the frames. fit: how they were brought to it. align_corners: of the warp.
    worked: (height, width) that the networks saw, where it is another than `size`.
    """

    motion: Motion
    size: tuple[int, int]
    fit: FitMode
    align_corners: bool
    worked: tuple[int, int] | None = None

    @property
    def working(self) -> tuple[int, int]:
        """(height, width) that the networks see."""
        return self.worked or self.size

    def __len__(self) -> int:
        return len(self.motion)


def images_from_graph(images: Tensor, title: str = "images") -> Tensor:
    """IMAGE [B, H, W, C] (C of 1, 3 or 4, or no channel axis) to core images [B, 3, H, W] float32.

    Raises ImageError for other shapes, empty batches, NaN and Inf.
    """
    if not isinstance(images, Tensor) or images.ndim not in (3, 4):
        got = list(images.shape) if isinstance(images, Tensor) else type(images).__name__
        raise ImageError(f"“{title}”: expected images as [B, H, W, C]; got {got}.")
    try:
        return as_rgb(rearrange(images if images.ndim == 4 else images[..., None], "b h w c -> b c h w")).clamp(0, 1)
    except ImageError as problem:
        raise ImageError(f"“{title}”: {problem}") from problem


def one_image(images: Tensor, title: str = "source") -> Tensor:
    """IMAGE of one image to [1, 3, H, W]. A batch is refused: most often it is the clip on the wrong input."""
    if isinstance(images, Tensor) and images.ndim == 4 and len(images) > 1:
        raise ImageError(
            f"“{title}”: expected one image; got {len(images)}. If this is the driving clip, connect it to the "
            "driving input; otherwise pick one image with ImageFromBatch."
        )
    return images_from_graph(images, title)


def with_mask(picture: Tensor, mask: Tensor | None) -> Tensor:
    """[1, 3, H, W] with its opacity as a fourth channel, from a MASK that is 1 where it is transparent; without where
    nothing is.
    """
    if mask is None or not mask.any():
        return picture
    layers = mask.float()[:, None] if mask.ndim == 3 else mask.float()[None, None]
    if len(layers) != 1:
        raise ImageError(f"“mask”: expected one mask, of the source; got {len(layers)}.")
    opacity = 1 - resize(layers.cpu().clamp(0, 1), *picture.shape[-2:])
    return torch.cat([picture.cpu(), opacity], 1)


def images_to_graph(images: Tensor) -> Tensor:
    """Core images [B, 3, H, W] to IMAGE [B, H, W, 3]."""
    return rearrange(images.float(), "b c h w -> b h w c").contiguous()


def repaint_mask(occlusion: Tensor | None, frames: Tensor) -> Tensor:
    """MASK [B, H, W], 1 = to be repainted, from occlusion [B, 1, H, W], 1 = shown by the source. Black without one."""
    if occlusion is None:
        return frames.new_zeros(len(frames), *frames.shape[-2:], dtype=torch.float32)
    return (1 - occlusion.float()).clamp(0, 1)[:, 0]


@dataclass(frozen=True)
class Sizing:
    """How images are brought to a size that the model takes: the values of the ports `SIZE_IN` to `FIT_IN`."""

    size: str
    width: int
    height: int
    fit: FitMode

    def frame_size(self, config: MotionModelConfig, picture: Tensor) -> tuple[int, int]:
        """(height, width) of the frames for an image [..., h, w]."""
        if self.size == "auto":
            return config.auto_size()
        if self.size == "model":
            return config.frame_size
        if self.size == "picture":
            return picture.shape[-2], picture.shape[-1]
        return self.height, self.width

    def working_size(self, config: MotionModelConfig, picture: Tensor) -> tuple[int, int]:
        """(height, width) that the networks see: that of the frames, or the nearest that they take."""
        return config.nearest_size(*self.frame_size(config, picture))

    def apply(self, config: MotionModelConfig, pictures: Tensor) -> Tensor:
        """[B, 3, h, w] at the working size, as the frames will show them."""
        shown = self.frame_size(config, pictures)
        return fit(pictures, *config.nearest_size(*shown), mode=self.fit, shown=shown)


def fit_like(images: Tensor, clip: MotionClip) -> Tensor:
    """[B, C, H, W] cut or padded to the shape of the clip's frames, at its own resolution."""
    box = own_size(images.shape[-2], images.shape[-1], clip.size, clip.fit)
    return images if box == tuple(images.shape[-2:]) else fit(images, *box, mode=clip.fit)


def anchor_of(anchor: str, anchor_frame: int) -> Anchor:
    """The core's value for a choice of `ANCHORS`."""
    return anchor_frame if anchor == "number" else anchor  # type: ignore[return-value]


def jacobian_of(jacobian: str) -> bool | None:
    """The core's value for a choice of `JACOBIANS`."""
    return {"auto": None, "on": True, "off": False}[jacobian]
