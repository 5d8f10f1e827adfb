"""A tree as a canvas that ComfyUI opens (its UI format), groups as subgraphs. What was imported and not changed comes
out as it went in.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from .blocks import shortest
from .canvas_import import named_key, saved_values, shown_box, shown_position, shown_title, shown_width
from .classes import plain_inputs, trees_in
from .groups import NAMED, GroupNode, end_of, slots_of
from .nodes import BlockNode, saved_entry
from .numbering import canvas_entry, class_of, is_muted, number_all, number_nodes
from .sockets import kinds
from .sources import SourceNode
from .values import with_values

NEW_CANVAS = {"config": {}, "extra": {}, "version": 0.4}
START, END = -10, -20
"""The ids that wires of a subgraph give its own slots."""

WALLS = {"NodeGroupInput": START, "NodeGroupOutput": END}
NEW_SUBGRAPH: dict[str, Any] = {
    "version": 1,
    "revision": 0,
    "config": {},
    "inputNode": {"id": START, "bounding": [0, 0, 120, 60]},
    "outputNode": {"id": END, "bounding": [0, 0, 120, 60]},
    "widgets": [],
    "extra": {},
}
LINK_KEYS = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")


def canvas(tree: Any) -> dict[str, Any]:
    """In the format of ComfyUI's Save. Raises ValueError for the inside of a group."""
    if any(node.bl_idname in WALLS for node in tree.nodes):
        raise ValueError(f"“{tree.name}” is the inside of a group. Leave the group, then export the whole.")
    number_all(tree)
    names = _names(tree)
    saved = {key: value for key, value in saved_entry(tree).items() if key != "form"}
    nodes = number_nodes(tree)
    entries, links = part(tree, nodes, names)
    made = {
        "last_node_id": max([saved.get("last_node_id", 0), *(int(n) for n in nodes if n.isdigit())]),
        "last_link_id": max([saved.get("last_link_id", 0), *(link[0] for link in links)]),
        "nodes": list(entries.values()),
        "links": links,
        "groups": _groups(tree),
    }
    if definitions := _definitions(tree, saved.get("definitions") or {}, names):
        made["definitions"] = definitions
    if not saved:
        return {**made, **NEW_CANVAS}
    keys = dict.fromkeys((*saved, *made))
    return {key: made.get(key, saved.get(key)) for key in keys if key in saved or made.get(key)}


def part(
    tree: Any, nodes: Mapping[str, Any], names: Mapping[str, str] | None = None
) -> tuple[dict[str, dict[str, Any]], list[list[Any]]]:
    """Some nodes of a tree, by their ids, and the wires between them, as a canvas has them; with those to the group's
    own sockets. names: of subgraphs, by their trees.
    """
    there = {name: node for name, node in nodes.items() if not isinstance(node, GroupNode) or node.node_tree}
    entries = {name: _entry(node, name, order, names or {}) for order, (name, node) in enumerate(there.items())}
    return entries, _links(tree, saved_entry(tree), entries)


# Subgraphs


def _names(tree: Any) -> dict[str, str]:
    """The ids of subgraphs, by the names of their trees: those that they came with, each for one tree."""
    found: dict[str, str] = {}
    for inner in list(trees_in(tree))[1:]:
        name = str(saved_entry(inner).get("id") or "")
        made = str(uuid.uuid5(uuid.NAMESPACE_OID, inner.name))
        found[inner.name] = name if name and name not in found.values() else made
    return found


