"""A graph as a canvas saves it (ComfyUI calls this form a workflow): what `convert` needs of the file, checked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from ...fomm_core.errors import GraphError

GROUP_PREFIXES = ("workflow>", "workflow/")
"""How the type of a group node begins; what follows is the group's name."""

OWN = "-1"
"""In a list of shown widgets: one of the node's own inputs."""


class Mode(IntEnum):
    """Whether a node runs; the other numbers mean that it does."""

    MUTED = 2
    BYPASSED = 4


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

    @property
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

    @property
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
        return next((link for link in self.links.values() if (link.target, link.target_slot) == (target, slot)), None)

    def out_of(self, origin: str, slot: int) -> Iterator[SavedLink]:
        """The wires that begin in a slot."""
        return (link for link in self.links.values() if (link.origin, link.origin_slot) == (origin, slot))


def is_saved_canvas(data: Any) -> bool:
    """Whether parsed JSON is this form rather than the API form."""
    return isinstance(data, Mapping) and isinstance(data.get("nodes"), list)


def saved_graph(data: Mapping[str, Any]) -> SavedGraph:
    """From the parsed JSON. Raises GraphError where it is no such file."""
    try:
        definitions = data.get("definitions") or {}
        subgraphs = {str(entry["id"]): _graph(entry) for entry in definitions.get("subgraphs") or []}
        groups = (data.get("extra") or {}).get("groupNodes") or {}
        return _graph(data, subgraphs, dict(groups))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as problem:
        raise GraphError(
            f"expected a workflow as ComfyUI saves it; its nodes or links have another shape ({problem!r}). Open it in "
            "ComfyUI and save it again."
        ) from problem


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
        repeated=tuple(dict.fromkeys(name for name in ids if ids.count(name) > 1)),
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
    return value if isinstance(value, str) else "COMBO" if isinstance(value, list) else "*"


def _link(entry: Sequence[Any] | Mapping[str, Any]) -> tuple[int, SavedLink]:
    if isinstance(entry, Mapping):
        parts = [entry[key] for key in ("id", "origin_id", "origin_slot", "target_id", "target_slot")]
    else:
        parts = list(entry[:5])
    number, origin, origin_slot, target, target_slot = parts
    return int(number), SavedLink(str(origin), int(origin_slot), str(target), int(target_slot))
