"""Groups: a tree inside a node. A graph that runs has what is in them instead. Blender 4.0 and newer."""

from __future__ import annotations

from typing import Any

import bpy

from .nodes import TREE, FommNode, find_socket, sync_sockets
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


def make_group(tree: Any, nodes: list[Any], name: str = "Group") -> Any:
    """Move nodes of a tree, groups among them, into a group; returns its node. Raises ValueError for none."""
    from .api_export import number_nodes
    from .canvas_export import part
    from .canvas_import import fill

    if not nodes:
        raise ValueError("Select the nodes to group first.")
    ids = {name for name, node in number_nodes(tree).items() if node in nodes}
    plain = {node["fomm_id"]: node for node in nodes if not isinstance(node, GroupNode)}
    entries, links = part(tree, plain)
    inner = bpy.data.node_groups.new(name, TREE)
    fill(inner, {"nodes": list(entries.values()), "links": links})
    for node in nodes:
        if isinstance(node, GroupNode):
            _copy_group(inner, node)
    _join_inside(tree, inner, ids - set(plain))
    group = tree.nodes.new(GroupNode.bl_idname)
    group.node_tree = inner
    group.location = [sum(node.location[axis] for node in nodes) / len(nodes) for axis in (0, 1)]
    _join_through(tree, group, inner, ids)
    for node in nodes:
        tree.nodes.remove(node)
    return group


def _copy_group(inner: Any, node: Any) -> None:
    twin = inner.nodes.new(GroupNode.bl_idname)
    twin.node_tree, twin["fomm_id"] = node.node_tree, node["fomm_id"]
    twin.label, twin.mute, twin.location = node.label, node.mute, node.location
    twin.sync()


def _join_inside(tree: Any, inner: Any, groups: set[str]) -> None:
    """The wires between what moves, where one end is a group node: a canvas has none."""
    twins = {node["fomm_id"]: node for node in inner.nodes if "fomm_id" in node}
    for link in tree.links:
        ends = [link.from_node.get("fomm_id"), link.to_node.get("fomm_id")]
        if groups.intersection(ends) and set(ends) <= set(twins):
            output = _twin_socket(twins[ends[0]].outputs, link.from_node.outputs, link.from_socket)
            into = _twin_socket(twins[ends[1]].inputs, link.to_node.inputs, link.to_socket)
            inner.links.new(output, into)


def _join_through(tree: Any, group: Any, inner: Any, ids: set[str]) -> None:
    """Lead the wires that cross the wall through sockets of the group."""
    twins = {node["fomm_id"]: node for node in inner.nodes if "fomm_id" in node}
    start, end = inner.nodes.new("NodeGroupInput"), inner.nodes.new("NodeGroupOutput")
    start.location = [min(node.location[0] for node in twins.values()) - 250, 0]
    end.location = [max(node.location[0] for node in twins.values()) + 350, 0]
    crossing = [
        link for link in tree.links if (link.from_node.get("fomm_id") in ids) != (link.to_node.get("fomm_id") in ids)
    ]
    ways: dict[tuple[str, str], tuple[str, Any, list[Any]]] = {}
    for link in crossing:
        side = "OUTPUT" if link.from_node.get("fomm_id") in ids else "INPUT"
        way = ways.setdefault((link.from_node.name, link.from_socket.identifier), (side, link.from_socket, []))
        way[2].append(link.to_socket)
    made = []
    for side, origin, targets in ways.values():
        near = origin if side == "OUTPUT" else targets[0]
        item = _new_item(inner, near, side)
        made.append((item.identifier, side, origin, targets))
    group.sync()
    for name, side, origin, targets in made:
        if side == "INPUT":
            tree.links.new(origin, find_socket(group.inputs, name))
            for target in targets:
                twin = twins[target.node["fomm_id"]]
                inner.links.new(find_socket(start.outputs, name), _twin_socket(twin.inputs, target.node.inputs, target))
        else:
            twin = twins[origin.node["fomm_id"]]
            inner.links.new(_twin_socket(twin.outputs, origin.node.outputs, origin), find_socket(end.inputs, name))
            for target in targets:
                tree.links.new(find_socket(group.outputs, name), target)


def _new_item(tree: Any, like: Any, side: str) -> Any:
    """A socket of a tree's interface. Blender 4.5.0 takes no types of add-ons there: the item's description has it."""
    try:
        return tree.interface.new_socket(like.name, in_out=side, socket_type=socket_idname(like.kinds))
    except TypeError:
        return tree.interface.new_socket(like.name, in_out=side, description=like.kinds)


def _twin_socket(there: Any, here: Any, socket: Any) -> Any:
    return there[list(here).index(socket)]


class MakeGroup(bpy.types.Operator):
    """Move the selected nodes into a group"""

    bl_idname = "fomm.make_group"
    bl_label = "Make Group"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: Any) -> bool:
        tree = getattr(context.space_data, "edit_tree", None)
        return tree is not None and tree.bl_idname == TREE and hasattr(tree, "interface")

    def execute(self: Any, context: Any) -> set[str]:
        tree = context.space_data.edit_tree
        try:
            make_group(tree, [node for node in tree.nodes if node.select and node.bl_idname not in BLENDERS_OWN])
        except ValueError as problem:
            self.report({"ERROR"}, str(problem))
            return {"CANCELLED"}
        return {"FINISHED"}


class EditGroup(bpy.types.Operator):
    """Go into the group, or out of it again"""

    bl_idname = "fomm.edit_group"
    bl_label = "Edit Group"
    __annotations__ = {"node": bpy.props.StringProperty(options={"SKIP_SAVE"})}

    @classmethod
    def poll(cls, context: Any) -> bool:
        return getattr(context.space_data, "edit_tree", None) is not None

    def execute(self: Any, context: Any) -> set[str]:
        space = context.space_data
        node = space.edit_tree.nodes.get(self.node) or space.edit_tree.nodes.active
        if isinstance(node, GroupNode) and node.node_tree is not None:
            space.path.append(node.node_tree, node=node)
        elif len(space.path) > 1:
            space.path.pop()
        return {"FINISHED"}


HAS_GROUPS = bpy.app.version >= (4, 0, 0)
INTERFACES = tuple(_interface_class(kind) for kind in COLOURS) if HAS_GROUPS else ()
CLASSES = (*INTERFACES, GroupNode, MakeGroup, EditGroup)