def _definitions(tree: Any, saved: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Those that came stay where they are, used or not; new ones come behind them."""
    made = {names[inner.name]: _definition(inner, names) for inner in list(trees_in(tree))[1:]}
    old = {str(entry["id"]): entry for entry in saved.get("subgraphs") or ()}
    merged = [
        *(made.get(name, entry) for name, entry in old.items()),
        *(made[name] for name in made if name not in old),
    ]
    return {**saved, "subgraphs": merged} if merged else dict(saved)


def _definition(tree: Any, names: Mapping[str, str]) -> dict[str, Any]:
    saved = {key: value for key, value in saved_entry(tree).items() if key != "form"}
    entries, links = part(tree, number_nodes(tree), names)
    old = {link["id"]: link for link in saved.get("links") or () if isinstance(link, Mapping)}
    made = [dict(zip(LINK_KEYS, link, strict=True)) for link in links]
    state = dict(saved.get("state") or {})
    state["lastNodeId"] = max([state.get("lastNodeId", 0), *(int(name) for name in entries if name.isdigit())])
    state["lastLinkId"] = max([state.get("lastLinkId", 0), *(link[0] for link in links)])
    start, end = (next((node for node in tree.nodes if node.bl_idname == kind), None) for kind in WALLS)
    now = {
        "id": names[tree.name],
        "name": saved.get("name") if tree.get(NAMED) == tree.name else tree.name,
        "state": state,
        "inputs": _told(slots_of(tree, "INPUT"), [(link[0], link[2]) for link in links if link[1] == START], old),
        "outputs": _told(slots_of(tree, "OUTPUT"), [(link[0], link[4]) for link in links if link[3] == END], old),
        "nodes": list(entries.values()),
        "groups": _groups(tree),
        "links": [{**old.get(link["id"], {}), **link} for link in made],
    }
    walls = {"inputNode": _wall(start, saved, "inputNode"), "outputNode": _wall(end, saved, "outputNode")}
    whole = {**(saved or NEW_SUBGRAPH), **now, **walls}
    return {key: whole[key] for key in whole if key in saved or not saved or whole[key]}


def _wall(node: Any, saved: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Where a subgraph's own slots lie."""
    entry = dict(saved.get(key) or NEW_SUBGRAPH[key])
    bounding = entry.get("bounding") or [0, 0, 120, 60]
    if node is not None and tuple(node.location) != shown_position({"pos": bounding[:2]}):
        entry["bounding"] = [shortest(node.location[0]), shortest(-node.location[1]), *bounding[2:]]
    return entry


def _told(
    slots: Mapping[str, dict[str, Any]], wires: Sequence[Sequence[int]], known: Collection[int]
) -> list[dict[str, Any]]:
    """Slots with the numbers of their wires; files name some that are gone (not `known`), or one twice."""
    found = []
    for index, slot in enumerate(slots.values()):
        numbers = [number for number, place in wires if place == index]
        same = set(known).intersection(slot.get("linkIds") or ()) == set(numbers)
        found.append(slot if same else {**slot, "linkIds": numbers})
    return found


# Nodes


def _entry(node: Any, name: str, order: int, names: Mapping[str, str]) -> dict[str, Any]:
    saved = canvas_entry(node)
    entry = dict(saved) or {
        "id": int(name) if name.isdigit() else name,
        "type": class_of(node),
        "pos": [0, 0],
        "size": [round(node.width), 100],
        "flags": {},
        "order": order,
        "mode": 0,
        "inputs": _new_inputs(node),
        "outputs": [{"name": s.identifier, "type": kinds(s), "links": []} for s in node.outputs],
        "properties": {"Node name for S&R": class_of(node)},
    }
    if str(entry["id"]) != name:  # a copy of another
        entry["id"] = int(name) if name.isdigit() else name
    if tuple(node.location) != shown_position(entry):
        entry["pos"] = [shortest(node.location[0]), shortest(-node.location[1])]
    if saved and node.bl_idname != "NodeReroute" and node.width != shown_width(entry):
        entry["size"] = [shortest(node.width), entry["size"][1]]
    if (mode := is_muted(node)) != entry.get("mode", 0):
        entry["mode"] = mode
    if node.label != shown_title(entry):
        entry["title"] = node.label
    if isinstance(node, GroupNode):
        return _group_entry(node, entry, names)
    if isinstance(node, SourceNode):
        return {**entry, "widgets_values": [node.file, "image"]}
    return _with_widgets(node, entry, saved) if isinstance(node, BlockNode) else _with_foreign(node, entry, saved)


def _group_entry(node: Any, entry: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Of a node that stands for a subgraph. Wires name its outputs by their places, so these are what they are now."""
    entry["type"] = names.get(node.node_tree.name, entry["type"])
    there = {slot["name"]: slot for slot in entry.get("outputs") or ()}
    now = {slot["name"]: slot["type"] for slot in slots_of(node.node_tree, "OUTPUT").values()}
    if list(there) != list(now):
        entry["outputs"] = [there.get(name, {"name": name, "type": kind, "links": []}) for name, kind in now.items()]
    return with_values(entry, node.w_values)


def _with_foreign(node: Any, entry: dict[str, Any], saved: Mapping[str, Any]) -> dict[str, Any]:
    """Of a node of another pack; one that came from a graph as it is run has its values by name."""
    if saved or not hasattr(node, "w_values"):
        return with_values(entry, getattr(node, "w_values", ()))
    values = plain_inputs(with_values(saved_entry(node), node.w_values))
    return {**entry, "widgets_values": values} if values else entry


def _with_widgets(node: Any, entry: dict[str, Any], saved: Mapping[str, Any]) -> dict[str, Any]:
    values = _widget_values(node, saved)
    if values is not None:
        entry["widgets_values"] = values
    named = saved.get("widgets_values_named")
    if isinstance(named, Mapping):
        known = saved_values(node.block, saved)
        now = {
            named_key(named, port.name): port.told(node.value(port), known.get(port.name))
            for port in node.block.widgets
        }
        defaults = {port.name: port.default for port in node.block.widgets}
        changed = {key: v for key, v in now.items() if (named[key] != v if key in named else v != defaults.get(key))}
        if changed:
            entry["widgets_values_named"] = {**named, **changed}
    return entry


def _new_inputs(node: Any) -> list[dict[str, Any]]:
    if isinstance(node, GroupNode):
        slots = slots_of(node.node_tree, "INPUT").values()
        return [{"name": slot["name"], "type": slot["type"], "link": None} for slot in slots]
    if not isinstance(node, BlockNode):
        return [{"name": s.identifier or "", "type": kinds(s), "link": None} for s in node.inputs]
    found = []
    for port in node.block.slots:
        slot: dict[str, Any] = {"name": port.name, "type": port.type, "link": None}
        found.append({**slot, "widget": {"name": port.name}} if port.widget else slot)
    return found


def _widget_values(node: Any, saved: Mapping[str, Any]) -> Any:
    """By position, with what ComfyUI's canvas adds for itself behind them; None where nothing is to be saved anew."""
    old = saved.get("widgets_values")
    known = saved_values(node.block, saved)
    values = {port.name: port.told(node.value(port), known.get(port.name)) for port in node.block.widgets}
    if isinstance(old, Mapping):
        return {**old, **values}
    made = list(values.values())
    if old is None:
        if saved and made == [port.default for port in node.block.widgets]:
            return None
        return [*made, *(["image"] if any(port.upload for port in node.block.widgets) else [])]
    unchanged = made[: len(old)] == old[: len(made)] and made[len(old) :] == [
        port.default for port in node.block.widgets[len(old) :]
    ]
    return old if unchanged else [*made, *old[len(made) :]]


# Wires


def _links(tree: Any, saved: Mapping[str, Any], entries: dict[str, dict[str, Any]]) -> list[list[Any]]:
    """The wires, those that were there before in their old order and under their old numbers; told to their slots."""
    old = [
        [link[key] for key in LINK_KEYS] if isinstance(link, Mapping) else list(link)
        for link in saved.get("links") or []
    ]
    there = {(str(link[1]), link[2], str(link[3]), link[4]): link for link in old}
    inside = [
        link for link in tree.links if {_id(link.from_node), _id(link.to_node)} <= {*entries, str(START), str(END)}
    ]
    current = [_wire(link, entries) for link in inside]
    kept = [link for ends, link in there.items() if ends in current]
    free = max([saved.get("last_link_id", 0), *(link[0] for link in old)])
    for ends in current:
        if ends not in there:
            free += 1
            origin, slot, target, into = ends
            if origin in entries:
                kind = entries[origin]["outputs"][slot]["type"]
            else:
                kind = list(slots_of(tree, "INPUT").values())[slot]["type"]
            ids = [entries[name]["id"] if name in entries else int(name) for name in (origin, target)]
            kept.append([free, ids[0], slot, ids[1], into, kind])
    _tell_slots(entries, kept)
    return kept


def _id(node: Any) -> str:
    """As wires name a node."""
    if node.bl_idname == "NodeGroupOutput" and node != end_of(node.id_data):
        return ""
    return str(WALLS.get(node.bl_idname, node.get("fomm_id")))


def _wire(link: Any, entries: dict[str, dict[str, Any]]) -> tuple[str, int, str, int]:
    origin, target = _id(link.from_node), _id(link.to_node)
    slot = list(link.from_node.outputs).index(link.from_socket)
    if target not in entries:
        return origin, slot, target, list(link.to_node.inputs).index(link.to_socket)
    if link.to_node.bl_idname == "NodeReroute":
        return origin, slot, target, 0
    slots = entries[target].setdefault("inputs", [])
    name, of_group = link.to_socket.identifier, isinstance(link.to_node, GroupNode)
    if of_group:
        name = slots_of(link.to_node.node_tree, "INPUT")[name]["name"]
    into = next((index for index, slot in enumerate(slots) if slot["name"] == name), len(slots))
    if into == len(slots):  # a widget that was not wired so far, or a new input of a group
        new = {"name": name, "type": kinds(link.to_socket), "link": None}
        entries[target]["inputs"] = [*slots, new if of_group else {**new, "widget": {"name": name}}]
    return origin, slot, target, into


def _tell_slots(entries: dict[str, dict[str, Any]], links: list[list[Any]]) -> None:
    into = {(str(link[3]), link[4]): link[0] for link in links}
    for name, entry in entries.items():
        slots = entry.get("inputs") or []
        if [slot.get("link") for slot in slots] != [into.get((name, i)) for i in range(len(slots))]:
            entry["inputs"] = [{**slot, "link": into.get((name, i))} for i, slot in enumerate(slots)]
        outputs = []
        for index, slot in enumerate(entry.get("outputs") or []):
            leaving = [link[0] for link in links if (str(link[1]), link[2]) == (name, index)]
            same = sorted(slot.get("links") or []) == sorted(leaving)
            outputs.append(slot if same else {**slot, "links": leaving})
        if outputs:
            entry["outputs"] = outputs


# Frames


def _groups(tree: Any) -> list[dict[str, Any]]:
    return [_group(node) for node in tree.nodes if node.bl_idname == "NodeFrame"]


def _group(frame: Any) -> dict[str, Any]:
    saved = saved_entry(frame)
    group = dict(saved) or {"title": "", "bounding": [0, 0, 0, 0], "color": "#3f789e", "font_size": 24}
    if (tuple(frame.location), (frame.width, frame.height)) != shown_box(group):
        x, y = frame.location
        group["bounding"] = [shortest(single) for single in (x, -y, frame.width, frame.height)]
    if frame.label != shown_title(group):
        group["title"] = frame.label
    return group
