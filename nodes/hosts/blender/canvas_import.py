"""A graph of ComfyUI's as a tree: from a saved canvas (its UI format) or from a graph as it is run (API format)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import bpy

from ....graph.canvas_nodes import NOTES, REROUTE, Mode
from .blocks import Block, blocks, single
from .classes import ours, show_values
from .groups import NAMED, SLOTS, GroupNode, new_item, shown_name, slots_of
from .nodes import TREE, ForeignNode, find_socket, keep_entry
from .notes import for_blender
from .sockets import socket_idname

COLUMN, ROW = 300.0, 420.0
MOST_LABEL = 63


class ImportProblem(ValueError):
    """The file is no graph."""


def read_tree(path: str | Path) -> Any:
    """A new tree from a JSON file. Raises ImportProblem, with words for the user."""
    path = Path(path)
    try:
        data = _parsed(path.read_bytes())
    except (OSError, ValueError, RecursionError) as problem:
        raise ImportProblem(f"expected a workflow that ComfyUI saved as JSON; {path.name}: {problem}.") from problem
    return tree_from(data, path.stem)


def _parsed(data: bytes) -> Any:
    """JSON of any encoding, which some programs turn into text twice."""
    found = json.loads(data.decode(json.detect_encoding(data)))
    while isinstance(found, str):
        found = json.loads(found)
    return found


def tree_from(data: Any, name: str) -> Any:
    """A new tree from parsed JSON of either form."""
    if isinstance(data, Mapping) and isinstance(data.get("nodes"), list):
        make = _canvas
    elif (
        isinstance(data, Mapping) and data and all(isinstance(e, Mapping) and "class_type" in e for e in data.values())
    ):
        make = _prompt
    else:
        raise ImportProblem(
            f"expected a workflow that ComfyUI saved as JSON, in either format; {name} holds something else."
        )
    before = set(bpy.data.node_groups)
    tree = bpy.data.node_groups.new(name, TREE)
    tree.use_fake_user = True  # a tree that nobody uses isn't saved
    try:
        make(tree, data)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as problem:
        for made in set(bpy.data.node_groups) - before:
            bpy.data.node_groups.remove(made)
        raise ImportProblem(f"{name}: its nodes or links have an unknown shape ({problem!r}).") from problem
    return tree


# The canvas


def _canvas(tree: Any, data: Mapping[str, Any]) -> None:
    definitions = {str(entry["id"]): entry for entry in (data.get("definitions") or {}).get("subgraphs") or []}
    insides = {}
    for name, entry in definitions.items():
        insides[name] = inner = bpy.data.node_groups.new(str(entry.get("name") or "Group"), TREE)
        inner[NAMED] = inner.name
        _interface(inner, entry)
    for name, inner in insides.items():
        fill(inner, definitions[name], insides)
    fill(tree, data, insides)


def _interface(tree: Any, definition: Mapping[str, Any]) -> None:
    """The sockets of a subgraph, on both sides."""
    kept = {}
    for side, key in (("INPUT", "inputs"), ("OUTPUT", "outputs")):
        for slot in definition.get(key) or ():
            kept[new_item(tree, shown_name(slot), _wire_type(slot.get("type")), side).identifier] = slot
    tree[SLOTS] = json.dumps(kept)


def fill(tree: Any, data: Mapping[str, Any], insides: Mapping[str, Any] | None = None) -> None:
    """Put the nodes, wires and frames of a saved canvas into a tree. insides: the trees of subgraphs, by their ids."""
    keep_entry(tree, {"form": "canvas", **data, "nodes": []})
    for group in data.get("groups") or []:
        _frame(tree, group)
    links = [_link(link) for link in data.get("links") or [] if link]
    wired = {(str(target), slot) for _, _, target, slot in links}
    nodes: dict[str, tuple[Any, Mapping[str, Any]]] = {}
    for entry in data["nodes"]:
        names = [
            slot["name"] for index, slot in enumerate(entry.get("inputs") or ()) if (str(entry["id"]), index) in wired
        ]
        nodes[str(entry["id"])] = _canvas_node(tree, entry, names, insides or {}), entry
    ends = dict(_walls(tree, data))
    for origin, origin_slot, target, target_slot in links:
        output, into = (
            _end(nodes, ends, str(origin), "outputs", origin_slot),
            _end(nodes, ends, str(target), "inputs", target_slot),
        )
        if output is not None and into is not None:  # some files have wires from or to what is gone
            _join(tree, output, into)


def _link(link: Any) -> tuple[Any, int, Any, int]:
    """Origin, slot, target, slot; a canvas has lists, a subgraph tables."""
    if isinstance(link, Mapping):
        return link["origin_id"], link["origin_slot"], link["target_id"], link["target_slot"]
    return link[1], link[2], link[3], link[4]


def _walls(tree: Any, data: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Blender's nodes for the inside of a subgraph's sockets, by the ids that its wires give them."""
    for key, kind in (("inputNode", "NodeGroupInput"), ("outputNode", "NodeGroupOutput")):
        if key in data:
            node = tree.nodes.new(kind)
            x, y, *_ = (data[key] or {}).get("bounding") or (0, 0)
            node.location = single(x), single(-y)
            yield str(data[key]["id"]), node


