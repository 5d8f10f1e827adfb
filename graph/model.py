"""A graph as it is run: nodes, each with its values and its wires (ComfyUI calls this form "API format")."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ..fomm_core.errors import GraphError

if TYPE_CHECKING:
    from .schemas import Schemas

MOST_NODES = 100_000
"""Of a graph. The largest that people share have a few thousand."""

Severity = Literal["error", "warning"]


class Link(NamedTuple):
    """A wire's origin: the output `slot` of `node`."""

    node: str
    slot: int


@dataclass(frozen=True)
class Problem:
    """What is wrong with a graph, and where. `port` is empty where the whole node is meant, `node` for the graph."""

    severity: Severity
    message: str
    node: str = ""
    title: str = ""
    port: str = ""

    def __str__(self) -> str:
        where = ".".join(part for part in (self.title, self.port) if part)
        number = f" (node {self.node})" if self.node else ""
        return f"{self.severity}: {where}{number}: {self.message}" if where else f"{self.severity}: {self.message}"


@dataclass(frozen=True)
class ModelFile:
    """A weights file that a node needs, as the graph's maker noted it: in which folder of `models`, from where."""

    name: str
    folder: str
    url: str


@dataclass(frozen=True)
class Node:
    """One node.

    type: the class that runs it.
    title: what its user reads on it; the type where the file has no title.
    inputs: by port, a JSON value or a Link.
    pack: the pack of nodes that it came from, as far as the file tells ("name" or "name version").
    models: the weights files that it needs, as far as the file tells.
    idle: inside of a subgraph that is muted or bypassed. A canvas sends it, but nothing needs it.
    """

    id: str
    type: str
    title: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    pack: str = ""
    models: tuple[ModelFile, ...] = ()
    idle: bool = False

    def links(self) -> Iterator[tuple[str, Link]]:
        """The ports that are wired, with where their wires come from."""
        return ((port, value) for port, value in self.inputs.items() if isinstance(value, Link))

    @property
    def name(self) -> str:
        """For messages: title and number."""
        return f"“{self.title}” (node {self.id})"


@dataclass(frozen=True)
class Graph:
    """Nodes by their ids, in the order of the file.

    problems: what was wrong with the file but did not stop it from being read.
    """

    nodes: Mapping[str, Node]
    problems: tuple[Problem, ...] = ()

    @classmethod
    def from_api(cls, data: Mapping[str, Any]) -> Graph:
        """From API JSON: `{id: {"class_type", "inputs": {port: value | [id, slot]}, "_meta": {"title"}}}`.

        Raises GraphError where it has another shape. Whether the nodes exist is not asked here: see `check`.
        """
        nodes = {}
        if len(data) > MOST_NODES:
            raise GraphError(f"expected a graph of at most {MOST_NODES:,} nodes; it has {len(data):,}. Split it.")
        for key, entry in data.items():
            if not isinstance(entry, Mapping) or not isinstance(entry.get("class_type"), str):
                raise GraphError(f"expected a node with a class_type under the id '{key}'. Is this a graph's file?")
            inputs, meta = entry.get("inputs", {}), entry.get("_meta", {})
            if not isinstance(inputs, Mapping):
                raise GraphError(f"expected the inputs of node {key} by their names; got {type(inputs).__name__}.")
            title = meta.get("title") if isinstance(meta, Mapping) else None
            nodes[str(key)] = Node(
                id=str(key),
                type=entry["class_type"],
                title=title if isinstance(title, str) and title else entry["class_type"],
                inputs={str(port): _from_json(value) for port, value in inputs.items()},
            )
        return cls(nodes)

    def to_api(self) -> dict[str, Any]:
        """The API JSON that a server is sent and a file holds."""
        return {
            node.id: {
                "inputs": {port: _to_json(value) for port, value in node.inputs.items()},
                "class_type": node.type,
                "_meta": {"title": node.title},
            }
            for node in self.nodes.values()
        }

    def order(self, wanted: Iterable[str] | None = None) -> tuple[str, ...]:
        """Ids in an order in which each node stands behind all that it needs.

        Args:
            wanted: leave out what these do not need; None keeps all nodes.

        Raises:
            GraphError: wires run in a circle, or come from a node that is not there.
        """
        kept = self.nodes.keys() if wanted is None else self.upstream(wanted)
        before = {
            name: [self._origin(node, port, link) for port, link in node.links()]
            for name, node in self.nodes.items()
            if name in kept
        }
        try:
            return tuple(TopologicalSorter(before).static_order())
        except CycleError as problem:
            names = [self.nodes[name].name for name in problem.args[1]]
            circle = " → ".join(names if len(names) <= 12 else [*names[:6], "...", *names[-6:]])
            raise GraphError(
                f"expected wires that lead from inputs to outputs; these run in a circle: {circle}. Cut one of them."
            ) from None

    def upstream(self, wanted: Iterable[str]) -> set[str]:
        """The nodes that `wanted` need, themselves included. Raises GraphError for a wire from nowhere."""
        found: set[str] = set()
        waiting = list(wanted)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                node = self.nodes[name]
                waiting += [self._origin(node, port, link) for port, link in node.links()]
        return found

    def _origin(self, node: Node, port: str, link: Link) -> str:
        if link.node not in self.nodes:
            raise GraphError(
                f"{node.name}: the wire into '{port}' comes from node {link.node}, which is not in the graph. "
                "Wire it again and save the graph."
            )
        return link.node

    def outputs(self, schemas: Schemas) -> tuple[str, ...]:
        """The nodes for whose sake the graph runs: those that save or show something."""
        return tuple(name for name, node in self.nodes.items() if schemas.is_output(node.type))

    def replaced(self, values: Mapping[tuple[str, str], Any]) -> Graph:
        """With other values at (node, port), in place of the value or wire that is there. Raises GraphError."""
        nodes = dict(self.nodes)
        for (name, port), value in values.items():
            if name not in nodes:
                some = ", ".join([*list(nodes)[:20], *(["..."] if len(nodes) > 20 else [])])
                raise GraphError(f"expected a node of the graph ({some}); got {name!r}.")
            nodes[name] = replace(nodes[name], inputs={**nodes[name].inputs, port: value})
        return replace(self, nodes=nodes)


def _from_json(value: Any) -> Any:
    """A list of an id (text) and a number is a wire; ComfyUI wraps a list that is a value."""
    match value:
        case [str() as node, int() as slot]:
            return Link(node, int(slot))
        case [str() as node, float() as slot] if slot.is_integer():
            return Link(node, int(slot))
        case {"__value__": inner} if len(value) == 1:
            return inner
    return value


def _to_json(value: Any) -> Any:
    if isinstance(value, Link):
        return [value.node, value.slot]
    return {"__value__": list(value)} if isinstance(value, (list, tuple)) else value
