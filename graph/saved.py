"""A graph as a canvas saves it (ComfyUI calls this form a workflow): what `convert` needs of the file, checked."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..fomm_core.errors import GraphError
from .canvas_nodes import SENDER
from .model import MOST_NODES

GROUP_PREFIXES = ("workflow>", "workflow/")
"""How the type of a group node begins; what follows is the group's name."""

OWN = "-1"
"""In a list of shown widgets: one of the node's own inputs."""

MOST_WIRES = 10 * MOST_NODES


@dataclass(frozen=True)
class Slot:
    """An input or output of a saved node. `widget` is the widget that an input stands for; `link` its wire's id."""

    name: str
    type: str
    link: int | None = None
    widget: str = ""


@dataclass(frozen=True)
class SavedNode:
    """A node with its widget values, by position or (a few packs do so) by name.

    named: the values by name, which newer files hold as well; None in older ones.
    """

    id: str
    type: str
    title: str
    mode: int
    inputs: tuple[Slot, ...]
    outputs: tuple[Slot, ...]
    values: tuple[Any, ...] | Mapping[str, Any]
    properties: Mapping[str, Any] = field(default_factory=dict)
    named: Mapping[str, Any] | None = None

    @property
    def known_values(self) -> tuple[Any, ...] | Mapping[str, Any]:
        """Its values by name where the file has them so, else by position."""
        return self.values if self.named is None else self.named

    @cached_property
    def is_recent(self) -> bool:
        """Whether a ComfyUI of 2026 saved it: it names its values, or states a version after 0.3."""
        found = re.match(r"0\.(\d+)\.|([1-9]\d*)\.", str(self.properties.get("ver")))
        of_core = self.properties.get("cnr_id") == "comfy-core"
        return self.named is not None or bool(of_core and found and (found[2] or int(found[1]) > 3))

    @property
    def is_contradictory(self) -> bool:
        """Whether its values by name are others than those by position: a program has changed one of the two."""
        if self.named is None or len(self.positional) != len(self.named) or any(name.isdigit() for name in self.named):
            return False  # a browser moves names that are numbers to the front
        return any(one != other for one, other in zip(self.positional, self.named.values(), strict=True))

    @property
    def pack(self) -> str:
        """The pack that the node came from, as far as the file tells."""
        found = self.properties.get("cnr_id") or self.properties.get("aux_id")
        version = self.properties.get("ver")
        return " ".join(str(part) for part in (found, version) if part) if found else ""

    @cached_property
    def shown_widgets(self) -> tuple[tuple[str, str], ...] | None:
        """For a node that stands for a subgraph: whose widgets its values are, in their order, as (node inside, or -1
        for its own inputs; name). Values may end before the list does. None where the file does not say; values then
        follow the inputs.
        """
        listed = self.properties.get("proxyWidgets")
        if not isinstance(listed, list) or len(listed) < len(self.positional):
            return None
        pairs = [entry for entry in listed if isinstance(entry, list) and len(entry) >= 2]
        return tuple((str(entry[0]), str(entry[1])) for entry in pairs) if len(pairs) == len(listed) else None

    @cached_property
    def shown_values(self) -> Mapping[str, Mapping[str, Any]]:
        """For a node that stands for a subgraph: its values of `shown_widgets`, as node inside -> name -> value."""
        found: dict[str, dict[str, Any]] = defaultdict(dict)
        for (inner, name), value in zip(self.shown_widgets or (), self.positional, strict=False):
            found[inner].setdefault(name, value)
        return dict(found)

    @property
    def positional(self) -> tuple[Any, ...]:
        """Its values by position; none where they are saved by name."""
        return self.values if isinstance(self.values, tuple) else ()


@dataclass(frozen=True)
class SavedLink:
    """A wire from an output slot to an input slot."""

    origin: str
    origin_slot: int
    target: str
    target_slot: int


@dataclass(frozen=True)
class SavedGraph:
    """A canvas, or the inside of a subgraph.

    inputs, outputs: the subgraph's own slots; their wires have the origin `input_id`, or the target `output_id`.
    definitions: subgraphs by the type that a node which stands for them has.
    repeated: ids that more than one node has; the last such node counts.
    """

    nodes: Mapping[str, SavedNode]
    links: Mapping[int, SavedLink]
    name: str = ""
    inputs: tuple[Slot, ...] = ()
    outputs: tuple[Slot, ...] = ()
    input_id: str = ""
    output_id: str = ""
    definitions: Mapping[str, SavedGraph] = field(default_factory=dict)
    groups: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    repeated: tuple[str, ...] = ()

    @property
    def names_values(self) -> bool:
        """Whether any node of the file has its values by name."""
        return any(
            node.named is not None for graph in (self, *self.definitions.values()) for node in graph.nodes.values()
        )

    def into(self, target: str, slot: int) -> SavedLink | None:
        """The wire that ends in a slot; for the outputs of a subgraph, whose slots name no single wire."""
        return self._by_target.get((target, slot))

    def out_of(self, origin: str, slot: int) -> Sequence[SavedLink]:
        """The wires that begin in a slot."""
        return self._by_origin.get((origin, slot), ())

    @cached_property
    def _by_target(self) -> Mapping[tuple[str, int], SavedLink]:
        return {(link.target, link.target_slot): link for link in reversed(list(self.links.values()))}

    @cached_property
    def _by_origin(self) -> Mapping[tuple[str, int], Sequence[SavedLink]]:
        found: dict[tuple[str, int], list[SavedLink]] = defaultdict(list)
        for link in self.links.values():
            found[link.origin, link.origin_slot].append(link)
        return dict(found)

    @cached_property
    def input_widgets(self) -> Sequence[tuple[SavedNode, str] | None]:
        """Of each input of a subgraph, the first widget that it stands for, as (node, name)."""
        return [self._widget_behind(index) for index in range(len(self.inputs))]

    @cached_property
    def widget_places(self) -> Sequence[int]:
        """Of each input of a subgraph, how many before it stand for a widget."""
        counts = [0]
        for widget in self.input_widgets:
            counts.append(counts[-1] + (widget is not None))
        return counts

    @cached_property
    def input_places(self) -> Mapping[str, int]:
        """The inputs of a subgraph by their names; the first of each."""
        return {slot.name: index for index, slot in reversed(list(enumerate(self.inputs)))}

    @cached_property
    def senders(self) -> Mapping[str, SavedNode]:
        """The nodes that send under a name, by the form of that name; the first of each."""
        sending = (node for node in self.nodes.values() if node.type == SENDER)
        return {repr(node.positional[:1]): node for node in reversed(list(sending))}

    def _widget_behind(self, index: int) -> tuple[SavedNode, str] | None:
        for link in self.out_of(self.input_id, index):
            node = self.nodes.get(link.target)
            if node is not None and 0 <= link.target_slot < len(node.inputs) and node.inputs[link.target_slot].widget:
                return node, node.inputs[link.target_slot].name
        return None