def _end(nodes: Mapping[str, Any], walls: Mapping[str, Any], name: str, side: str, slot: int) -> Any:
    """The socket at an end of a wire; None where it is gone."""
    if name in walls:
        sockets = getattr(walls[name], side)
        return sockets[slot] if slot < len(sockets) else None
    if name not in nodes:
        return None
    node, entry = nodes[name]
    return _socket(node, side, entry[side][slot]["name"], slot)


def shown_position(entry: Mapping[str, Any]) -> tuple[float, float]:
    """Where Blender shows a saved node: its y points up."""
    pos = entry.get("pos") or (0, 0)
    x, y = (pos["0"], pos["1"]) if isinstance(pos, Mapping) else pos[:2]
    return single(x), single(-y)


def shown_title(entry: Mapping[str, Any]) -> str:
    """What Blender holds of a title: so many bytes."""
    return str(entry.get("title") or "").encode()[:MOST_LABEL].decode(errors="ignore")


def shown_width(entry: Mapping[str, Any]) -> float:
    """How wide."""
    size = entry.get("size") or (220, 0)
    width = size["0"] if isinstance(size, Mapping) else size[0]
    return single(min(max(width, 100), 600))


def _canvas_node(tree: Any, entry: Mapping[str, Any], wired: Sequence[str], insides: Mapping[str, Any]) -> Any:
    kind = str(entry["type"])
    block, inner = block_for(kind, wired, len(entry.get("outputs") or ())), insides.get(kind)
    own = block.idname if block else "NodeReroute" if kind == REROUTE else ForeignNode.bl_idname
    node = tree.nodes.new(own if inner is None else GroupNode.bl_idname)
    node["fomm_id"] = str(entry["id"])
    keep_entry(node, entry)
    node.label = shown_title(entry)
    node.mute = entry.get("mode") in tuple(Mode)
    node.location = shown_position(entry)
    if inner is not None:
        node.width = shown_width(entry)
        node.node_tree = inner
        node.sync()
        show_values(node, ours())
    elif block:
        node.width = shown_width(entry)
        for port, value in saved_values(block, entry).items():
            node.set_value(block.ports[port], value)
    elif kind != REROUTE:
        node.width = shown_width(entry)
        node.w_class = kind
        values = entry.get("widgets_values")
        node.w_text = for_blender(str(values[0])) if kind in NOTES and values else ""
        slots = [(slot["name"], slot.get("type")) for slot in entry.get("inputs") or ()]
        _foreign_sockets(node, slots, [(slot["name"], slot.get("type")) for slot in entry.get("outputs") or ()])
        if kind not in NOTES:
            show_values(node, ours())
    return node


def block_for(kind: str, wired: Iterable[str], outputs: int) -> Block | None:
    """Our block of a class; None where there is none, or the file's is of another version with more that is wired."""
    block = blocks().get(kind)
    fits = block is not None and outputs <= len(block.outputs) and all(name in block.ports for name in wired)
    return block if fits else None


