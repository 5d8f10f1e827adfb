"""The ids of nodes in a graph, and what a node is in it."""

from __future__ import annotations

from typing import Any

from ....graph.canvas_nodes import REROUTE, Mode
from .classes import trees_in
from .groups import BLENDERS_OWN, GroupNode
from .nodes import BlockNode, ForeignNode, saved_entry
from .sources import SourceNode


def number_nodes(tree: Any) -> dict[str, Any]:
    """All nodes by their ids; those that have none, or that of another, get new ones."""
    found: dict[str, Any] = {}
    waiting = []
    for node in tree.nodes:
        if node.bl_idname in BLENDERS_OWN:
            continue
        name = node.get("fomm_id")
        if name is None or name in found:
            waiting.append(node)
        else:
            found[name] = node
    free = max((int(name) for name in found if name.isdigit()), default=0)
    for node in waiting:
        free += 1
        node["fomm_id"] = str(free)
        found[str(free)] = node
    return found


def number_all(tree: Any) -> None:
    """`number_nodes` for a tree and the groups in it, however deep."""
    for one in trees_in(tree):
        number_nodes(one)


def is_muted(node: Any) -> int:
    """The saved mode: 0, or a Mode. Blender's own mute key bypasses."""
    saved = canvas_entry(node).get("mode", 0)
    if node.mute == (saved in tuple(Mode)):
        return int(saved)
    return Mode.BYPASSED if node.mute else 0


def canvas_entry(node: Any) -> dict[str, Any]:
    """What a node was imported from, where that was a canvas."""
    entry = saved_entry(node)
    return entry if "type" in entry else {}


def class_of(node: Any) -> str:
    """ComfyUI's name for what a node is."""
    if isinstance(node, BlockNode):
        return node.block.name
    if isinstance(node, GroupNode):
        return str(node.bl_idname)
    if isinstance(node, SourceNode):
        return str(node.reads)
    return str(node.w_class) if isinstance(node, ForeignNode) else REROUTE