def is_saved_canvas(data: Any) -> bool:
    """Whether parsed JSON is this form rather than the API form."""
    return isinstance(data, Mapping) and isinstance(data.get("nodes"), list)


def saved_graph(data: Mapping[str, Any]) -> SavedGraph:
    """From the parsed JSON. Raises GraphError where it is no such file."""
    try:
        definitions = data.get("definitions") or {}
        _check_size([data, *(definitions.get("subgraphs") or [])])
        subgraphs = {str(entry["id"]): _graph(entry) for entry in definitions.get("subgraphs") or []}
        groups = (data.get("extra") or {}).get("groupNodes") or {}
        return _graph(data, subgraphs, dict(groups))
    except GraphError:
        raise
    except (ArithmeticError, AttributeError, IndexError, KeyError, TypeError, ValueError) as problem:
        raise GraphError(
            f"expected a workflow as ComfyUI saves it; its nodes or links have another shape "
            f"({repr(problem)[:200]}). Open it in "
            "ComfyUI and save it again."
        ) from problem


def _check_size(graphs: Sequence[Mapping[str, Any]]) -> None:
    nodes, wires = (sum(len(graph.get(key) or ()) for graph in graphs) for key in ("nodes", "links"))
    if nodes > MOST_NODES or wires > MOST_WIRES:
        raise GraphError(
            f"expected a workflow of at most {MOST_NODES:,} nodes and {MOST_WIRES:,} wires; it has {nodes:,} and "
            f"{wires:,}. Split it into several."
        )


def _graph(
    data: Mapping[str, Any],
    definitions: Mapping[str, SavedGraph] | None = None,
    groups: Mapping[str, Mapping[str, Any]] | None = None,
) -> SavedGraph:
    nodes = [saved_node(entry) for entry in data["nodes"]]
    ids = [node.id for node in nodes]
    return SavedGraph(
        nodes={node.id: node for node in nodes},
        links=dict(_link(entry) for entry in data.get("links") or [] if entry),
        name=str(data.get("name") or ""),
        inputs=_slots(data.get("inputs")),
        outputs=_slots(data.get("outputs")),
        input_id=str((data.get("inputNode") or {}).get("id", -10)),
        output_id=str((data.get("outputNode") or {}).get("id", -20)),
        definitions=definitions or {},
        groups=groups or {},
        repeated=tuple(name for name, count in Counter(ids).items() if count > 1),
    )


def saved_node(entry: Mapping[str, Any]) -> SavedNode:
    """One entry of the file's list of nodes."""
    values, named = entry.get("widgets_values"), entry.get("widgets_values_named")
    return SavedNode(
        id=str(entry["id"]),
        type=str(entry["type"]),
        title=str(entry.get("title") or ""),
        mode=int(entry.get("mode") or 0),
        inputs=_slots(entry.get("inputs")),
        outputs=_slots(entry.get("outputs")),
        values=dict(values) if isinstance(values, Mapping) else tuple(values or ()),
        properties=dict(entry.get("properties") or {}),
        named=dict(named) if isinstance(named, Mapping) else None,
    )


def _slots(entries: Sequence[Mapping[str, Any]] | None) -> tuple[Slot, ...]:
    return tuple(
        Slot(
            name=str(entry["name"]),
            type=_type(entry.get("type")),
            link=None if entry.get("link") is None else int(entry["link"]),
            widget=str((entry.get("widget") or {}).get("name") or ""),
        )
        for entry in entries or ()
    )


def _type(value: Any) -> str:
    """A wire type; older files hold lists of choices, and 0 or -1 for "anything" or "an event"."""
    return (value or "*") if isinstance(value, str) else "COMBO" if isinstance(value, list) else "*"


def _link(entry: Sequence[Any] | Mapping[str, Any]) -> tuple[int, SavedLink]:
    if isinstance(entry, Mapping):
        parts = [entry[key] for key in ("id", "origin_id", "origin_slot", "target_id", "target_slot")]
    else:
        parts = list(entry[:5])
    number, origin, origin_slot, target, target_slot = parts
    return int(number), SavedLink(str(origin), int(origin_slot), str(target), int(target_slot))
