"""Values that are set from outside: `Load Image.image=portraits/*.png` names a node, its port, and what it gets."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ...fomm_core.errors import GraphError
from .model import Graph, Link, Node
from .schemas import Schemas
from .widgets import Input, inputs_now


@dataclass(frozen=True)
class Setting:
    """One assignment. where: "node.port", the node by its title, type or id. value: as it was written."""

    where: str
    value: str


@dataclass(frozen=True)
class Target:
    """A port of a node. `input` is its declaration, None where the node's class is not known."""

    node: Node
    port: str
    input: Input | None = None

    @property
    def key(self) -> tuple[str, str]:
        """As `Graph.replaced` takes it."""
        return self.node.id, self.port

    def __str__(self) -> str:
        return f"{self.node.title}.{self.port}"


def parse_setting(text: str) -> Setting:
    """From `NODE.PORT=VALUE`; NODE and PORT may hold dots, VALUE anything. Raises GraphError."""
    where, separator, value = text.partition("=")
    if not separator or "." not in where.strip("."):
        raise GraphError(
            f'expected NODE.PORT=VALUE, such as "Load Image.image=face.png", with the node\'s title, type or id; '
            f"got {text!r}."
        )
    return Setting(where.strip(), value)


def target(graph: Graph, where: str, schemas: Schemas) -> Target:
    """The port that "node.port" names.

    Args:
        graph: where to look.
        where: the node's id, title or type (the first of these that fits; titles and types in any case), a dot, the
            port.
        schemas: of the classes, so that ports which have no value yet are found too.

    Raises:
        GraphError: no node, several nodes, or no such port; says which there are.
    """
    named = [(where[:dot], where[dot + 1 :]) for dot, letter in enumerate(where) if letter == "."]
    candidates = [(node, port) for name, port in reversed(named) for node in _called(graph, name)]
    found = [made for node, port in candidates if (made := _port(node, port, schemas)) is not None]
    if len(found) > 1:
        ids = ", ".join(f"{made.node.id}.{made.port}" for made in found)
        raise GraphError(f"expected one node for “{where}”; there are {len(found)}. Name it by its id: {ids}.")
    if not found:
        raise GraphError(_nothing_found(graph, where, candidates, schemas))
    if isinstance(found[0].node.inputs.get(found[0].port), Link) and not _takes_value(found[0]):
        raise GraphError(
            f"expected a value's port; {found[0].node.name}.{found[0].port} is wired. Set the node that its wire comes "
            "from."
        )
    return found[0]


def targets(graph: Graph, schemas: Schemas) -> Iterator[Target]:
    """All ports that can be set, in the order of the nodes."""
    for node in graph.nodes.values():
        declared = [entry for entry in inputs_now(schemas.inputs(node.type), node.inputs) if entry.is_widget]
        yield from (Target(node, entry.name, entry) for entry in declared)
        if node.type not in schemas:
            yield from (Target(node, port) for port, value in node.inputs.items() if not isinstance(value, Link))


def value_for(where: Target, value: Any) -> Any:
    """What was written, as its port takes it: a number, true or false, or text.

    Args:
        where: the port.
        value: text from a command line or a table; values of other kinds (from JSON) are only checked.

    Raises:
        GraphError: it is no such value.
    """
    kind = _kind(where)
    try:
        if kind == "INT":
            return _whole(value)
        if kind == "FLOAT":
            return float(value)
        if kind == "BOOLEAN":
            return value if isinstance(value, bool) else {"true": True, "false": False}[str(value).strip().lower()]
    except (KeyError, TypeError, ValueError):
        wanted = {"INT": "a whole number", "FLOAT": "a number", "BOOLEAN": "true or false"}[kind]
        raise GraphError(f"{where.node.name}.{where.port}: expected {wanted}; got {value!r}.") from None
    if kind == "COMBO" and where.input is not None and where.input.choices:
        return next((choice for choice in where.input.choices if str(choice) == str(value)), value)
    if where.input is None and isinstance(value, str):
        return _guessed(where.node.inputs.get(where.port), value)
    return value


def _called(graph: Graph, name: str) -> list[Node]:
    """The nodes of that id, else title, else type."""
    if name in graph.nodes:
        return [graph.nodes[name]]
    nodes, wanted = list(graph.nodes.values()), name.strip().casefold()
    for called in (
        [node for node in nodes if node.title == name],
        [node for node in nodes if node.title.strip().casefold() == wanted],
        [node for node in nodes if node.type.casefold() == wanted],
    ):
        if called:
            return called
    return []


def _port(node: Node, port: str, schemas: Schemas) -> Target | None:
    for entry in inputs_now(schemas.inputs(node.type), node.inputs):
        if entry.name == port:
            return Target(node, port, entry)
    return Target(node, port) if port in node.inputs else None


def _takes_value(found: Target) -> bool:
    return found.input is None or found.input.is_widget


def _kind(where: Target) -> str:
    return "" if where.input is None else str(where.input.options.get("widgetType") or where.input.type)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError
    return int(value)


def _guessed(before: Any, text: str) -> Any:
    """Text in place of a number or of true or false is read as JSON; it stays text where text was."""
    if isinstance(before, str):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _nothing_found(graph: Graph, where: str, candidates: list[tuple[Node, str]], schemas: Schemas) -> str:
    if candidates:
        node = candidates[0][0]
        ports = ", ".join(made.port for made in targets(Graph({node.id: node}), schemas))
        return f"{node.name} has nothing to set that is called “{candidates[0][1]}”; it has {ports or 'nothing'}."
    names = list(dict.fromkeys(node.title for node in graph.nodes.values()))
    near = difflib.get_close_matches(where.rpartition(".")[0], names, n=1)
    hint = f" Did you mean “{near[0]}”?" if near else ""
    return f"expected a node of the graph in “{where}”; its nodes are {', '.join(names)}.{hint}"
