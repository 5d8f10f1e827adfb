"""Groups: a tree inside a node. A graph that runs has what is in them instead. Blender 4.0 and newer."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

import bpy

from .nodes import ValuedNode, sync_sockets
from .sockets import COLOURS, socket_idname

BLENDERS_OWN = ("NodeFrame", "NodeGroupInput", "NodeGroupOutput")
"""Nodes that no graph has."""


SLOTS = "fomm_slots"
"""Under this name a group's tree keeps the slots of the subgraph that it was imported from, by their identifiers."""

NAMED = "fomm_named"
"""Under this name it keeps the name that it got then: Blender shortens names, and numbers them."""


class GroupNode(ValuedNode, bpy.types.NodeCustomGroup):
    """Stands for a tree; its sockets are those of the tree's interface."""

    bl_idname = "FommGroupNode"
    bl_label = "Group"
    __annotations__ = ValuedNode.__annotations__

    def sync(self: Any) -> None:
        """Bring the sockets to what the tree's interface has now."""
        for side, sockets in (("INPUT", self.inputs), ("OUTPUT", self.outputs)):
            wanted = [(i.identifier, i.name, wire_of(i), "") for i in interface(self.node_tree, side)]
            if [(s.identifier, s.name) for s in sockets] != [(name, title) for name, title, *_ in wanted]:
                sync_sockets(sockets, wanted)

    def draw_value(self: Any, layout: Any, name: str, text: str) -> bool:
        """Values have the names of a canvas, sockets those of Blender."""
        slot = slots_of(self.node_tree, "INPUT").get(name)
        return slot is not None and ValuedNode.draw_value(self, layout, slot["name"], text)

    def draw_buttons(self: Any, context: Any, layout: Any) -> None:
        row = layout.row(align=True)
        row.prop(self, "node_tree", text="")
        row.operator("fomm.edit_group", text="", icon="GREASEPENCIL").node = self.name
        names = {slot["name"] for slot in slots_of(self.node_tree, "INPUT").values()}
        for value in self.w_values:
            if value.key not in names:
                value.draw_in(layout, value.title, self.width)

    def draw_label(self: Any) -> str:
        return str(self.node_tree.name) if self.node_tree is not None else self.bl_label


def end_of(tree: Any) -> Any:
    """The node inside a group that its outputs come from; None where there is none."""
    ends = [node for node in tree.nodes if node.bl_idname == "NodeGroupOutput"]
    return next((node for node in ends if node.is_active_output), ends[0] if ends else None)


def interface(tree: Any, side: str) -> list[Any]:
    """The items of a tree's interface on one side."""
    if tree is None:
        return []
    return [item for item in tree.interface.items_tree if item.item_type == "SOCKET" and item.in_out == side]


def wire_of(item: Any) -> str:
    """The wire type of an interface's item; "*" for Blender's own types."""
    if re.fullmatch(r"[A-Z0-9_]+(,[A-Z0-9_]+)*", item.description):
        return str(item.description)
    return next((kind for kind in COLOURS if socket_idname(kind) == item.socket_type), "*")


def new_item(tree: Any, name: str, kind: str, side: str) -> Any:
    """A socket of a tree's interface; its description says the wire type, since Blender 4.5.0 takes no types of
    add-ons there, and most types have no class.
    """
    try:
        return tree.interface.new_socket(name, in_out=side, socket_type=socket_idname(kind), description=kind)
    except TypeError:
        return tree.interface.new_socket(name, in_out=side, description=kind)


def slots_of(tree: Any, side: str) -> dict[str, dict[str, Any]]:
    """The slots on one side of a group as a canvas saves them, without wires, by the identifiers of Blender's items."""
    kept = json.loads(tree.get(SLOTS, "{}")) if tree is not None else {}
    found: dict[str, dict[str, Any]] = {}
    names = {slot["name"] for slot in kept.values()}
    for item in interface(tree, side):
        slot = kept.get(item.identifier)
        if slot is None:
            name = _free(item.name or wire_of(item).lower(), names)
            number = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{tree.name}/{item.identifier}"))
            slot = {"id": number, "name": name, "type": wire_of(item), "linkIds": []}
            names.add(name)
        elif item.name != shown_name(slot):
            slot = {**slot, "label": item.name}
        found[item.identifier] = slot
    return found


def shown_name(slot: dict[str, Any]) -> str:
    """What the user reads on a slot."""
    return str(slot.get("label") or slot["name"])


def _free(name: str, taken: set[str]) -> str:
    """A name that no other slot has: canvases know slots by their names."""
    number, made = 0, name
    while made in taken:
        number += 1
        made = f"{name}_{number}"
    return made


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
