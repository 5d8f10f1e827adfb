"""A tree as a canvas that ComfyUI opens (its UI format). What was imported and not changed comes out as it went in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .api_export import canvas_entry, class_of, is_muted, number_nodes
from .blocks import shortest
from .canvas_import import saved_values, shown_box, shown_position, shown_width
from .groups import GroupNode
from .nodes import BlockNode, saved_entry
from .sockets import kinds

NEW_CANVAS = {"config": {}, "extra": {}, "version": 0.4}


def canvas(tree: Any) -> dict[str, Any]:
    """In the format of ComfyUI's Save. Raises ValueError for a tree with groups."""
    if any(isinstance(node, GroupNode) for node in tree.nodes):
        raise ValueError(f"“{tree.name}” has groups, which the UI format can't take. Export it in the API format.")
    if any(node.bl_idname.startswith("NodeGroup") for node in tree.nodes):
        raise ValueError(f"“{tree.name}” is the inside of a group. Leave the group, then export the whole.")
    saved = {key: value for key, value in saved_entry(tree).items() if key != "form"}
    nodes = number_nodes(tree)
    entries, links = part(tree, nodes)
    made = {
        "last_node_id": max([saved.get("last_node_id", 0), *(int(n) for n in nodes if n.isdigit())]),
        "last_link_id": max([saved.get("last_link_id", 0), *(link[0] for link in links)]),
        "nodes": list(entries.values()),
        "links": links,
        "groups": [_group(node) for node in tree.nodes if node.bl_idname == "NodeFrame"],
    }
    if not saved:
        return {**made, **NEW_CANVAS}
    keys = dict.fromkeys((*saved, *made))
    return {key: made.get(key, saved.get(key)) for key in keys if key in saved or made.get(key)}


def part(tree: Any, nodes: Mapping[str, Any]) -> tuple[dict[str, dict[str, Any]], list[list[Any]]]:
    """Some nodes of a tree, by their ids, and the wires between them, as a canvas has them."""
    entries = {name: _entry(node, name, order) for order, (name, node) in enumerate(nodes.items())}
    return entries, _links(tree, saved_entry(tree), entries)


def _entry(node: Any, name: str, order: int) -> dict[str, Any]:
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
    if node.label != str(entry.get("title") or ""):
        entry["title"] = node.label
    values = _widget_values(node, saved)
    if values is not None:
        entry["widgets_values"] = values
    return entry


def _new_inputs(node: Any) -> list[dict[str, Any]]:
    if not isinstance(node, BlockNode):
        return [{"name": s.identifier or "", "type": kinds(s), "link": None} for s in node.inputs]
    found = []
    for port in node.block.slots:
        slot: dict[str, Any] = {"name": port.name, "type": port.type, "link": None}
        found.append({**slot, "widget": {"name": port.name}} if port.widget else slot)
    return found


def _widget_values(node: Any, saved: Mapping[str, Any]) -> Any:
    """By position, with what ComfyUI's canvas adds for itself behind them; None where nothing is to be saved anew."""
    if not isinstance(node, BlockNode):
        return None
    old = saved.get("widgets_values")
    known = saved_values(node.block, old)
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


def _links(tree: Any, saved: Mapping[str, Any], entries: dict[str, dict[str, Any]]) -> list[list[Any]]:
    """The wires, those that were there before in their old order and under their old numbers; told to their slots."""
    there = {(str(link[1]), link[2], str(link[3]), link[4]): list(link) for link in saved.get("links") or []}
    inside = [
        link for link in tree.links if {link.from_node.get("fomm_id"), link.to_node.get("fomm_id")} <= set(entries)
    ]
    current = [_wire(link, entries) for link in inside]
    kept = [link for ends, link in there.items() if ends in current]
    free = max([saved.get("last_link_id", 0), *(link[0] for link in kept)])
    for ends in current:
        if ends not in there:
            free += 1
            origin, slot, target, into = ends
            kind = entries[origin]["outputs"][slot]["type"]
            kept.append([free, entries[origin]["id"], slot, entries[target]["id"], into, kind])
    _tell_slots(entries, kept)
    return kept


def _wire(link: Any, entries: dict[str, dict[str, Any]]) -> tuple[str, int, str, int]:
    origin, target = link.from_node["fomm_id"], link.to_node["fomm_id"]
    slots = entries[target].setdefault("inputs", [])
    name = link.to_socket.identifier
    if link.to_node.bl_idname == "NodeReroute":
        into = 0
    else:
        into = next((index for index, slot in enumerate(slots) if slot["name"] == name), len(slots))
    if into == len(slots):  # a widget that was not wired so far
        slot = {"name": name, "type": kinds(link.to_socket), "link": None, "widget": {"name": name}}
        entries[target]["inputs"] = [*slots, slot]
    return origin, list(link.from_node.outputs).index(link.from_socket), target, into


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


def _group(frame: Any) -> dict[str, Any]:
    saved = saved_entry(frame)
    group = dict(saved) or {"title": "", "bounding": [0, 0, 0, 0], "color": "#3f789e", "font_size": 24}
    if (tuple(frame.location), (frame.width, frame.height)) != shown_box(group):
        x, y = frame.location
        group["bounding"] = [shortest(single) for single in (x, -y, frame.width, frame.height)]
    if frame.label != str(group.get("title") or ""):
        group["title"] = frame.label
    return group
