"""What the user does in the node editor: run, cancel, import, export, look at results."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import bpy

from . import api_export, canvas_export, canvas_import, progress
from .blocks import blocks
from .client import Failure, Result
from .held import Held
from .nodes import TREE, BlockNode
from .results import load_results, node_of, result_of, show
from .takes import numbered

WORKFLOWS = Path(__file__).resolve().parents[3] / "workflows"


def edited_tree(context: Any) -> Any:
    """The tree in the node editor; None elsewhere."""
    tree = getattr(context.space_data, "edit_tree", None)
    return tree if tree is not None and tree.bl_idname == TREE else None


def whole_tree(context: Any) -> Any:
    """The tree in the node editor, from within a group too; None elsewhere."""
    tree = getattr(context.space_data, "node_tree", None)
    return tree if tree is not None and tree.bl_idname == TREE else None


def output_of(tree: Any) -> Path:
    """Folder and stem of what a tree's next run makes, numbered so that no earlier take is overwritten.

    "//" is the .blend file's folder, or a passing one before it is saved. The stem is the end of the saving node's
    `filename_prefix` where there is one such node and the user has named it, else the tree's name.
    """
    folder = tree.w_output or "//"
    if folder.startswith("//") and not bpy.data.filepath:
        base = Path(bpy.app.tempdir or tempfile.gettempdir()) / folder.lstrip("/")
    else:
        base = Path(bpy.path.abspath(folder))
    return numbered(base, _prefix(tree) or tree.name)


def _prefix(tree: Any) -> str:
    """What the user has named the files of the only node that saves some; empty where that is as it came."""
    named = []
    for node in tree.nodes:
        port = node.block.ports.get("filename_prefix") if isinstance(node, BlockNode) else None
        if port is not None:
            value = str(node.value(port))
            named.append("" if value == port.default else value.replace("\\", "/").rsplit("/", 1)[-1])
    return named[0] if len(named) == 1 else ""


def files_of(graph: Mapping[str, Any]) -> dict[str, Path]:
    """The files that a graph names by a full path, or from the .blend file's folder ("//"), by those names."""
    found = {}
    for entry in graph.values():
        block = blocks().get(entry["class_type"])
        for port in block.widgets if block else ():
            name = entry["inputs"].get(port.name)
            if port.upload and isinstance(name, str) and (name.startswith("//") or os.path.isabs(name)):
                found[name] = Path(bpy.path.abspath(name))
    return found


def check_files(graph: Mapping[str, Any], files: Mapping[str, Path]) -> None:
    """Raise NodeProblem for the first node that names a file which is gone."""
    for name, entry in graph.items():
        for value in entry["inputs"].values():
            if isinstance(value, str) and value in files and not files[value].is_file():
                words = f"the file {files[value]} is not there. Choose another, or File > External Data > Find it"
                title = entry.get("_meta", {}).get("title") or entry["class_type"]
                raise NodeProblem(name, f"“{title}”: {words}.")


class NodeProblem(ValueError):
    """What is wrong with a node, for the user. node: its id in the graph."""

    def __init__(self, node: str, words: str) -> None:
        super().__init__(words)
        self.node = node


def point_at(tree: Any, name: str, context: Any) -> None:
    """Select a node, or the group that holds it, and bring it into view."""
    node = node_of(tree, name.partition(":")[0])
    if node is None:
        return
    for other in tree.nodes:
        other.select = other == node
    tree.nodes.active = node
    area = getattr(context, "area", None)
    region = next((part for part in area.regions if part.type == "WINDOW"), None) if area is not None else None
    if area is not None and region is not None and area.type == "NODE_EDITOR" and context.space_data.edit_tree == tree:
        with contextlib.suppress(RuntimeError), context.temp_override(area=area, region=region):
            bpy.ops.node.view_selected()


class _TreeOperator(bpy.types.Operator):
    @classmethod
    def poll(cls, context: Any) -> bool:
        return edited_tree(context) is not None


class RunTree(progress.RunsGraph, bpy.types.Operator):
    """Run this tree in the worker; Blender stays usable. What is unchanged since the last run isn't made again"""

    bl_idname = "fomm.run"
    bl_label = "Run"
    __annotations__ = {"tree": bpy.props.StringProperty(name="Tree", options={"SKIP_SAVE"})}

    @classmethod
    def poll(cls, context: Any) -> bool:
        return progress.running() is None

    def begin(self: Any, context: Any) -> progress.Run:
        tree = bpy.data.node_groups.get(self.tree) if self.tree else whole_tree(context)
        if tree is None:
            raise ValueError("There is no tree here. Choose one, or make one with New.")
        graph = api_export.api_graph(tree)
        files = files_of(graph)
        try:
            check_files(graph, files)
        except NodeProblem as problem:
            point_at(tree, problem.node, context)
            raise
        self._tree = Held.of(tree)
        self._titles = {name: entry["_meta"]["title"] for name, entry in graph.items() if "_meta" in entry}
        return self.start(tree.name, graph, output_of(tree), files)

    def finish(self: Any, context: Any, result: Result) -> str:
        tree = self._tree.find(bpy.data.node_groups)
        images = load_results(tree, result.files)
        shown = [made.node for made in result.files if made.shown]
        if images:
            node = node_of(tree, shown[0]) if shown else None
            show((result_of(node) if node is not None else None) or images[0], context)
        kept = [made.path.name for made in result.files if not made.shown]
        return f"{', '.join(kept) or 'Done'}: {result.seconds:.1f} s"

    def failed(self: Any, context: Any, failure: Failure) -> None:
        """Show which node it was, where only one has that title."""
        names = [name for name, title in self._titles.items() if title == failure.node]
        tree = self._tree.find(bpy.data.node_groups)
        if len(names) == 1 and tree is not None:
            point_at(tree, names[0], context)


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
        _show_tree(context, tree)
        return {"FINISHED"}


class OpenExample(ImportGraph):
    """Open a tree that comes with the add-on and runs as it is."""

    bl_idname = "fomm.open_example"
    bl_label = "Open Example"
    __annotations__ = {**ImportGraph.__annotations__, "name": bpy.props.StringProperty(default="animate")}

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
        self.filepath = self.filepath or f"{bpy.path.clean_name(whole_tree(context).name)}.json"
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self: Any, context: Any) -> set[str]:
        try:
            write_tree(whole_tree(context), Path(bpy.path.abspath(self.filepath)), self.form)
        except (OSError, ValueError) as problem:
            self.report({"ERROR"}, f"Not written: {problem}")
            return {"CANCELLED"}
        return {"FINISHED"}


def write_tree(tree: Any, path: Path, form: str = "API") -> None:
    """Save a tree as JSON, whole or not at all."""
    graph = canvas_export.canvas(tree) if form == "UI" else api_export.api_graph(tree)
    passing = path.with_name(f".{path.name}.part")
    passing.write_text(json.dumps(graph, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(passing, path)


CLASSES = (RunTree, ShowResult, ImportGraph, OpenExample, ExportGraph)
