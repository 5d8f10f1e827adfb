"""Nodes moved into a group, and the way into a group and out of it."""

from __future__ import annotations

from typing import Any

import bpy

from .canvas_export import part
from .canvas_import import fill
from .classes import known_to, show_values
from .groups import BLENDERS_OWN, GroupNode, new_item
from .nodes import SAVED, TREE, find_socket, keep_entry, saved_entry
from .numbering import number_nodes
from .sources import SourceNode
from .values import with_values

OURS = (GroupNode, SourceNode)
"""Nodes that a canvas has no other form of."""


def make_group(tree: Any, nodes: list[Any], name: str = "Group") -> Any:
    """Move nodes of a tree, groups among them, into a group; returns its node. Raises ValueError for none."""
    if not nodes:
        raise ValueError("Select the nodes to group first.")
    ids = {name for name, node in number_nodes(tree).items() if node in nodes}
    plain = {node["fomm_id"]: node for node in nodes if not isinstance(node, OURS)}
    entries, links = part(tree, plain)
    inner = bpy.data.node_groups.new(name, TREE)
    fill(inner, {"nodes": list(entries.values()), "links": links})
    for node in nodes:
        if isinstance(node, OURS):
            _copy(inner, node)
    _join_inside(tree, inner, ids - set(plain))
    group = tree.nodes.new(GroupNode.bl_idname)
    group.node_tree = inner
    group.location = [sum(node.location[axis] for node in nodes) / len(nodes) for axis in (0, 1)]
    _join_through(tree, group, inner, ids)
    for node in nodes:
        tree.nodes.remove(node)
    return group


def _copy(inner: Any, node: Any) -> None:
    twin = inner.nodes.new(node.bl_idname)
    twin["fomm_id"] = node["fomm_id"]
    twin.label, twin.mute, twin.location = node.label, node.mute, node.location
    for name in ("w_kind", "w_image", "w_scene", "w_strip", "node_tree"):
        if hasattr(node, name):
            setattr(twin, name, getattr(node, name))
    twin.sync()
    if SAVED in node:
        keep_entry(twin, with_values(saved_entry(node), node.w_values))
        show_values(twin, known_to(inner))


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
        item = new_item(inner, near.name, near.kinds, side)
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


CLASSES = (MakeGroup, EditGroup)
