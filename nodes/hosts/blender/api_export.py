"""A tree as a graph that is run (ComfyUI's API format): reroutes, muted nodes and groups as what they mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ....graph.canvas_nodes import NOTES, REROUTE, Mode
from ....graph.types import fits
from .blocks import ADDED
from .canvas_import import saved_values
from .groups import BLENDERS_OWN, GroupNode
from .nodes import BlockNode, ForeignNode, find_socket, saved_entry
from .sockets import kinds

DEEPEST = 16
"""Groups inside groups; more than this is a group that holds itself."""


@dataclass(frozen=True)
class Place:
    """A tree where it is used: the outermost, or a group's under its node."""

    tree: Any
    prefix: str = ""
    outer: tuple[Place, Any] | None = None

    def inside(self, group: Any) -> Place:
        """Of a group node's tree."""
        if self.prefix.count(":") >= DEEPEST:
            raise ValueError(f"The group “{group.node_tree.name}” holds itself. Take it out of itself.")
        return Place(group.node_tree, f"{self.prefix}{group['fomm_id']}:", (self, group))


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
    """`number_nodes` for a tree and the groups in it, however deep: wires name nodes of trees not yet visited."""
    waiting, seen = [tree], set()
    while waiting:
        current = waiting.pop()
        if current.name in seen:
            continue
        seen.add(current.name)
        nodes = number_nodes(current).values()
        waiting += [node.node_tree for node in nodes if isinstance(node, GroupNode) and node.node_tree is not None]


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


def api_graph(tree: Any) -> dict[str, Any]:
    """What `fomm render`, a ComfyUI server and the worker run. Raises ValueError for a group that holds itself."""
    number_all(tree)
    return dict(_nodes(Place(tree)))


def _nodes(place: Place) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, node in number_nodes(place.tree).items():
        kind = class_of(node)
        if kind == REROUTE or kind in NOTES or is_muted(node) in tuple(Mode):
            continue
        if not isinstance(node, GroupNode):
            yield place.prefix + name, _api_node(place, node, kind)
        elif node.node_tree is not None:
            yield from _nodes(place.inside(node))


def _api_node(place: Place, node: Any, kind: str) -> dict[str, Any]:
    title = node.label or (node.block.title if isinstance(node, BlockNode) else kind)
    made = {"inputs": _api_inputs(place, node), "class_type": kind, "_meta": {"title": title}}
    saved = saved_entry(node)
    if "class_type" in saved:  # as it came: some leave `_meta` out
        made = {key: made[key] for key in (*saved, *made) if key in made}
        if "_meta" not in saved and not node.label:
            del made["_meta"]
    return made


def class_of(node: Any) -> str:
    """ComfyUI's name for what a node is."""
    if isinstance(node, BlockNode):
        return node.block.name
    if isinstance(node, GroupNode):
        return str(node.bl_idname)
    return str(node.w_class) if isinstance(node, ForeignNode) else REROUTE


def _api_inputs(place: Place, node: Any) -> dict[str, Any]:
    inputs = dict(_values(node))
    for socket in node.inputs:
        origin = followed(place, socket)
        if isinstance(origin, Cut):
            inputs.pop(socket.identifier, None)
        elif origin is not None:
            inputs[socket.identifier] = origin.wire
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
    if plain:
        widgets = {port.name for port in node.block.widgets}
        yield from ((name, value) for name, value in saved.items() if name not in widgets and not _was_wire(value))
    else:
        yield from ADDED.get(node.block.name, {}).items()


def _was_wire(value: Any) -> bool:
    """Whether a saved input named another node: that one may be gone."""
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)


def find_link(node: Any, name: str) -> Any:
    """The wire into an input; None where there is none."""
    return next((s.links[0] for s in node.inputs if s.identifier == name and s.is_linked and s.links), None)


@dataclass(frozen=True)
class Origin:
    """The output that feeds an input, and where it is."""

    place: Place
    socket: Any

    @property
    def wire(self) -> list[Any]:
        """As a graph has it: id and slot."""
        node = self.socket.node
        return [self.place.prefix + node["fomm_id"], list(node.outputs).index(self.socket)]


class Cut:
    """Stands for a wire from a muted node: the input gets neither it nor its own value."""


def followed(place: Place, socket: Any, seen: frozenset[tuple[str, str]] = frozenset()) -> Origin | Cut | None:
    """What feeds an input, past reroutes, bypassed nodes and the walls of groups; None where nothing does."""
    step = (place.prefix, socket.node.name)
    if not socket.is_linked or not socket.links or step in seen:
        return None
    seen |= {step}
    origin = socket.links[0].from_socket
    node = origin.node
    if node.bl_idname == "NodeReroute":
        return followed(place, node.inputs[0], seen)
    if node.bl_idname == "NodeGroupInput":
        outside = None if place.outer is None else find_socket(place.outer[1].inputs, origin.identifier)
        return None if outside is None or place.outer is None else followed(place.outer[0], outside, seen)
    mode = is_muted(node)
    if mode == Mode.MUTED:
        return Cut()
    if mode == Mode.BYPASSED:
        passed = _passed(node, list(node.outputs).index(origin), kinds(origin))
        return None if passed is None else followed(place, passed, seen)
    if isinstance(node, GroupNode):
        inner = node.output_inside(origin.identifier)
        return None if inner is None else followed(place.inside(node), inner, seen)
    return Origin(place, origin)


def _passed(node: Any, index: int, kind: str) -> Any:
    """The input that a bypassed node hands on: the one opposite where it fits, else the first of that type."""
    slots = [s for s in node.inputs if not _is_widget(node, s)] + [s for s in node.inputs if _is_widget(node, s)]
    if index < len(slots) and fits(kinds(slots[index]), kind):
        return slots[index]
    return next((slot for slot in slots if fits(kinds(slot), kind)), None)


def _is_widget(node: Any, socket: Any) -> bool:
    return isinstance(node, BlockNode) and node.block.ports[socket.identifier].widget
