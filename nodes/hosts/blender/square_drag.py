"""Drag the square over the still, in the sequencer's preview."""

from __future__ import annotations

import math
from typing import Any

import bpy

from .queue_panel import edited_scene
from .span import StripError
from .square import Dragging, Square
from .strip_choice import pair
from .strip_inputs import element_size
from .strip_lying import lying_of
from .strip_place import Size, pixel_at, seen_at
from .tree import redraw

COLOUR = (0.35, 0.8, 1.0, 1.0)
STEP = math.radians(1)
HINT = "Drag inside: move    Drag the edge: size    Ctrl Wheel: turn    Enter: done    Esc: as it was"


class PlaceSquare(bpy.types.Operator):
    """Place the square by dragging it over the still, in a sequencer's preview"""

    bl_idname = "fomm.place_square"
    bl_label = "Place Square"
    bl_options = {"REGISTER", "UNDO"}

    def invoke(self: Any, context: Any, event: Any) -> set[str]:
        scene = edited_scene(context)
        try:
            self._still = pair(scene)[0]
            self._area, self._region = preview(context)
        except StripError as problem:
            self.report({"WARNING"}, str(problem))
            return {"CANCELLED"}
        settings = scene.fomm_strips
        self._settings, self._region_before = settings, settings.region
        settings.region = "square"
        self._before = square_of(settings)
        self._drag = Dragging(self._before, size_of(self._still))
        self._handle = bpy.types.SpaceSequenceEditor.draw_handler_add(self._draw, (), "PREVIEW", "POST_PIXEL")
        context.workspace.status_text_set(HINT)
        context.window_manager.modal_handler_add(self)
        self._area.tag_redraw()
        return {"RUNNING_MODAL"}

    def modal(self: Any, context: Any, event: Any) -> set[str]:
        if event.type in ("RET", "NUMPAD_ENTER") and event.value == "PRESS":
            return self._leave(context, "FINISHED")
        if event.type == "ESC" and event.value == "PRESS":
            put_square(self._settings, self._before)
            self._settings.region = self._region_before
            return self._leave(context, "CANCELLED")
        if event.type == "LEFTMOUSE" and event.value == "RELEASE":
            self._drag.release()
        elif not self._is_over(event):
            return {"PASS_THROUGH"}
        elif event.type == "LEFTMOUSE" and event.value == "PRESS":
            self._drag.press(self._pixel(event))
        elif event.type == "MOUSEMOVE" and self._drag.grip is not None:
            self._drag.drag(self._pixel(event))
        elif event.type in ("WHEELUPMOUSE", "WHEELDOWNMOUSE") and event.ctrl:
            self._drag.turn(STEP if event.type == "WHEELDOWNMOUSE" else -STEP)
        else:
            return {"PASS_THROUGH"}
        put_square(self._settings, self._drag.square)
        redraw("SEQUENCE_EDITOR")  # the preview, and the panel with the numbers
        return {"RUNNING_MODAL"}

    def cancel(self: Any, context: Any) -> None:
        self._leave(context, "CANCELLED")

    def _leave(self: Any, context: Any, how: str) -> set[str]:
        bpy.types.SpaceSequenceEditor.draw_handler_remove(self._handle, "PREVIEW")
        context.workspace.status_text_set(None)
        self._area.tag_redraw()
        return {how}

    def _is_over(self: Any, event: Any) -> bool:
        x, y = event.mouse_x - self._region.x, event.mouse_y - self._region.y
        return 0 <= x < self._region.width and 0 <= y < self._region.height

    def _pixel(self: Any, event: Any) -> tuple[float, float]:
        place = (event.mouse_x - self._region.x, event.mouse_y - self._region.y)
        return pixel_at(lying_of(self._still), self._drag.size, self._region.view2d.region_to_view(*place))

    def _draw(self: Any) -> None:
        if bpy.context.region != self._region:
            return
        import gpu
        from gpu_extras.batch import batch_for_shader

        lying, view = lying_of(self._still), self._region.view2d
        seen = [seen_at(lying, self._drag.size, corner) for corner in self._drag.square.corners(self._drag.size)]
        corners = [view.view_to_region(*place, clip=False) for place in seen]
        shader = gpu.shader.from_builtin("UNIFORM_COLOR" if bpy.app.version >= (4, 0, 0) else "2D_UNIFORM_COLOR")
        batch = batch_for_shader(shader, "LINE_STRIP", {"pos": [*corners, corners[0]]})
        shader.uniform_float("color", COLOUR)
        gpu.state.line_width_set(2.0)
        batch.draw(shader)
        gpu.state.line_width_set(1.0)


def preview(context: Any) -> tuple[Any, Any]:
    """The largest preview of the sequencer, and its region. Raises StripError where none is open."""
    areas = [area for area in context.window.screen.areas if area.type == "SEQUENCE_EDITOR"]
    shown = [area for area in areas if area.spaces.active.view_type in ("PREVIEW", "SEQUENCER_PREVIEW")]
    if not shown:
        raise StripError("No preview is open. Switch a Video Sequencer to Preview, or set the square by numbers.")
    area = max(shown, key=lambda one: one.width * one.height)
    return area, next(region for region in area.regions if region.type == "PREVIEW")


def size_of(strip: Any) -> Size:
    """(width, height) of a still in pixels."""
    if strip.type == "SCENE":
        render = strip.scene.render
        share = render.resolution_percentage / 100
        return int(render.resolution_x * share), int(render.resolution_y * share)
    return element_size(strip)


def square_of(settings: Any) -> Square:
    """As the settings have it."""
    return Square(settings.x, settings.y, settings.side, settings.angle)


def put_square(settings: Any, square: Square) -> None:
    """The other way round."""
    settings.x, settings.y, settings.side, settings.angle = square.x, square.y, square.side, square.angle


CLASSES = (PlaceSquare,)
