"""The frame at work, in a corner of the sequencer's preview."""

from __future__ import annotations

from typing import Any

import bpy

from .results import PREVIEW

SHARE = 0.45
"""Of the region's sides, which the inset takes at most."""

MARGIN = 16
"""Pixels to the region's lower left corner."""

_handlers: list[Any] = []


def inset(region: tuple[int, int], image: tuple[int, int]) -> tuple[float, float, float, float]:
    """Where an image goes, as (x, y, width, height) in pixels of the region: as large as fits, its shape kept."""
    scale = min(SHARE * region[0] / image[0], SHARE * region[1] / image[1])
    return MARGIN, MARGIN, scale * image[0], scale * image[1]


def _draw() -> None:
    image = bpy.data.images.get(PREVIEW)
    if image is None or not all(image.size):
        return
    import gpu
    from gpu_extras.presets import draw_texture_2d

    region = bpy.context.region
    x, y, width, height = inset((region.width, region.height), tuple(image.size))
    to_screen = {"is_scene_linear_with_rec709_srgb_target": True} if bpy.app.version >= (5, 0, 0) else {}
    draw_texture_2d(gpu.texture.from_image(image), (x, y), width, height, **to_screen)


def begin() -> None:
    """Show the preview from now on, once there is one."""
    if not _handlers and not bpy.app.background:
        _handlers.append(bpy.types.SpaceSequenceEditor.draw_handler_add(_draw, (), "PREVIEW", "POST_PIXEL"))


def end() -> None:
    """Show it no more."""
    while _handlers:
        bpy.types.SpaceSequenceEditor.draw_handler_remove(_handlers.pop(), "PREVIEW")