def saved_values(block: Block, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Widget values by port. A canvas saves them by position, what it adds itself comes behind them; newer ones by name
    besides, where a choice names what it brings below itself ("format.codec").
    """
    values = entry.get("widgets_values")
    named = entry.get("widgets_values_named") or (values if isinstance(values, Mapping) else None)
    if isinstance(named, Mapping):
        keys = {port.name: named_key(named, port.name) for port in block.widgets}
        return {port: named[key] for port, key in keys.items() if key in named}
    return {port.name: value for port, value in zip(block.widgets, values or (), strict=False)}


def named_key(named: Mapping[str, Any], port: str) -> str:
    """Under which name a port's value is saved."""
    return port if port in named else next((key for key in named if key.endswith(f".{port}")), port)


def _wire_type(kind: Any) -> str:
    return kind if isinstance(kind, str) and kind else "COMBO" if isinstance(kind, list) else "*"


def _foreign_sockets(node: Any, inputs: list[tuple[str, Any]], outputs: list[tuple[str, Any]]) -> None:
    for sockets, slots in ((node.inputs, inputs), (node.outputs, outputs)):
        for name, kind in slots:
            told = _wire_type(kind)
            sockets.new(socket_idname(told), name, identifier=name).kinds = told


def _socket(node: Any, side: str, name: str, index: int) -> Any:
    """Of a slot: ours by its name, or, for outputs, its place, which is all that a wire names."""
    sockets = getattr(node, side)
    if node.bl_idname == "NodeReroute":
        return sockets[0]
    if side == "outputs":
        return sockets[index] if index < len(sockets) else None
    if isinstance(node, GroupNode):
        slots = slots_of(node.node_tree, "INPUT").items()
        name = next((identifier for identifier, slot in slots if slot["name"] == name), "")
        return find_socket(sockets, name)
    found = find_socket(sockets, name)
    if found is None:
        raise ValueError(f"{node.bl_label} has no input {name!r}")
    return found


def _join(tree: Any, output: Any, into: Any) -> None:
    into.hide = False
    tree.links.new(output, into, verify_limits=False)


def _frame(tree: Any, group: Mapping[str, Any]) -> None:
    frame = tree.nodes.new("NodeFrame")
    keep_entry(frame, group)
    frame.label = shown_title(group)
    frame.location, (frame.width, frame.height) = shown_box(group)


def shown_box(group: Mapping[str, Any]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Place and size of a group's frame."""
    x, y, width, height = group["bounding"]
    return (single(x), single(-y)), (single(width), single(height))


# The graph that is run


def _prompt(tree: Any, data: Mapping[str, Any]) -> None:
    keep_entry(tree, {"form": "prompt"})
    outputs = {name: _outputs_used(data, name) for name in data}
    nodes: dict[str, Any] = {}
    depth: dict[str, int] = {}
    for name, entry in data.items():
        column = _depth(data, name, depth, ())
        row = sum(depth.get(other) == column for other in nodes)
        wired = [port for port, value in entry.get("inputs", {}).items() if is_wire(value, data)]
        nodes[name] = _prompt_node(tree, name, entry, wired, outputs[name])
        nodes[name].location = (column * COLUMN, -row * ROW)
    for name, entry in data.items():
        for port, value in entry.get("inputs", {}).items():
            if is_wire(value, data):
                _join(tree, nodes[value[0]].outputs[int(value[1])], _socket(nodes[name], "inputs", port, 0))


def is_wire(value: Any, nodes: Mapping[str, Any]) -> bool:
    """Whether an input's value names another node's output."""
    return isinstance(value, list) and len(value) == 2 and value[0] in nodes


def _depth(data: Mapping[str, Any], name: str, known: dict[str, int], path: tuple[str, ...]) -> int:
    if name in path:
        return 0  # wires in a circle; the run will say so
    if name not in known:
        sources = [value[0] for value in data[name].get("inputs", {}).values() if is_wire(value, data)]
        known[name] = max((_depth(data, source, known, (*path, name)) + 1 for source in sources), default=0)
    return known[name]


def _outputs_used(data: Mapping[str, Any], name: str) -> int:
    wires = [v for entry in data.values() for v in entry.get("inputs", {}).values() if is_wire(v, data)]
    return max((int(slot) + 1 for node, slot in wires if node == name), default=0)


def _prompt_node(tree: Any, name: str, entry: Mapping[str, Any], wired: Sequence[str], outputs: int) -> Any:
    kind = entry["class_type"]
    block = block_for(kind, wired, outputs)
    node = tree.nodes.new(block.idname if block else ForeignNode.bl_idname)
    node["fomm_id"] = name
    keep_entry(node, entry)
    title = (entry.get("_meta") or {}).get("title") or ""
    node.label = "" if title == (block.title if block else kind) else title
    inputs = entry.get("inputs", {})
    if block:
        for port in block.widgets:
            if port.name in inputs:
                node.set_value(port, inputs[port.name])
    else:
        node.w_class = kind
        _foreign_sockets(node, [(port, "*") for port in inputs], [(str(slot), "*") for slot in range(outputs)])
        show_values(node, ours())
    return node
