"""Blocks that show what happens inside."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...fomm_core import view as draw
from ...fomm_core.errors import ImageError
from ...fomm_core.fitting import fit
from ...fomm_core.geometry import Keypoints, Motion
from ..spec import IMAGE, KEYPOINTS, MOTION, VIDEO, Host, NodeSpec, category, choice, integer, socket, switch
from .border import MotionClip, images_from_graph, images_to_graph, one_image
from .clips import READ_AT_ONCE, at_constant_rate, keypoints_at_constant_rate, open_clip
from .motion import warp_clip

VIEWS = ("flow", "occlusion", "grid", "parts", "all")
SAME_HEIGHT = integer(
    "height", "height", "Height of the images in pixels.", default=256, minimum=32, maximum=2160, step=8
)


def _draw(
    host: Host, images: Tensor, keypoints: Keypoints, radius: int, local_maps: bool, numbers: bool
) -> tuple[Any, ...]:
    if len(keypoints) != len(images):
        keypoints = keypoints_at_constant_rate(keypoints)
    drawn = draw.draw_keypoints(
        images_from_graph(images), keypoints, radius=radius or None, jacobians=local_maps, numbers=numbers
    )
    return (images_to_graph(drawn),)


def _view(host: Host, motion: MotionClip, view: str, height: int) -> tuple[Any, ...]:
    width = round(height * motion.size[1] / motion.size[0])
    maximum = flow_maximum(motion.motion, height, width)
    chosen = ("flow", "occlusion", "grid", "parts") if view == "all" else (view,)
    parts: list[Tensor] = []
    for start in range(0, len(motion), READ_AT_ONCE):
        part = motion.motion[start : start + READ_AT_ONCE]
        columns = [_one_view(part, name, height, width, maximum, motion.align_corners) for name in chosen]
        parts.append(images_to_graph(draw.side_by_side(columns, chosen if view == "all" else None)))
        host.progress(start + len(part), len(motion))
    return (torch.cat(parts),)


def _one_view(motion: Motion, name: str, height: int, width: int, maximum: float, align_corners: bool) -> Tensor:
    if name == "flow":
        return draw.flow_colours(motion, height, width, maximum=maximum)
    if name == "grid":
        return draw.warped_grid(motion, height, width, align_corners=align_corners)
    if name == "occlusion":
        occlusion = motion.occlusion
        if occlusion is None:
            occlusion = torch.ones(len(motion), 1, 1, 1)
        return draw.occlusion_heat(occlusion, height, width)
    if motion.mask is None:
        raise ImageError("expected a motion that includes the parts' shares; got none. Choose another view.")
    return draw.mask_colours(motion.mask, height, width)


def flow_maximum(motion: Motion, height: int, width: int) -> float:
    """The largest distance that anything moves in the clip, in halves of the shorter side: one scale for all frames."""
    largest = draw.SMALLEST_MAXIMUM
    for flow in motion.flow.split(READ_AT_ONCE):
        shift = torch.nan_to_num(draw.displacement(flow, height, width))
        largest = max(largest, float(shift.norm(dim=-1).max()))
    return largest


def _compare(
    host: Host,
    result: Tensor,
    height: int,
    labels: bool,
    source: Tensor | None,
    driving: Any,
    keypoints: Keypoints | None,
    motion: MotionClip | None,
) -> tuple[Any, ...]:
    frames = images_from_graph(result, "result")
    still = None if source is None else one_image(source)
    columns: dict[str, Tensor] = {}
    if still is not None:
        columns["source"] = still
    if driving is not None:
        with open_clip(host, driving, "driving") as clip:
            read = torch.cat([_of_height(part, height) for part in clip.batches(READ_AT_ONCE)])
            columns["driving"] = at_constant_rate(read, clip)
    if keypoints is not None:
        keypoints = keypoints_at_constant_rate(keypoints)
        columns["keypoints"] = draw.draw_keypoints(_of_height(frames, height), keypoints)
    if motion is not None:
        if still is not None:
            columns["warped"] = warp_clip(host, still, motion)
        if motion.motion.occlusion is not None:
            columns["occlusion"] = draw.occlusion_heat(motion.motion.occlusion, *motion.size)
    columns["result"] = frames
    shown = [_of_height(column, height) for column in columns.values()]
    return (images_to_graph(draw.side_by_side(shown, list(columns) if labels else None)),)


def _of_height(images: Tensor, height: int) -> Tensor:
    width = max(1, round(height * images.shape[-1] / images.shape[-2]))
    return fit(images, height, width, mode="stretch")


DRAW_KEYPOINTS = NodeSpec(
    id="FOMM_DrawKeypoints",
    title="Draw Keypoints",
    category=category("View"),
    description="Draws keypoints on images.",
    aliases=("fomm", "show landmarks", "visualize keypoints", "overlay"),
    inputs=(
        socket(
            "images", IMAGE, "images", "Images to draw on, as the model saw them (see Fit to Model); one or a clip."
        ),
        socket("keypoints", KEYPOINTS, "keypoints", "Keypoints of one frame, or of each image."),
        integer(
            "radius", "radius", "Radius of a point in pixels; 0 fits the image.", default=0, minimum=0, maximum=200
        ),
        switch(
            "local_maps", "local maps", "Also show how each keypoint's surroundings rotate and stretch.", default=False
        ),
        switch("numbers", "numbers", "Also write each keypoint's number, for Blend Keypoints.", default=False),
    ),
    outputs=(socket("drawn", IMAGE, "images", "The images with the keypoints."),),
    run=_draw,
)

VIEW_MOTION = NodeSpec(
    id="FOMM_ViewMotion",
    title="View Motion",
    category=category("View"),
    description="Shows a motion as flow colours, an occlusion heat map, a warped grid, or parts that move together.",
    aliases=("fomm", "flow visualization", "show occlusion", "warped grid", "heat map"),
    inputs=(
        socket("motion", MOTION, "motion", "From Dense Motion."),
        choice(
            "view",
            "view",
            (
                "flow: hue is direction, strength is distance, white stands still. occlusion: bright is what must "
                "be invented. grid: a grid moved along. parts: which keypoint moves what. all: side by side."
            ),
            VIEWS,
        ),
        SAME_HEIGHT,
    ),
    outputs=(socket("images", IMAGE, "images", "An image for each frame."),),
    run=_view,
)

COMPARE = NodeSpec(
    id="FOMM_Compare",
    title="Compare",
    category=category("View"),
    description=(
        "Shows source, driving, keypoints, warped source, occlusion and result side by side; what is not "
        "connected is left out."
    ),
    aliases=("fomm", "side by side", "contact sheet", "before after", "comparison"),
    inputs=(
        socket("result", IMAGE, "result", "The finished frames."),
        SAME_HEIGHT,
        switch("labels", "labels", "Label each image.", default=True),
        socket("source", IMAGE, "source", "The still image.", optional=True),
        socket(
            "driving", (IMAGE, VIDEO), "driving", "The driving clip, with as many frames as the result.", optional=True
        ),
        socket("keypoints", KEYPOINTS, "keypoints", "From Transfer Motion; drawn on the result.", optional=True),
        socket("motion", MOTION, "motion", "Provides the warped source and the occlusion.", optional=True),
    ),
    outputs=(socket("images", IMAGE, "images", "A strip for each frame."),),
    run=_compare,
)

SPECS = (DRAW_KEYPOINTS, VIEW_MOTION, COMPARE)
