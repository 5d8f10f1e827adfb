"""Flow for compositors: where each pixel comes from, as numbers in OpenEXR files."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...fomm_core.errors import ImageError
from ...fomm_core.geometry import resize_flow, resize_maps
from ...fomm_core.video import write_exr
from ..spec import MOTION, STRING, Host, NodeSpec, category, choice, socket, text
from .border import MotionClip

STMAP, PIXELS = "stmap", "pixels"


def stmap(clip: MotionClip, frame: int) -> Tensor:
    """[H, W, 3]: where in the source each pixel comes from, (u, v) in 0..1 from the lower left corner to the upper
    right, as Map UV and STMap nodes take it; and how far the source shows it, 1 all, 0 nothing.
    """
    part, (height, width) = clip.motion[frame : frame + 1], clip.size
    flow = resize_flow(part.flow.float(), height, width)[0]  # [H, W, 2], (x, y) in -1..1
    if clip.align_corners:  # -1 and 1 are centres of pixels: bring them to the picture's borders
        flow = flow * flow.new_tensor([(width - 1) / width, (height - 1) / height])
    shown = flow.new_ones(height, width)
    if part.occlusion is not None:
        shown = resize_maps(part.occlusion.float(), height, width)[0, 0]
    return torch.stack(((flow[..., 0] + 1) / 2, (1 - flow[..., 1]) / 2, shown), dim=-1)


def pixels(clip: MotionClip, frame: int) -> Tensor:
    """[H, W, 3]: from each pixel to where it comes from, in pixels to the right and upwards; and how far the source
    shows it.
    """
    height, width = clip.size
    values = stmap(clip, frame)
    u = (torch.arange(width) + 0.5) / width
    v = 1 - (torch.arange(height) + 0.5) / height
    return torch.stack(((values[..., 0] - u) * width, (values[..., 1] - v[:, None]) * height, values[..., 2]), dim=-1)


def _save(host: Host, motion: MotionClip, filename_prefix: str, form: str) -> tuple[Any, ...]:
    if not len(motion):
        raise ImageError("“motion”: expected at least one frame; got none.")
    first = ""
    for frame in range(len(motion)):
        path, name = host.new_file("flows", filename_prefix, ".exr")
        write_exr(path, (stmap if form == STMAP else pixels)(motion, frame).cpu().numpy())
        first = first or name
        host.progress(frame + 1, len(motion))
    return (first,)


SAVE_FLOW = NodeSpec(
    id="FOMM_SaveFlow",
    title="Save Flow",
    category=category("Motion"),
    description="Writes the motion as OpenEXR pictures for compositors: where each pixel comes from, as numbers.",
    aliases=("fomm", "export flow", "exr", "stmap", "map uv", "compositor"),
    inputs=(
        socket("motion", MOTION, "motion", "From Dense Motion."),
        text(
            "filename_prefix",
            "filename prefix",
            "Name of the files, below output/fomm_flows; numbers are added. Sub-folders are possible: shot/flow.",
            default="flow",
        ),
        choice(
            "form",
            "form",
            "stmap: red and green are the place in the source, 0 to 1 from the lower left, as Map UV and STMap nodes "
            "take it. pixels: the way there in pixels, right and up. Blue: how far the source shows what is needed.",
            (STMAP, PIXELS),
        ),
    ),
    outputs=(socket("file", STRING, "file", "The name of the first file."),),
    run=_save,
    is_output=True,
)

SPECS = (SAVE_FLOW,)
