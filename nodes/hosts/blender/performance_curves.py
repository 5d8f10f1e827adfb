"""A performance's keypoints as F-curves of an Empty, to be edited in the Graph Editor and written as a file again."""

from __future__ import annotations

import base64
import re
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy

from . import performance_file, performance_json
from .keyframes import curves_of
from .nodes import TREE
from .performance_file import PerformanceError, Stored
from .takes import numbered

SUFFIX = ".safetensors"
POSITION = ("position x", "position y")
JACOBIAN = ("jacobian xx", "jacobian xy", "jacobian yx", "jacobian yy")
"""Rows first, as they are stored."""


class FOMM_PG_performance(bpy.types.PropertyGroup):
    """What an Empty remembers of the file whose keypoints are on its curves"""

    __annotations__ = {
        "data": bpy.props.StringProperty(options={"HIDDEN"}, description="The whole file, in base64"),
        "first": bpy.props.IntProperty(options={"HIDDEN"}, description="The scene's frame of the performance's first"),
        "name": bpy.props.StringProperty(options={"HIDDEN"}, description="The file's name without its ending"),
        "folder": bpy.props.StringProperty(
            name="Folder", subtype="DIR_PATH", options=set(), description="Where the edited performance is written"
        ),
    }


class LoadPerformance(bpy.types.Operator):
    """Put the keypoints of a saved performance on F-curves of a new Empty: a key for each of its frames, from the
    scene's first frame on
    """

    bl_idname = "fomm.load_performance"
    bl_label = "Performance to Curves"
    bl_options = {"REGISTER", "UNDO"}
    __annotations__ = {
        "filepath": bpy.props.StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"}),
        "filter_glob": bpy.props.StringProperty(default=f"*{SUFFIX};*{performance_json.SUFFIX}", options={"HIDDEN"}),
    }

    def invoke(self: Any, context: Any, event: Any) -> set[str]:
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self: Any, context: Any) -> set[str]:
        path = Path(bpy.path.abspath(self.filepath))
        try:
            data = performance_file.read(path)
            if path.suffix.lower() == performance_json.SUFFIX:
                data = performance_file.bytes_of(performance_json.parse(data))
            stored = performance_file.parse(data)
        except PerformanceError as problem:
            self.report({"ERROR"}, str(problem))
            return {"CANCELLED"}
        owner = bpy.data.objects.new(f"Performance {path.stem}", None)
        context.scene.collection.objects.link(owner)
        kept = owner.fomm_performance
        kept.data, kept.first = base64.b64encode(data).decode(), context.scene.frame_start
        kept.name, kept.folder = path.stem, str(path.parent)
        put_on(owner, stored, kept.first)
        for other in context.view_layer.objects:
            other.select_set(other == owner)
        context.view_layer.objects.active = owner
        self.report({"INFO"}, f"“{owner.name}” has {stored.frames} keys on each curve. Edit them in the Graph Editor.")
        return {"FINISHED"}


class SavePerformance(bpy.types.Operator):
    """Write the curves of the active object as a new performance. Files that are there are kept"""

    bl_idname = "fomm.save_performance"
    bl_label = "Curves to Performance"
    __annotations__ = {"object": bpy.props.StringProperty(options={"SKIP_SAVE"})}

    @classmethod
    def poll(cls, context: Any) -> bool:
        return bool(bpy.data.objects)

    def execute(self: Any, context: Any) -> set[str]:
        owner = bpy.data.objects.get(self.object) if self.object else context.view_layer.objects.active
        if owner is None or not owner.fomm_performance.data:
            self.report({"ERROR"}, "Select the Empty that Performance to Curves made.")
            return {"CANCELLED"}
        try:
            path = write(owner)
        except PerformanceError as problem:
            self.report({"ERROR"}, str(problem))
            return {"CANCELLED"}
        self.report({"INFO"}, f"Written to {path}")
        return {"FINISHED"}


def write(owner: Any) -> Path:
    """The curves of an object as a new file. Raises PerformanceError with what to do."""
    kept = owner.fomm_performance
    try:
        stored = performance_file.parse(base64.b64decode(kept.data, validate=True))
    except ValueError as problem:
        raise PerformanceError(
            f"“{owner.name}” has lost its performance ({problem}). Load the file again."
        ) from problem
    folder = Path(bpy.path.abspath(kept.folder))
    if not folder.is_dir():
        raise PerformanceError(f"There is no folder {folder}. Choose another below the button.")
    made = performance_file.bytes_of(taken_from(owner, stored, kept.first))
    path = numbered(folder, re.sub(r"_\d+$", "", kept.name))
    path = path.with_name(path.name + SUFFIX)
    performance_file.write_new(path, made)
    return path


