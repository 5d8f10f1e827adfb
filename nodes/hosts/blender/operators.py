"""What the user does in the node editor: run, cancel, import, export, look at results."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import bpy

from ....graph.model import Problem
from . import api_export, classes, progress
from .blocks import blocks
from .client import Failure, Result
from .held import Held
from .nodes import TREE, BlockNode
from .preferences import preferences
from .results import load_results, node_of, result_of, show
from .sources import write_sources
from .takes import numbered

UNKNOWN = (
    "a node of another pack, whose settings can't be read without its pack. Name a ComfyUI server that has it in the "
    "add-on's preferences, then press Ask ComfyUI"
)


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


def check_classes(tree: Any, problems: Iterable[Problem]) -> None:
    """Raise NodeProblem for the first node whose values can't be told because its class is unknown."""
    strangers = classes.strangers(tree)
    for problem in problems:
        node = node_of(tree, problem.node)
        if problem.severity == "error" and node is not None and getattr(node, "w_class", "") in strangers:
            raise NodeProblem(problem.node, f"“{problem.title}”: {UNKNOWN}.")


def server_address() -> str:
    """Of the ComfyUI server that the preferences name; empty for none."""
    own = preferences()
    server = own.server.strip() if own is not None else ""
    return server if not server or "://" in server else f"http://{server}"


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


class TreeOperator(bpy.types.Operator):
    """For the tree in the editor."""

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
        if (server := server_address()) and classes.strangers(tree):
            classes.ask(tree, server)
        write_sources(classes.trees_in(tree), context.scene)
        made = api_export.exported(tree)
        graph, files = made.graph, files_of(made.graph)
        try:
            check_classes(tree, made.problems)
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


class ShowResult(TreeOperator):
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


CLASSES = (RunTree, ShowResult)
