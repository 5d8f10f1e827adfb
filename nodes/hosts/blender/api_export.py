"""A tree as a graph that is run (ComfyUI's API format): what its canvas becomes in ComfyUI, worked out by `graph`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import bpy

from ....graph.convert import convert
from ....graph.model import Problem
from ....graph.saved import saved_graph
from .canvas_export import canvas
from .classes import known_to, was_wire
from .keyframes import values_of
from .nodes import BlockNode, saved_entry
from .numbering import class_of
from .over_time import FOLLOWED, followed
from .results import node_of
from .values import with_values


@dataclass(frozen=True)
class Exported:
    """A graph as it is run, and what was wrong with the tree."""

    graph: dict[str, Any]
    problems: tuple[Problem, ...]


def api_graph(tree: Any) -> dict[str, Any]:
    """What `fomm render`, a ComfyUI server and the worker run. Raises ValueError for a group that holds itself."""
    return exported(tree).graph


def exported(tree: Any) -> Exported:
    """The same, with what is to be told of it."""
    graph = convert(saved_graph(canvas(tree)), known_to(tree))
    made = {}
    for name, entry in graph.to_api().items():
        node = node_of(tree, name)
        made[name] = _as_it_came(node, entry) if node is not None and "class_type" in saved_entry(node) else entry
    return Exported(_over_time(tree, made), graph.problems)


def _over_time(tree: Any, graph: dict[str, Any]) -> dict[str, Any]:
    """With keyframes followed: the scene's first frame is that of the driver."""
    scene = bpy.context.scene
    frames = range(scene.frame_start, scene.frame_end + 1)
    for name, entry in list(graph.items()):
        node, port = node_of(tree, name), FOLLOWED.get(entry["class_type"])
        if port is None or not isinstance(node, BlockNode) or isinstance(entry["inputs"].get(port), list):
            continue
        values = values_of(node, node.block.ports[port].attribute, frames)
        if values is not None and ("driving" in entry["inputs"] or "first" in entry["inputs"]):
            graph = followed(graph, name, values)
    return graph


def _as_it_came(node: Any, entry: dict[str, Any]) -> dict[str, Any]:
    """A node that was imported from a graph as it is run: only its wires are worked out."""
    saved = saved_entry(node)
    title = node.label or (node.block.title if isinstance(node, BlockNode) else class_of(node))
    made = {**entry, "inputs": _inputs(node, saved, entry["inputs"]), "_meta": {"title": title}}
    made = {key: made[key] for key in (*saved, *made) if key in made}  # some leave `_meta` out
    if "_meta" not in saved and not node.label:
        del made["_meta"]
    return made


def _inputs(node: Any, saved: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """Its own values where nothing is wired, in the order in which they came."""
    own = dict(_values(node, saved))
    wired = {socket.identifier for socket in node.inputs if socket.is_linked}
    inputs = {name: value for name, value in own.items() if name not in wired}
    inputs |= {name: found[name] for name in wired if name in found}
    return {name: inputs[name] for name in (*saved.get("inputs", {}), *inputs) if name in inputs}


def _values(node: Any, saved: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    came = with_values(saved, getattr(node, "w_values", ())).get("inputs", {})
    widgets = node.block.widgets if isinstance(node, BlockNode) else ()
    for port in widgets:
        value = port.told(node.value(port), came.get(port.name))
        if port.name in came or value != port.default:
            yield port.name, value
    names = {port.name for port in widgets}
    yield from ((name, value) for name, value in came.items() if name not in names and not was_wire(value))
