"""Trees from files and to files: ComfyUI's workflows, and the examples that come with the add-on."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import bpy

from ....graph.model import Problem
from . import api_export, canvas_export, canvas_import, classes
from .nodes import TREE
from .operators import NodeProblem, TreeOperator, check_classes, point_at, server_address, whole_tree
from .sources import write_sources
from .templates import FIRST, WORKFLOWS


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
        _show_tree(context, tree)
        if classes.strangers(tree) and server_address():
            bpy.ops.fomm.ask_classes(tree=tree.name)
        return {"FINISHED"}


class AskClasses(bpy.types.Operator):
    """Learn from the ComfyUI server of the preferences, or from a file with its /object_info, what the nodes of other
    packs in this tree are set to
    """

    bl_idname = "fomm.ask_classes"
    bl_label = "Ask ComfyUI"
    __annotations__ = {
        "tree": bpy.props.StringProperty(options={"SKIP_SAVE"}),
        "filepath": bpy.props.StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"}),
        "filter_glob": bpy.props.StringProperty(default="*.json", options={"HIDDEN"}),
    }

    def invoke(self: Any, context: Any, event: Any) -> set[str]:
        if server_address():
            return self.execute(context)
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self: Any, context: Any) -> set[str]:
        tree = bpy.data.node_groups.get(self.tree) if self.tree else whole_tree(context)
        source = bpy.path.abspath(self.filepath) if self.filepath else server_address()
        if tree is None or not source:
            self.report({"WARNING"}, "Open a tree, and name a ComfyUI server in the preferences or a file.")
            return {"CANCELLED"}
        try:
            left = classes.ask(tree, source)
        except ValueError as problem:
            self.report({"WARNING"}, str(problem))
            return {"CANCELLED"}
        if left:
            self.report({"WARNING"}, f"It does not know: {', '.join(sorted(left))}")
        return {"FINISHED"}


class OpenExample(ImportGraph):
    """Open a tree that comes with the add-on and runs as it is."""

    bl_idname = "fomm.open_example"
    bl_label = "Open Example"
    __annotations__ = {**ImportGraph.__annotations__, "name": bpy.props.StringProperty(default=FIRST)}

    def invoke(self: Any, context: Any, event: Any) -> set[str]:
        return self.execute(context)

    def execute(self: Any, context: Any) -> set[str]:
        path = WORKFLOWS / f"{Path(self.name).name}.json"
        if (tree := _untouched(path)) is not None:
            _show_tree(context, tree)
            return {"FINISHED"}
        self.filepath = str(path)
        return ImportGraph.execute(self, context)


def _untouched(path: Path) -> Any:
    """A tree that an earlier click made of an example, as it came; None where there is none."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # the import says what is wrong
    trees = [tree for tree in bpy.data.node_groups if tree.bl_idname == TREE]
    return next((tree for tree in trees if tree.name.split(".")[0] == path.stem and _is(tree, told)), None)


def _is(tree: Any, told: Any) -> bool:
    try:
        return bool(canvas_export.canvas(tree) == told)
    except ValueError:
        return False


def _show_tree(context: Any, tree: Any) -> None:
    if getattr(context.space_data, "type", "") == "NODE_EDITOR":
        context.space_data.tree_type = TREE
        context.space_data.node_tree = tree


class ExportGraph(TreeOperator):
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
        self.filepath = self.filepath or f"{bpy.path.clean_name(whole_tree(context).name)}.json"
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self: Any, context: Any) -> set[str]:
        tree = whole_tree(context)
        try:
            write_sources(classes.trees_in(tree), context.scene)
            problems = write_tree(tree, Path(bpy.path.abspath(self.filepath)), self.form)
        except (OSError, ValueError) as problem:
            self.report({"ERROR"}, f"Not written: {problem}")
            return {"CANCELLED"}
        try:
            check_classes(tree, problems)
        except NodeProblem as problem:
            point_at(tree, problem.node, context)
            self.report({"WARNING"}, f"Written, but incomplete: {problem}")
        return {"FINISHED"}


def write_tree(tree: Any, path: Path, form: str = "API") -> tuple[Problem, ...]:
    """Save a tree as JSON, whole or not at all; returns what is to be told of it."""
    made = api_export.Exported(canvas_export.canvas(tree), ()) if form == "UI" else api_export.exported(tree)
    passing = path.with_name(f".{path.name}.part")
    passing.write_text(json.dumps(made.graph, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(passing, path)
    return made.problems


CLASSES = (ImportGraph, AskClasses, OpenExample, ExportGraph)
