"""The node tree: its look in the editor, its Add menu, and which wires it takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bpy
import nodeitems_utils

from ....graph.types import fits
from .blocks import Block, blocks, titled
from .groups import HAS_GROUPS, GroupNode, sync_groups
from .nodes import TREE, BlockNode
from .options import RELATIVE
from .sockets import kinds
from .sources import SourceNode

MENU = "FOMM_NODES"


class FommTree(bpy.types.NodeTree):
    """A graph of First Order Motion blocks."""

    bl_idname = TREE
    bl_label = "First Order Motion"
    bl_icon = "ARMATURE_DATA"
    __annotations__ = {
        "w_output": bpy.props.StringProperty(
            name="Output",
            default="//fomm/",
            subtype="DIR_PATH",
            description="Folder for what this tree makes; // is that of the .blend file",
            **RELATIVE,
        ),
    }

    def update(self: Any) -> None:
        """Blender calls this, and then calls all wires valid: ours have to be marked a moment later."""
        if not bpy.app.timers.is_registered(_mark_all):
            bpy.app.timers.register(_mark_all, first_interval=0.0)


def mark_links(tree: Any) -> int:
    """Show wires red whose ends don't fit; returns how many there are."""
    wrong = 0
    for link in tree.links:
        origin = source_of(link)
        if origin is not None and not fits(kinds(origin), kinds(link.to_socket)):
            link.is_valid = False
            wrong += 1
    return wrong


def _mark_all() -> None:
    for tree in bpy.data.node_groups if HAS_GROUPS else ():
        if tree.bl_idname == TREE:
            sync_groups(tree)
    if sum(mark_links(tree) for tree in bpy.data.node_groups if tree.bl_idname == TREE):
        redraw("NODE_EDITOR")


def redraw(kind: str) -> None:
    """Have all editors of a kind drawn anew."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == kind:
                area.tag_redraw()


def source_of(link: Any) -> Any:
    """The output that a wire comes from, reroutes left out; None where it comes from nowhere."""
    seen = set()
    while link.from_node.bl_idname == "NodeReroute":
        incoming = link.from_node.inputs[0].links
        if not incoming or link.from_node.name in seen:
            return None
        seen.add(link.from_node.name)
        link = incoming[0]
    return link.from_socket


def sync_all() -> None:
    """Bring the nodes of all trees to what the blocks have now."""
    for tree in bpy.data.node_groups:
        if tree.bl_idname == TREE:
            for node in tree.nodes:
                if isinstance(node, (BlockNode, GroupNode)) and (HAS_GROUPS or isinstance(node, BlockNode)):
                    node.sync()


class _Category(nodeitems_utils.NodeCategory):
    @classmethod
    def poll(cls, context: Any) -> bool:
        return bool(context.space_data.tree_type == TREE)


def add_menu() -> None:
    """Fill the Add menu: our categories, then ComfyUI's nodes."""
    named: dict[str, list[Block]] = {}
    for block in blocks().values():
        named.setdefault(_menu(block.category), []).append(block)
    nodeitems_utils.register_node_categories(MENU, list(_categories(named)))


def _menu(category: str) -> str:
    """ComfyUI's many folders in a few."""
    first, *parts = category.split("/")
    return "ComfyUI/video" if parts == ["image", "video"] else f"{first}/{parts[0]}" if parts else first


def _categories(named: dict[str, list[Block]]) -> Iterator[Any]:
    for category, members in named.items():
        items = [nodeitems_utils.NodeItem(block.idname, label=block.title) for block in members]
        first, _, rest = category.partition("/")
        title = f"ComfyUI: {titled(rest)}" if first == "ComfyUI" else rest or first
        yield _Category("FOMM_" + "".join(sign if sign.isalnum() else "_" for sign in category), title, items=items)
    names = ["NodeFrame", "NodeReroute"]
    sources = [nodeitems_utils.NodeItem(SourceNode.bl_idname, label=SourceNode.bl_label)]
    yield _Category("FOMM_SOURCES", "Blender", items=sources)
    if HAS_GROUPS:
        names += [GroupNode.bl_idname, "NodeGroupInput", "NodeGroupOutput"]
    layout = [nodeitems_utils.NodeItem(name) for name in names]
    yield _Category("FOMM_LAYOUT", "Layout", items=layout)


def remove_menu() -> None:
    """Take it away again."""
    nodeitems_utils.unregister_node_categories(MENU)
