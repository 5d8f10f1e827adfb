"""A tree as a graph of ComfyUI's: as a saved canvas (its UI format), and as it is run (API format).

What was imported and not changed comes out as it went in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .blocks import NOTES, REROUTE, fits, shortest
from .canvas_import import (
    BYPASSED,
    MUTED,
    saved_values,
    shown_box,
    shown_position,
    shown_width,
)
from .nodes import BlockNode, ForeignNode, saved_entry
from .tree import kinds

NEW_CANVAS = {"config": {}, "extra": {}, "version": 0.4}


def number_nodes(tree: Any) -> dict[str, Any]:
    """All nodes by their ids; those that have none, or that of another, get new ones."""
    found: dict[str, Any] = {}
    waiting = []
    for node in tree.nodes:
        if node.bl_idname == "NodeFrame":
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


def is_muted(node: Any) -> int:
    """The saved mode: 0, MUTED or BYPASSED. Blender's own mute key bypasses."""
    saved = _canvas_entry(node).get("mode", 0)
    if node.mute == (saved in (MUTED, BYPASSED)):
        return int(saved)
    return BYPASSED if node.mute else 0


# The graph that is run


def api_graph(tree: Any) -> dict[str, Any]:
    """In the API format: what `fomm render`, a ComfyUI server and the worker run."""
    graph = {}
    for name, node in number_nodes(tree).items():
        kind = class_of(node)
        if kind == REROUTE or kind in NOTES or is_muted(node) in (MUTED, BYPASSED):
            continue
        graph[name] = {
            "inputs": _api_inputs(node),
            "class_type": kind,
            "_meta": {"title": node.label or (node.block.title if isinstance(node, BlockNode) else kind)},
        }
        saved = saved_entry(node)
        if "class_type" in saved:  # as it came: some leave `_meta` out
            graph[name] = {key: graph[name][key] for key in (*saved, *graph[name]) if key in graph[name]}
            if "_meta" not in saved and not node.label:
                del graph[name]["_meta"]
    return graph


def class_of(node: Any) -> str:
    """ComfyUI's name for what a node is."""
    if isinstance(node, BlockNode):
        return node.block.name
    return str(node.w_class) if isinstance(node, ForeignNode) else REROUTE


def _api_inputs(node: Any) -> dict[str, Any]:
    inputs = dict(_values(node))
    for socket in node.inputs:
        origin = followed(socket)
        if origin is CUT:
            inputs.pop(socket.identifier, None)
        elif origin is not None:
            inputs[socket.identifier] = [origin.node["fomm_id"], list(origin.node.outputs).index(origin)]
    saved = saved_entry(node).get("inputs")
    if isinstance(saved, Mapping):  # in the order in which they came
        inputs = {name: inputs[name] for name in (*saved, *inputs) if name in inputs}
    return inputs


def _values(node: Any) -> Iterator[tuple[str, Any]]:
    entry = saved_entry(node)
    plain = isinstance(entry.get("inputs"), Mapping)
    if isinstance(node, ForeignNode):
        if plain:
            yield from ((name, value) for name, value in entry["inputs"].items() if find_link(node, name) is None)
        else:
            names = [slot["name"] for slot in entry.get("inputs") or () if slot.get("widget")]
            values = entry.get("widgets_values") or ()
            if isinstance(values, Mapping):
                yield from values.items()
            elif len(names) == len(values):
                yield from zip(names, values, strict=True)
        return
    saved = entry["inputs"] if plain else saved_values(node.block, entry.get("widgets_values"))
    for port in node.block.widgets:
        value = port.told(node.value(port), saved.get(port.name))
        if not plain or port.name in saved or value != port.default:
            yield port.name, value


def find_link(node: Any, name: str) -> Any:
    """The wire into an input; None where there is none."""
    return next((s.links[0] for s in node.inputs if s.identifier == name and s.is_linked and s.links), None)


class _Cut:
    """Stands for a wire from a muted node: the input gets neither it nor its own value."""


CUT = _Cut()


def followed(socket: Any, seen: frozenset[str] = frozenset()) -> Any:
    """The output that feeds an input, past reroutes and bypassed nodes; None where nothing does, or CUT."""
    if not socket.is_linked or not socket.links or socket.node.name in seen:
        return None
    origin = socket.links[0].from_socket
    node = origin.node
    seen |= {socket.node.name}
    if node.bl_idname == "NodeReroute":
        return followed(node.inputs[0], seen)
    mode = is_muted(node)
    if mode == MUTED:
        return CUT
    if mode == BYPASSED:
        passed = _passed(node, list(node.outputs).index(origin), kinds(origin))
        return None if passed is None else followed(passed, seen)
    return origin


def _passed(node: Any, index: int, kind: str) -> Any:
    """The input that a bypassed node hands on: the one opposite where it fits, else the first of that type."""
    slots = [s for s in node.inputs if not _is_widget(node, s)] + [s for s in node.inputs if _is_widget(node, s)]
    if index < len(slots) and fits(kinds(slots[index]), kind):
        return slots[index]
    return next((slot for slot in slots if fits(kinds(slot), kind)), None)


def _is_widget(node: Any, socket: Any) -> bool:
    return isinstance(node, BlockNode) and node.block.ports[socket.identifier].widget


# The canvas


def canvas(tree: Any) -> dict[str, Any]:
    """In the format of ComfyUI's Save, to be opened on its canvas."""
    saved = {key: value for key, value in saved_entry(tree).items() if key != "form"}
    nodes = number_nodes(tree)
    entries = {name: _entry(node, name, order) for order, (name, node) in enumerate(nodes.items())}
    links = _links(tree, saved, entries)
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


def _canvas_entry(node: Any) -> dict[str, Any]:
    entry = saved_entry(node)
    return entry if "type" in entry else {}


def _entry(node: Any, name: str, order: int) -> dict[str, Any]:
    saved = _canvas_entry(node)
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
    current = [_wire(link, entries) for link in tree.links]
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
