"""The Video Sequencer: a still and a driving strip are chosen, a new strip appears above them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import bpy

from . import model_choice, presets, progress, queue_panel, setting_up, square_drag
from .client import Result
from .queue_panel import edited_scene
from .session import client
from .span import StripError
from .strip_choice import pair
from .strip_settings import FOMM_PG_strips
from .strip_work import amiss, output_for, prepare, show_files


class FOMM_OT_animate_strips(progress.RunsGraph, bpy.types.Operator):
    """Bring the selected still to life: it moves as the selected movie moves. The result is a new strip above"""

    bl_idname = "fomm.animate_strips"
    bl_label = "Animate Still by Strip"
    bl_options = {"REGISTER", "UNDO"}

    def begin(self, context: Any) -> progress.Run:
        scene = edited_scene(context)
        prepared = prepare(scene, *pair(scene), Path(tempfile.mkdtemp(prefix="strips-", dir=client().inputs)))
        self._place, request = prepared.place, prepared.request
        output = output_for(scene.fomm_strips.folder, prepared.stem)
        frames = prepared.place.clip.end - prepared.place.clip.start
        return self.start(prepared.title, request.graph, output, request.files, frames)

    def finish(self, context: Any, result: Result) -> str:
        files = [file.path for file in result.files]
        strip = show_files(files, self._place)
        if strip is None:
            return f"The scene is gone; the result is {files[0]}"
        passing = files[0].is_relative_to(tempfile.gettempdir()) and not bpy.data.is_saved
        warning = f" It lies in {files[0].parent} until you save this file and run again." if passing else ""
        frames = result.frames if strip.type == "MOVIE" else len(strip.elements)
        warning = f"{amiss(strip, self._place)}{warning}"
        return f"“{strip.name}”: {frames} frames in {result.seconds:.1f} s.{warning}"


class FOMM_OT_standard_view(bpy.types.Operator):
    """Show movies with the colours of their files: set this scene's view transform to Standard, without a look"""

    bl_idname = "fomm.standard_view"
    bl_label = "Show Colours as in the Files"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: Any) -> set[str]:
        view = edited_scene(context).view_settings
        view.view_transform, view.look, view.exposure, view.gamma = "Standard", "None", 0.0, 1.0
        return {"FINISHED"}


def shows_files_colours(view: Any) -> bool:
    """Whether a movie's pixels are shown as they are in its file. "Raw" is no longer neutral from Blender 5 on."""
    return (view.view_transform, view.look, view.exposure, view.gamma) == ("Standard", "None", 0.0, 1.0)


class FOMM_PT_strips(bpy.types.Panel):
    """The sidebar of the sequencer."""

    bl_label = "First Order Motion"
    bl_idname = "FOMM_PT_strips"
    bl_space_type = "SEQUENCE_EDITOR"
    bl_region_type = "UI"
    bl_category = "First Order Motion"

    @classmethod
    def poll(cls, context: Any) -> bool:
        return edited_scene(context) is not None

    def draw(self, context: Any) -> None:
        layout, scene = self.layout, edited_scene(context)
        settings = scene.fomm_strips
        setting_up.draw(layout, context)
        self._draw_choice(layout.column(align=True), scene)
        layout.operator(FOMM_OT_animate_strips.bl_idname, icon="PLAY")
        progress.draw_progress(self, context)
        presets.draw(layout)
        layout.use_property_split, layout.use_property_decorate = True, False
        layout.prop(settings, "model")
        model_choice.draw(layout)
        column = layout.column(align=True)
        column.prop(settings, "size")
        if settings.size == "custom":
            column.prop(settings, "width")
            column.prop(settings, "height")
        column = layout.column(align=True)
        column.prop(settings, "region")
        if settings.region in ("auto", "face"):
            column.prop(settings, "face")
        if settings.region == "square":
            column.operator(square_drag.PlaceSquare.bl_idname, icon="RESTRICT_SELECT_OFF")
            for name in ("x", "y", "side", "angle"):
                column.prop(settings, name)
        for name in ("fit", "mode", "strength", "anchor", "smoothing", "place", "sound", "folder"):
            layout.prop(settings, name)
        both = layout.column(heading="Compositor", align=True)
        both.prop(settings, "occlusion")
        both.prop(settings, "flow")
        view = scene.view_settings
        if not shows_files_colours(view):
            box = layout.box()
            box.label(text=f"{view.view_transform} changes colours of movies", icon="INFO")
            box.operator(FOMM_OT_standard_view.bl_idname)

    def _draw_choice(self, column: Any, scene: Any) -> None:
        try:
            source, driving = pair(scene)
        except StripError as problem:
            for line in _lines(str(problem)):
                column.label(text=line)
            return
        column.label(text=source.name, icon="IMAGE_DATA")
        column.label(text=driving.name, icon="FILE_MOVIE")


def _lines(text: str, width: int = 42) -> list[str]:
    import textwrap

    return textwrap.wrap(text, width)


def _in_menu(menu: Any, context: Any) -> None:
    menu.layout.separator()
    menu.layout.operator(FOMM_OT_animate_strips.bl_idname)


CLASSES = (
    FOMM_PG_strips,
    FOMM_OT_animate_strips,
    FOMM_OT_standard_view,
    FOMM_PT_strips,
    *presets.CLASSES,
    *square_drag.CLASSES,
    *queue_panel.CLASSES,
)


def register() -> None:
    """Add panel, operators, and the scene's settings."""
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    bpy.types.Scene.fomm_strips = bpy.props.PointerProperty(type=FOMM_PG_strips)
    bpy.types.SEQUENCER_MT_strip.append(_in_menu)


def unregister() -> None:
    """Take them away again."""
    bpy.types.SEQUENCER_MT_strip.remove(_in_menu)
    del bpy.types.Scene.fomm_strips
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
