"""Group nodes, which older canvases have in place of subgraphs: a group, as the subgraph that would do the same.

A group's node has the widgets and unwired inputs of all nodes inside, one after the other; where two would have one
name, the later has its node's title before it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from .canvas_nodes import PRIMITIVE
from .saved import SavedGraph, SavedLink, SavedNode, Slot, saved_node
from .schemas import Schemas
from .widgets import named_values, widgets_of

INPUTS, OUTPUTS = "inputs", "outputs"
"""Where the wires of a group's own slots begin and end; no node inside has such an id."""


@dataclass(frozen=True)
class _Wire:
    """Inside of a group, between nodes by their places in it."""

    origin: int
    origin_slot: int
    target: int
    target_slot: int


def group_definition(name: str, group: Mapping[str, Any], host: SavedNode, schemas: Schemas) -> SavedGraph:
    """A group as a subgraph.

    Args:
        name: of the group.
        group: the file's entry for it: its nodes, the wires between them, and what is shown outside.
        host: the node that stands for it here; its widget values go to the nodes inside.
        schemas: of the classes inside.

    Raises:
        KeyError, TypeError, ValueError: the entry has another shape.
    """
    nodes = [saved_node({**entry, "id": index}) for index, entry in enumerate(group["nodes"])]
    wires = [_Wire(*(int(part) for part in link[:4])) for link in group.get("links") or () if None not in link[:4]]
    shown = {(int(entry[0]), int(entry[1])) for entry in group.get("external") or ()}
    configs = group.get("config") or {}
    config = [configs.get(str(index)) or {} for index in range(len(nodes))]
    nodes = [_with_schema_slots(node, schemas) for node in nodes]
    nodes = [
        _with_values(node, values) for node, values in zip(nodes, _values(nodes, wires, host, schemas), strict=True)
    ]

    outer: list[Slot] = []
    links = [SavedLink(str(w.origin), w.origin_slot, str(w.target), w.target_slot) for w in wires]
    for index, slot, title in _open_inputs(nodes, wires, config):
        links.append(SavedLink(INPUTS, len(outer), str(index), slot))
        outer.append(Slot(title, nodes[index].inputs[slot].type))
    ends = list(_open_outputs(nodes, wires, shown, config))
    links += [SavedLink(str(index), slot, OUTPUTS, place) for place, (index, slot) in enumerate(ends)]
    ends_of: dict[str, dict[int, int]] = defaultdict(dict)
    for number, link in enumerate(links):
        ends_of[link.target][link.target_slot] = number
    return SavedGraph(
        nodes={node.id: _wired(node, ends_of[node.id]) for node in nodes},
        links=dict(enumerate(links)),
        name=name,
        inputs=tuple(outer),
        outputs=tuple(nodes[index].outputs[slot] for index, slot in ends),
        input_id=INPUTS,
        output_id=OUTPUTS,
    )


def _with_schema_slots(node: SavedNode, schemas: Schemas) -> SavedNode:
    """With all inputs that its class has behind those of the file, whose places the group's wires name."""
    names = {slot.name for slot in node.inputs}
    more = tuple(Slot(entry.name, entry.type) for entry in schemas.inputs(node.type) if entry.name not in names)
    return replace(node, inputs=(*(replace(slot, widget="", link=None) for slot in node.inputs), *more))


def _with_values(node: SavedNode, values: Mapping[str, Any]) -> SavedNode:
    return replace(node, values=values) if values else node


def _wired(node: SavedNode, ends: Mapping[int, int]) -> SavedNode:
    return replace(node, inputs=tuple(replace(slot, link=ends.get(i)) for i, slot in enumerate(node.inputs)))


def _values(
    nodes: list[SavedNode], wires: list[_Wire], host: SavedNode, schemas: Schemas
) -> Iterator[Mapping[str, Any]]:
    """The values of each node inside: those of the group's node, by position over all of them."""
    position = 0
    fed: dict[int, list[int]] = defaultdict(list)
    for wire in wires:
        fed[wire.target].append(wire.target_slot)
    for index, node in enumerate(nodes):
        if node.type == PRIMITIVE:
            given = host.positional[position : position + 1]
            position += 1
            yield {} if not given else {"value": given[0]}
            continue
        inputs = schemas.inputs(node.type)
        values = dict(named_values(node.type, inputs, node.values).inputs)
        inside = {node.inputs[slot].name for slot in fed[index]}
        for place in widgets_of(node.type, [entry for entry in inputs if entry.name not in inside]):
            if place.sent:
                values[place.name] = host.positional[position] if position < len(host.positional) else place.default
            position += 1
        yield values


def _open_inputs(
    nodes: list[SavedNode], wires: list[_Wire], config: list[Mapping[str, Any]]
) -> Iterator[tuple[int, int, str]]:
    """Inputs that no wire inside feeds, as (node, slot, name outside)."""
    fed = {(wire.target, wire.target_slot) for wire in wires}
    seen: dict[str, int] = {}
    for index, node in enumerate(nodes):
        named = config[index].get("input") or {}
        for slot, entry in enumerate(node.inputs):
            if (index, slot) in fed:
                continue
            title = str((named.get(entry.name) or {}).get("name") or entry.name)
            key = title
            if title in seen:
                prefix = f"{node.title or node.type} "
                key = title = f"{prefix}{entry.name}"
                if title in seen:
                    title = f"{prefix}{seen[title]} {entry.name}"
            seen[key] = seen.get(key, 0) + 1
            yield index, slot, title


def _open_outputs(
    nodes: list[SavedNode], wires: list[_Wire], shown: set[tuple[int, int]], config: list[Mapping[str, Any]]
) -> Iterator[tuple[int, int]]:
    """Outputs that are not used up inside, as (node, slot)."""
    used = {(wire.origin, wire.origin_slot) for wire in wires}
    for index, node in enumerate(nodes):
        named = config[index].get("output") or {}
        for slot in range(len(node.outputs)):
            hidden = (named.get(str(slot)) or {}).get("visible") is False
            if not hidden and ((index, slot) not in used or (index, slot) in shown):
                yield index, slot
