"""Groups: a tree inside a node. A graph that runs has what is in them instead. Blender 4.0 and newer."""

from __future__ import annotations

from typing import Any

import bpy

from .nodes import FommNode, find_socket, sync_sockets
from .sockets import COLOURS, socket_idname

BLENDERS_OWN = ("NodeFrame", "NodeGroupInput", "NodeGroupOutput")
"""Nodes that no graph has."""


class GroupNode(FommNode, bpy.types.NodeCustomGroup):
    """Stands for a tree; its sockets are those of the tree's interface."""

    bl_idname = "FommGroupNode"
    bl_label = "Group"

    def sync(self: Any) -> None:
        """Bring the sockets to what the tree's interface has now."""
        for side, sockets in (("INPUT", self.inputs), ("OUTPUT", self.outputs)):
            wanted = [(i.identifier, i.name, wire_of(i), "") for i in interface(self.node_tree, side)]
            if [(s.identifier, s.name) for s in sockets] != [(name, title) for name, title, *_ in wanted]:
                sync_sockets(sockets, wanted)

    def output_inside(self: Any, name: str) -> Any:
        """The socket inside that an output stands for; None where the tree has no Group Output."""
        inside = self.node_tree.nodes if self.node_tree is not None else ()
        ends = [node for node in inside if node.bl_idname == "NodeGroupOutput"]
        end = next((node for node in ends if node.is_active_output), ends[0] if ends else None)
        return None if end is None else find_socket(end.inputs, name)

    def draw_buttons(self: Any, context: Any, layout: Any) -> None:
        row = layout.row(align=True)
        row.prop(self, "node_tree", text="")
        row.operator("fomm.edit_group", text="", icon="GREASEPENCIL").node = self.name

    def draw_label(self: Any) -> str:
        return str(self.node_tree.name) if self.node_tree is not None else self.bl_label


def interface(tree: Any, side: str) -> list[Any]:
    """The items of a tree's interface on one side."""
    if tree is None:
        return []
    return [item for item in tree.interface.items_tree if item.item_type == "SOCKET" and item.in_out == side]


def wire_of(item: Any) -> str:
    """The wire type of an interface's item; "*" for Blender's own types."""
    if item.description.split(",")[0] in COLOURS:
        return str(item.description)
    return next((kind for kind in COLOURS if socket_idname(kind) == item.socket_type), "*")


def sync_groups(tree: Any) -> None:
    """Bring all group nodes of a tree up to date."""
    for node in tree.nodes:
        if isinstance(node, GroupNode):
            node.sync()


def _interface_class(kind: str) -> type:
    name = socket_idname(kind)
    body = {"bl_idname": name.replace("Socket", "Interface"), "bl_socket_idname": name}
    return type(body["bl_idname"], (bpy.types.NodeTreeInterfaceSocket,), body)


HAS_GROUPS = bpy.app.version >= (4, 0, 0)
INTERFACES = tuple(_interface_class(kind) for kind in COLOURS) if HAS_GROUPS else ()
CLASSES = (*INTERFACES, GroupNode)
