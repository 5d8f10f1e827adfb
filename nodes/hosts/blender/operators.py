"""What the user does in the node editor: run, cancel, import, export, look at results."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import bpy

from . import canvas_export, canvas_import
from .client import Failure, Result
from .nodes import TREE
from .results import load_results, node_of, result_of, show
from .session import SESSION

WORKFLOWS = Path(__file__).resolve().parents[3] / "workflows"


def edited_tree(context: Any) -> Any:
    """The tree in the node editor; None elsewhere."""
    tree = getattr(context.space_data, "edit_tree", None)
    return tree if tree is not None and tree.bl_idname == TREE else None


def output_of(tree: Any) -> Path:
    """Folder and stem of what a tree makes: "//" is the .blend file's folder, or a passing one before it is saved."""
    folder = tree.w_output or "//"
    if folder.startswith("//") and not bpy.data.filepath:
        base = Path(bpy.app.tempdir or tempfile.gettempdir()) / folder.lstrip("/")
    else:
        base = Path(bpy.path.abspath(folder))
    return base / bpy.path.clean_name(tree.name)


def run_tree(tree: Any) -> Any:
    """Submit a tree as it is now; the results come to its nodes. Returns the handle."""
    name = tree.name  # an undo makes references stale; names stay

    def done(result: Result) -> None:
        images = load_results(name, result.files)
        shown = [made.node for made in result.files if made.shown]
        if images:
            node = node_of(bpy.data.node_groups.get(name), shown[0]) if shown else None
            show((result_of(node) if node is not None else None) or images[0], bpy.context)

    def failed(failure: Failure) -> None:
        if not failure.cancelled:
            tell(failure.message)

    return SESSION.submit(canvas_export.api_graph(tree), output=output_of(tree), on_done=done, on_error=failed)


def tell(message: str) -> None:
    """A message over the window; in the background it is only in the panel."""
    if bpy.app.background or not bpy.context.window_manager.windows:
        return

    def draw(menu: Any, context: Any) -> None:
        for line in _lines(message):
            menu.layout.label(text=line)

    bpy.context.window_manager.popup_menu(draw, title="First Order Motion", icon="ERROR")


def _lines(message: str) -> list[str]:
    import textwrap

    return [part for line in message.splitlines() for part in textwrap.wrap(line, 90)]


class _TreeOperator(bpy.types.Operator):
    @classmethod
    def poll(cls, context: Any) -> bool:
        return edited_tree(context) is not None


class RunTree(_TreeOperator):
    """Run this tree in the worker; Blender stays usable. What is unchanged since the last run isn't made again."""

    bl_idname = "fomm.run"
    bl_label = "Run"

    @classmethod
    def poll(cls, context: Any) -> bool:
        return edited_tree(context) is not None and SESSION.handle is None

    def execute(self: Any, context: Any) -> set[str]:
        run_tree(edited_tree(context))
        return {"FINISHED"}


class Cancel(bpy.types.Operator):
    """End the run; the worker keeps its models."""

    bl_idname = "fomm.cancel"
    bl_label = "Cancel"

    @classmethod
    def poll(cls, context: Any) -> bool:
        return SESSION.handle is not None

    def execute(self: Any, context: Any) -> set[str]:
        SESSION.cancel()
        return {"FINISHED"}


class ShowResult(_TreeOperator):
    """Show what the node made in the image editor."""

    bl_idname = "fomm.show_result"
    bl_label = "Show in Image Editor"
    __annotations__ = {"node": bpy.props.StringProperty(options={"SKIP_SAVE"})}

    def execute(self: Any, context: Any) -> set[str]:
        node = edited_tree(context).nodes.get(self.node)
        image = result_of(node) if node is not None else None
        if image is None or not show(image, context):
            self.report({"WARNING"}, "Open an Image Editor beside this one to see the result.")
        return {"FINISHED"}


class ImportGraph(bpy.types.Operator):
    """Open a ComfyUI workflow, in its UI or API format, as a new tree."""

    bl_idname = "fomm.import_graph"
    bl_label = "Import ComfyUI Workflow"
    bl_options = {"REGISTER", "UNDO"}
    __annotations__ = {
        "filepath": bpy.props.StringProperty(subtype="FILE_PATH"),
        "filter_glob": bpy.props.StringProperty(default="*.json", options={"HIDDEN"}),
    }

    def invoke(self: Any, context: Any, event: Any) -> set[str]:
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self: Any, context: Any) -> set[str]:
        try:
            tree = canvas_import.read_tree(bpy.path.abspath(self.filepath))
        except canvas_import.ImportProblem as problem:
            self.report({"ERROR"}, str(problem))
            return {"CANCELLED"}
        if getattr(context.space_data, "type", "") == "NODE_EDITOR":
            context.space_data.tree_type = TREE
            context.space_data.node_tree = tree
        return {"FINISHED"}


class OpenExample(ImportGraph):
    """Open a tree that comes with the add-on and runs as it is."""

    bl_idname = "fomm.open_example"
    bl_label = "Open Example"
    __annotations__ = {**ImportGraph.__annotations__, "name": bpy.props.StringProperty(default="animate")}

    def invoke(self: Any, context: Any, event: Any) -> set[str]:
        return self.execute(context)

    def execute(self: Any, context: Any) -> set[str]:
        self.filepath = str(WORKFLOWS / f"{Path(self.name).name}.json")
        return ImportGraph.execute(self, context)


class ExportGraph(_TreeOperator):
    """Save this tree for `fomm render` and ComfyUI servers (API format), or for ComfyUI's canvas (UI format)."""

    bl_idname = "fomm.export_graph"
    bl_label = "Export ComfyUI Workflow"
    __annotations__ = {
        "filepath": bpy.props.StringProperty(subtype="FILE_PATH"),
        "filter_glob": bpy.props.StringProperty(default="*.json", options={"HIDDEN"}),
        "form": bpy.props.EnumProperty(
            name="Format",
            items=[
                ("API", "API", "What `fomm render` and ComfyUI servers run", 0),
                ("UI", "UI", "What ComfyUI opens on its canvas", 1),
            ],
        ),
    }

    def invoke(self: Any, context: Any, event: Any) -> set[str]:
        self.filepath = self.filepath or f"{bpy.path.clean_name(edited_tree(context).name)}.json"
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self: Any, context: Any) -> set[str]:
        try:
            write_tree(edited_tree(context), Path(bpy.path.abspath(self.filepath)), self.form)
        except OSError as problem:
            self.report({"ERROR"}, f"The file can't be written: {problem}.")
            return {"CANCELLED"}
        return {"FINISHED"}


def write_tree(tree: Any, path: Path, form: str = "API") -> None:
    """Save a tree as JSON, whole or not at all."""
    graph = canvas_export.canvas(tree) if form == "UI" else canvas_export.api_graph(tree)
    passing = path.with_name(f".{path.name}.part")
    passing.write_text(json.dumps(graph, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(passing, path)


CLASSES = (RunTree, Cancel, ShowResult, ImportGraph, OpenExample, ExportGraph)