def channels(stored: Stored) -> Iterator[tuple[str, str, str, slice]]:
    """Of each curve: its group, its name, which numbers it is of, and where they are among them."""
    for keypoint in range(stored.keypoints):
        for kind, names in (("position", POSITION), ("jacobian", JACOBIAN)):
            if kind in stored.numbers:
                for place, name in enumerate(names):
                    first, step = keypoint * len(names) + place, stored.keypoints * len(names)
                    group = f"keypoint {keypoint}"
                    yield group, f"{group}: {name}", kind, slice(first, None, step)


def put_on(owner: Any, stored: Stored, first: int) -> None:
    """A custom property with a curve for each number of a keypoint, and on it a key for each frame."""
    bag = _new_curves(owner)
    straight = bpy.types.Keyframe.bl_rna.properties["interpolation"].enum_items["LINEAR"].value
    for group, name, kind, where in channels(stored):
        values = stored.numbers[kind][where]
        owner[name] = values[0]
        curve = bag.fcurves.new(data_path=_path_of(name))
        curve.group = bag.groups.get(group) or bag.groups.new(group)
        points = curve.keyframe_points
        points.add(len(values))
        points.foreach_set("co", array("f", (one for pair in enumerate(values, first) for one in pair)))
        points.foreach_set("interpolation", [straight] * len(values))
        curve.update()


def taken_from(owner: Any, stored: Stored, first: int) -> Stored:
    """The performance with what the curves are in each frame; a property without a curve has one value in all."""
    curves, of_all = {curve.data_path: curve for curve in _curves(owner)}, list(channels(stored))
    numbers: dict[str, array[float]] = {kind: stored.numbers[kind][:] for kind in {kind for _, _, kind, _ in of_all}}
    for _, name, kind, where in of_all:
        curve = curves.get(_path_of(name))
        if curve is not None and len(curve.keyframe_points) + len(curve.modifiers):
            values = [curve.evaluate(first + frame) for frame in range(stored.frames)]
        elif isinstance(owner.get(name), (int, float)):
            values = [owner[name]] * stored.frames
        else:
            raise PerformanceError(f"“{owner.name}” has neither a curve nor a property “{name}” any more. Undo that.")
        numbers[kind][where] = array("f", values)
    return stored.changed(**numbers)


def _curves(owner: Any) -> list[Any]:
    return curves_of(owner.animation_data) if owner.animation_data is not None else []


def _path_of(name: str) -> str:
    return f'["{name}"]'


def _new_curves(owner: Any) -> Any:
    """What holds the curves of a new action of an object: Blender 4.4 and newer have layers and slots."""
    action = bpy.data.actions.new(owner.name)
    animation = owner.animation_data_create()
    animation.action = action
    if not hasattr(action, "layers"):
        return action
    slot = action.slots.new(id_type="OBJECT", name=owner.name)
    animation.action_slot = slot
    strip = action.layers.new("Keypoints").strips.new(type="KEYFRAME")
    return strip.channelbag(slot, ensure=True)


class _PerformancePanel(bpy.types.Panel):
    bl_region_type = "UI"
    bl_category = "First Order Motion"
    bl_label = "Performance"

    def draw(self: Any, context: Any) -> None:
        column = self.layout.column(align=True)
        column.operator(LoadPerformance.bl_idname, icon="FCURVE")
        owner = context.view_layer.objects.active
        if owner is not None and owner.fomm_performance.data:
            column.operator(SavePerformance.bl_idname, icon="FILE_TICK").object = owner.name
            column.prop(owner.fomm_performance, "folder", text="")


class CurvesPanel(_PerformancePanel):
    """Beside the curves."""

    bl_idname = "FOMM_PT_performance_curves"
    bl_space_type = "GRAPH_EDITOR"


class NodesPanel(_PerformancePanel):
    """Beside a tree."""

    bl_idname = "FOMM_PT_performance_nodes"
    bl_space_type = "NODE_EDITOR"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: Any) -> bool:
        return bool(context.space_data.tree_type == TREE)


CLASSES = (FOMM_PG_performance, LoadPerformance, SavePerformance, CurvesPanel, NodesPanel)


def register() -> None:
    """Add operators, panels, and what an object remembers."""
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    bpy.types.Object.fomm_performance = bpy.props.PointerProperty(type=FOMM_PG_performance)


def unregister() -> None:
    """Take them away again."""
    del bpy.types.Object.fomm_performance
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
