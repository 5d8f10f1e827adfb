"""Flow for compositors: where each pixel comes from, as numbers in OpenEXR files."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...fomm_core.errors import ImageError
from ...fomm_core.geometry import resize_flow, resize_maps, warp
from ...fomm_core.video import write_exr
from ..spec import MOTION, STRING, Host, NodeSpec, category, choice, socket, text
from .border import MotionClip

STMAP, PIXELS = "stmap", "pixels"


def stmap(clip: MotionClip, frame: int) -> Tensor:
    """[H, W, 3]: where in the source each pixel comes from, (u, v) in 0..1 from the lower left corner to the upper
    right, as Map UV and STMap nodes take it; and how far the source shows it, 1 all, 0 nothing.
    """
    part, (height, width) = clip.motion[frame : frame + 1], clip.working
    flow = resize_flow(part.flow.float(), height, width)[0]  # [H, W, 2], (x, y) in -1..1
    if clip.align_corners:  # -1 and 1 are centres of pixels: bring them to the picture's borders
        flow = flow * flow.new_tensor([(width - 1) / width, (height - 1) / height])
    shown = flow.new_ones(height, width)
    if part.occlusion is not None:
        shown = resize_maps(part.occlusion.float(), height, width)[0, 0]
    layers = torch.stack(((flow[..., 0] + 1) / 2, (1 - flow[..., 1]) / 2, shown))
    u, v, share = _at_size(layers, *clip.size)
    return torch.stack((u, v, share.clamp(0, 1)), dim=-1)


def _at_size(layers: Tensor, height: int, width: int) -> Tensor:
    """[C, h, w], of the working size, at the frames' own: values between the outermost pixels and the border go on."""
    if layers.shape[-2:] == (height, width):
        return layers
    wider = layers.new_empty(layers.shape[0], layers.shape[1] + 2, layers.shape[2] + 2)
    wider[:, 1:-1, 1:-1] = layers
    wider[:, 0, 1:-1], wider[:, -1, 1:-1] = 2 * layers[:, 0] - layers[:, 1], 2 * layers[:, -1] - layers[:, -2]
    wider[..., 0], wider[..., -1] = 2 * wider[..., 1] - wider[..., 2], 2 * wider[..., -2] - wider[..., -3]
    rows, columns = layers.shape[-2:]
    y = ((torch.arange(height) + 0.5) * rows / height + 0.5) / (rows + 1) * 2 - 1
    x = ((torch.arange(width) + 0.5) * columns / width + 0.5) / (columns + 1) * 2 - 1
    grid = torch.stack((x.expand(height, -1), y[:, None].expand(-1, width)), -1)[None].to(layers)
    return warp(wider[None], grid, align_corners=True)[0]


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
    description="Writes the motion as OpenEXR images for compositing: the coordinates that each pixel comes from.",
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
            (
                "stmap: red and green are the position in the source, 0 to 1 from the lower left, as Map UV and "
                "STMap nodes expect. pixels: the offset in pixels, right and up. Blue: how much the source shows of"
                " what is needed."
            ),
            (STMAP, PIXELS),
        ),
    ),
    outputs=(socket("file", STRING, "file", "The name of the first file."),),
    run=_save,
    is_output=True,
)

SPECS = (SAVE_FLOW,)
