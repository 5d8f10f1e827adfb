"""What the blocks of regions share: ports, the outputs beside a region, clips frame by frame at a constant rate."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from ...fomm_core.fitting import resize
from ...fomm_core.motion import evened
from ...fomm_core.region import Region, outlined, region_boxes, region_mask
from ...fomm_core.video import frame_rate
from ..spec import BOUNDING_BOX, IMAGE, MASK, REGION, VIDEO, Absent, FrameStream, choice, decimal, socket
from .border import images_to_graph
from .several import Regions, each, rows_of

MOST_NUMBERS = 2**28
"""Of a MASK beside other outputs: a gibibyte."""
PREVIEW_SIDE = 768
PREVIEWS = 4
MOVEMENTS = ("fixed", "follow")

REGION_IN = socket("region", REGION, "region", "The square, from Find Region or one of the Region blocks.")
PICTURES_IN = socket("images", (IMAGE, VIDEO), "images", "The whole image or clip.")
MOVEMENT_IN = choice(
    "movement",
    "movement",
    "For a clip. fixed: one square that stays in place, as the model needs it. follow: one for each frame.",
    MOVEMENTS,
)
SCALE_IN = decimal(
    "scale",
    "scale",
    "Enlarges (above 1) or shrinks the square around its centre.",
    default=1.0,
    minimum=0.05,
    maximum=20.0,
    step=0.05,
)
REGION_OUT = socket("region", REGION, "region", "The square, for Crop Region and Paste Back.")
OUTPUTS = (
    REGION_OUT,
    socket(
        "bounds",
        BOUNDING_BOX,
        "box",
        "The upright box around it in whole pixels, for other blocks: one box, or one for each frame if it moves.",
    ),
    socket("area", MASK, "mask", "White in the square, at the size of the image."),
    socket("preview", IMAGE, "preview", "The image, or a few frames, with the square drawn on it."),
)
"""What every block that makes a region gives, `outputs_of`."""


class Samples:
    """A few frames out of a clip of any length, small, evenly spread."""

    def __init__(self) -> None:
        self._kept: list[tuple[int, Tensor]] = []
        self._count, self._every = 0, 1

    def add(self, frame: Tensor) -> None:
        """Take the next frame, [3, H, W]."""
        if self._count % self._every == 0:
            if len(self._kept) == 2 * PREVIEWS:
                self._kept = self._kept[::2]
                self._every *= 2
            if self._count % self._every == 0:
                by = min(1.0, PREVIEW_SIDE / max(frame.shape[-2:]))
                height, width = (max(1, round(side * by)) for side in frame.shape[-2:])
                self._kept.append((self._count, resize(frame[None].cpu(), height, width)))
        self._count += 1

    def drawn(self, *regions: Region) -> Tensor:
        """IMAGE of at most `PREVIEWS` of them with their squares."""
        step = (len(self._kept) + PREVIEWS - 1) // PREVIEWS
        chosen = self._kept[::step]
        pictures = torch.cat([picture for _, picture in chosen])
        for region in regions:
            squares = region if len(region) == 1 else Region.cat([region[frame] for frame, _ in chosen])
            pictures = outlined(pictures, squares)
        return images_to_graph(pictures)


def samples_of(images: Tensor) -> Samples:
    """Of core images [B, 3, H, W]."""
    samples = Samples()
    for image in images:
        samples.add(image)
    return samples


def outputs_of(region: Regions, preview: Tensor) -> tuple[Any, ...]:
    """The values of `OUTPUTS`; `preview` is `Samples.drawn`."""
    boxes = [region_boxes(face) for face in each(region)]
    return region, boxes[0] if len(boxes) == 1 else joined(boxes), whole_masks(region), preview


def joined(boxes: Sequence[Any]) -> list[list[Any]]:
    """Of several faces, what `region_boxes` gave: for each frame a list with the box of each."""
    frames = max(1 if isinstance(face, dict) else len(face) for face in boxes)
    return [[face if isinstance(face, dict) else face[frame][0] for face in boxes] for frame in range(frames)]


def whole_masks(region: Regions, feather: float = 0.0) -> Tensor | Absent:
    """MASK [T, H, W], or why there is none."""
    faces = each(region)
    if (problem := too_large(max(map(len, faces)), *faces[0].size)) is not None:
        return problem
    return reduce(torch.maximum, (region_mask(face, feather) for face in faces))


def too_large(frames: int, height: int, width: int) -> Absent | None:
    """Set where a mask of that size would fill the memory."""
    if frames * height * width <= MOST_NUMBERS:
        return None
    return Absent(
        f"a mask for each of {frames} frames of {width}x{height} would take {frames * height * width * 4 / 2**30:.1f} "
        "GiB: take a shorter part of the clip, or a fixed region, which has one mask."
    )


def at_constant_rate(region: Region, clip: FrameStream) -> Region:
    """The region of a clip that was just read, as its frames come from other blocks: at a constant rate."""
    if len(region) == 1 or not clip.timed or clip.times is None:
        return region
    _, shown = evened(clip.times, frame_rate(clip.fps))
    return region if shown is None else rows_of(region, shown)
