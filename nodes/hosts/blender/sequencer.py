"""The Video Sequencer: a still and a driving strip are chosen, a new strip appears above them."""

from __future__ import annotations

import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy

from . import compositor, progress, setting_up
from .client import Result
from .held import Held, strip_id, strip_of
from .session import client
from .span import StripError
from .strip_graph import Look, Request, Still, animation, crops
from .strip_inputs import Driving, driving_of, strips_of
from .strip_render import looked_at, lossless_clip, still_of
from .strip_results import Place, bring_in, made_from, sound_for
from .strip_settings import FOMM_PG_strips
from .strip_times import ends, get
from .takes import numbered

OCCLUSION = re.compile(r"_occlusion(_\d+)?\.png$")
"""Names of masks, beside frames that are pictures too."""


def edited_scene(context: Any) -> Any:
    """The scene whose strips are seen."""
    return getattr(context, "sequencer_scene", None) or context.scene  # Blender 5 has both


def pair(scene: Any) -> tuple[Any, Any]:
    """The strips to work on: (source, driving).

    Raises:
        StripError: Another choice is needed.
    """
    editor = scene.sequence_editor
    if editor is None:
        raise StripError("This scene has no strips yet. Add a picture and a movie first.")
    if len(editor.meta_stack):
        raise StripError("You are inside a meta strip. Leave it first (Tab).")
    strips, active = strips_of(editor), editor.active_strip
    chosen = [strip for strip in strips if strip.select and strip.type != "SOUND"]
    if len(chosen) == 1 and (made := made_from(chosen[0])):
        names = made["source"], made["driving"]
        source, driving = (strip_of(strips, *of) for of in zip(made.get("ids", ("", "")), names, strict=True))
        if source is None or driving is None:
            gone = names[0] if source is None else names[1]
            raise StripError(f"“{chosen[0].name}” was made from “{gone}”, which is not there any more.")
        return source, driving
    if len(chosen) > 2:  # results among them; on its own a result may drive another still
        chosen = [strip for strip in chosen if not made_from(strip)]
    under = [strip.input_1 for strip in chosen if strip.type == "SPEED"]
    chosen = [strip for strip in chosen if strip not in under]
    if len(chosen) != 2:
        raise StripError(f"Select two strips: the still and the movie that moves it (now: {len(chosen)}).")
    stills = [strip for strip in chosen if _is_still(strip)]
    if len(stills) == 2:
        raise StripError("Both strips are stills. One of the two has to move: a movie or an image sequence.")
    if not stills:
        if active not in chosen:
            raise StripError("Both strips move. Click the driving one last; of the other, the frame at the playhead.")
        stills = [strip for strip in chosen if strip != active]
    source = stills[0]
    return source, next(strip for strip in chosen if strip != source)


def _is_still(strip: Any) -> bool:
    return strip.type == "SCENE" or (strip.type == "IMAGE" and len(strip.elements) == 1)


class FOMM_OT_animate_strips(progress.RunsGraph, bpy.types.Operator):
    """Bring the selected still to life: it moves as the selected movie moves. The result is a new strip above"""

    bl_idname = "fomm.animate_strips"
    bl_label = "Animate Still by Strip"
    bl_options = {"REGISTER", "UNDO"}

    def begin(self, context: Any) -> progress.Run:
        scene = edited_scene(context)
        source, driving = pair(scene)
        found = driving_of(driving, scene)
        settings = scene.fomm_strips
        folder = Path(tempfile.mkdtemp(prefix="strips-", dir=client().inputs))
        still, look = looked_at(still_of(source, scene, scene.frame_current, folder)), settings.look(scene)
        request = _request(still, found, look, folder)
        self._place = replace(
            _placed(scene, source, driving, found, settings),
            still=(still.width, still.height),
            cut="" if crops(look, still) else look.fit,
        )
        output = _output(settings.folder, f"{source.name}-{driving.name}")
        return self.start(f"{source.name} as {driving.name}", request.graph, output, request.files)

    def finish(self, context: Any, result: Result) -> str:
        shown = _files(result, ".mp4") or [path for path in _files(result, ".png") if not OCCLUSION.search(path.name)]
        strip = bring_in(shown, self._place)
        if strip is None:
            return f"The scene is gone; the result is {shown[0]}"
        self._bring_in(result)
        passing = shown[0].is_relative_to(tempfile.gettempdir()) and not bpy.data.is_saved
        warning = f" It lies in {shown[0].parent} until you save this file and run again." if passing else ""
        wanted = self._place.clip.end - self._place.clip.start
        frames = result.frames if strip.type == "MOVIE" else len(shown)
        if frames < wanted:
            warning = f" They are for {wanted} frames of the scene: the last one is held.{warning}"
        return f"“{strip.name}”: {frames} frames in {result.seconds:.1f} s.{warning}"

    def _bring_in(self, result: Result) -> None:
        """Masks and flow into the compositor."""
        place = self._place
        scene = place.scene.find(bpy.data.scenes)
        movie = bool(_files(result, ".mp4"))
        for suffix, kind in ((".png", "occlusion"), (".exr", "flow")):
            files = _files(result, suffix)
            if kind == "occlusion" and not movie:
                files = [path for path in files if OCCLUSION.search(path.name)]
            if files:
                name = f"{place.source} as {place.driving}: {kind}"
                compositor.bring_in(scene, name, files, place.clip.start, place.mark)


def _files(result: Result, suffix: str) -> list[Path]:
    """What a run made, by its kind: a server does not tell which node made it."""
    return [file.path for file in result.files if file.path.suffix == suffix]


def _request(still: Still, found: Driving, look: Look, folder: Path) -> Request:
    if found.path is not None:
        return animation(still, found.path, found.clip, found.fps, look, found.size)
    movie = lossless_clip(found.pictures, found.fps, folder)
    return animation(still, movie, replace(found.clip, first=0), found.fps, look, found.size)


def _placed(scene: Any, source: Any, driving: Any, found: Driving, settings: Any) -> Place:
    strips = strips_of(scene.sequence_editor)
    place = Place(
        scene=Held.of(scene),
        source=source.name,
        driving=driving.name,
        ids=(strip_id(source, strips), strip_id(driving, strips)),
        begin=get(driving, "content_start"),
        clip=found.clip,
        span=ends(driving),
        channel=_top(source, driving),
        fit=settings.place,
    )
    sound = sound_for(found, scene, place.mark) if settings.sound else None
    return place if sound is None else replace(place, sound=sound[0], sound_start=sound[1])


def _top(*strips: Any) -> int:
    return max(strip.channel for strip in strips)


def _output(folder: str, stem: str) -> Path:
    """A name that no file has yet, in the folder of the settings."""
    if folder.startswith("//") and not bpy.data.is_saved:
        target = Path(tempfile.gettempdir()) / "fomm-blender"
    else:
        target = Path(bpy.path.abspath(folder))
    return numbered(target, stem)


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
        layout.use_property_split, layout.use_property_decorate = True, False
        layout.prop(settings, "model")
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


CLASSES = (FOMM_PG_strips, FOMM_OT_animate_strips, FOMM_OT_standard_view, FOMM_PT_strips)


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
