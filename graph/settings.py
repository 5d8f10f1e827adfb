"""Values that are set from outside: `Load Image.image=portraits/*.png` names a node, its port, and what it gets."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..fomm_core.errors import GraphError
from ..fomm_core.wording import did_you_mean
from .model import Graph, Link, Node
from .schemas import Schemas
from .widgets import Input

WORDS = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}
KINDS = {"INT": "a whole number", "FLOAT": "a number", "BOOLEAN": "true or false"}


@dataclass(frozen=True)
class Setting:
    """One assignment. where: "node.port", the node by its title, type or id. value: as it was written."""

    where: str
    value: str


def parse_setting(text: str) -> Setting:
    """From `NODE.PORT=VALUE`; NODE and PORT may hold dots, VALUE anything. Raises GraphError."""
    where, separator, value = text.partition("=")
    if not separator or "." not in where.strip("."):
        raise GraphError(
            f'expected NODE.PORT=VALUE, such as "Load Image.image=face.png", with the node\'s title, type or id; '
            f"got {text!r}."
        )
    return Setting(where.strip(), value)


@dataclass(frozen=True)
class Target:
    """A port of a node that can be set. `declared` is what the node's class says of it; None where it isn't known."""

    node: Node
    port: str
    declared: Input | None = None

    @property
    def key(self) -> tuple[str, str]:
        """As `Graph.replaced` takes it."""
        return self.node.id, self.port

    @property
    def is_file(self) -> bool:
        """Whether its values are names of files in the input folder."""
        return self.declared is not None and self.declared.is_file

    @property
    def name(self) -> str:
        """For messages."""
        return f"“{self.node.title}”.{self.port}"

    def __str__(self) -> str:
        return f"{self.node.title}.{self.port}"

    def typed(self, value: Any) -> Any:
        """What was written, as the port takes it.

        Args:
            value: text from a command line or a table, or a value of JSON.

        Raises:
            GraphError: the port does not take it.
        """
        if value is None or isinstance(value, (list, dict)):
            raise GraphError(f"{self.name}: expected one value; got {value!r}.")
        kind = "" if self.declared is None else str(self.declared.options.get("widgetType") or self.declared.type)
        try:
            if kind == "INT":
                return _whole(value)
            if kind == "FLOAT":
                return float(value)
            if kind == "BOOLEAN":
                return value if isinstance(value, bool) else WORDS[str(value).strip().lower()]
        except (KeyError, ValueError):
            raise GraphError(f"{self.name}: expected {KINDS[kind]}; got {value!r}.") from None
        if self.declared is None:
            return _guessed(self.node.inputs.get(self.port), value)
        if self.is_file and not isinstance(value, str):
            raise GraphError(f"{self.name}: expected the name of a file; got {value!r}.")
        return next((choice for choice in self.declared.choices or () if str(choice) == str(value)), value)


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
        ids = ", ".join(made.node.id for made in found)
        first = f"{found[0].node.id}.{found[0].port}"
        raise GraphError(f"'{where}' could be any of the nodes {ids}. Name one by its id: \"{first}\".")
    if not found:
        raise GraphError(_nothing_found(graph, where, candidates, schemas))
    declared = found[0].declared
    if declared is not None and not declared.is_widget:
        raise GraphError(f"{found[0].name} is wired, not set: choose a value of the node that its wire comes from.")
    return found[0]


def targets(graph: Graph, schemas: Schemas) -> Iterator[Target]:
    """All ports that can be set, in the order of the nodes."""
    for node in graph.nodes.values():
        if node.idle:
            continue
        declared = [entry for entry in schemas.inputs_with(node.type, node.inputs) if entry.is_widget]
        yield from (Target(node, entry.name, entry) for entry in declared)
        if node.type not in schemas:
            yield from (Target(node, port) for port, value in node.inputs.items() if not isinstance(value, Link))


def _called(graph: Graph, name: str) -> list[Node]:
    """The nodes of that id, else title, else type."""
    if name in graph.nodes:
        return [graph.nodes[name]]
    nodes = [node for node in graph.nodes.values() if not node.idle]
    wanted = name.strip().casefold()
    for called in (
        [node for node in nodes if node.title == name],
        [node for node in nodes if node.title.strip().casefold() == wanted],
        [node for node in nodes if node.type.casefold() == wanted],
    ):
        if called:
            return called
    return []


def _port(node: Node, port: str, schemas: Schemas) -> Target | None:
    for entry in schemas.inputs_with(node.type, node.inputs):
        if entry.name == port:
            return Target(node, port, entry)
    return Target(node, port) if port in node.inputs else None


def _whole(value: Any) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError
    return int(value)


def _guessed(before: Any, value: Any) -> Any:
    """Text in place of a number or of true or false is read as JSON; it stays text where text was."""
    if isinstance(before, str) or not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _nothing_found(graph: Graph, where: str, candidates: list[tuple[Node, str]], schemas: Schemas) -> str:
    if candidates:
        node, port = candidates[0]
        ports = ", ".join(made.port for made in targets(Graph({node.id: node}), schemas))
        meant = did_you_mean(port, ports.split(", "))
        return f"{node.name} has no input '{port}', but: {ports or 'none that can be set'}.{meant}"
    names = list(dict.fromkeys(node.title for node in graph.nodes.values()))
    near = difflib.get_close_matches(where.rpartition(".")[0], names, n=1)
    hint = f" Did you mean “{near[0]}”?" if near else ""
    listed = ", ".join(names) or "none"
    return f"expected NODE.PORT, such as \"Load Image.image\"; '{where}' names no node of: {listed}.{hint}"
