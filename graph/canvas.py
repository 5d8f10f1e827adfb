"""A canvas as a whole: which nodes stand for other canvases, which exist on it alone, and what inputs a node has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..fomm_core.errors import GraphError
from .groups import group_definition
from .saved import GROUP_PREFIXES, SavedGraph, SavedNode, Slot
from .schemas import Schemas

DEEPEST = 32
"""Subgraphs inside subgraphs; more than this is a subgraph that holds itself."""


@dataclass(frozen=True)
class Scope:
    """A canvas where it is used: the outermost, or a subgraph under the node that stands for it, its `host`."""

    graph: SavedGraph
    prefix: str = ""
    host: tuple[Scope, SavedNode] | None = None


Shown = Mapping[str, Mapping[str, Any]]
"""Values by node and widget."""


@dataclass
class Canvas:
    """A saved file, with the classes that are known."""

    saved: SavedGraph
    schemas: Schemas
    _insides: dict[str, Scope | None] = field(default_factory=dict)
    _slots: dict[tuple[str, str], tuple[Slot, ...]] = field(default_factory=dict)
    _shown: dict[str, Shown] = field(default_factory=dict)
    _declared: dict[tuple[str, bool], tuple[Slot, ...]] = field(default_factory=dict)

    def shown_inside(self, scope: Scope) -> Shown:
        """The values that nodes inside of a subgraph have from the node that stands for it.

        Of a host within another subgraph, the node that stands for that one may say it instead, wherever a widget is
        shown through both. None stands for the inner node's own value, and is left out.
        """
        if scope.prefix not in self._shown:
            self._shown[scope.prefix] = {} if scope.host is None else self._shown_by(*scope.host)
        return self._shown[scope.prefix]

    def _shown_by(self, scope: Scope, host: SavedNode) -> Shown:
        around = self.shown_inside(scope).get(host.id, {})
        values: dict[str, dict[str, Any]] = {}
        for (inner, name), own in zip(host.shown_widgets or (), host.positional, strict=False):
            value = next((around[key] for key in (name, f"{inner}: {name}") if key in around), own)
            if value is not None:
                values.setdefault(inner, {})[name] = value
        return values

    def inside(self, scope: Scope, node: SavedNode) -> Scope | None:
        """The canvas that a node stands for; None for an ordinary node. Raises GraphError where it holds itself."""
        prefix = f"{scope.prefix}{node.id}:"
        if prefix not in self._insides:
            definition = self._definition(node)
            if definition is not None and prefix.count(":") > DEEPEST:
                raise GraphError(f"expected subgraphs that end somewhere; “{definition.name}” holds itself.")
            self._insides[prefix] = None if definition is None else Scope(definition, prefix, (scope, node))
        return self._insides[prefix]

    def _definition(self, node: SavedNode) -> SavedGraph | None:
        if node.type in self.saved.definitions:
            return self.saved.definitions[node.type]
        for prefix in GROUP_PREFIXES:
            name = node.type.removeprefix(prefix)
            if name != node.type and name in self.saved.groups:
                try:
                    return group_definition(name, self.saved.groups[name], node, self.schemas)
                except (ArithmeticError, AttributeError, IndexError, KeyError, TypeError, ValueError) as problem:
                    raise GraphError(f"expected a group node; what the file says of “{name}” is none.") from problem
        return None

    def slots(self, scope: Scope, node: SavedNode) -> tuple[Slot, ...]:
        """The inputs of a node as a canvas has them: what must be wired, then widgets, then what only the file has."""
        key = scope.prefix, node.id
        if key not in self._slots:
            self._slots[key] = self._slots_of(scope, node)
        return self._slots[key]

    def _slots_of(self, scope: Scope, node: SavedNode) -> tuple[Slot, ...]:
        inner = self.inside(scope, node)
        if inner is not None:
            declared = inner.graph.inputs
        elif node.type in self.schemas:
            declared = self._of_class(node.type, now=node.is_recent)
        else:
            return node.inputs
        wires = {slot.name: slot.link for slot in node.inputs}
        names = {slot.name for slot in declared}
        known = [
            slot if (link := wires.get(slot.name)) == slot.link else Slot(slot.name, slot.type, link, slot.widget)
            for slot in declared
        ]
        return (*known, *(slot for slot in node.inputs if slot.name not in names))

    def _of_class(self, kind: str, *, now: bool) -> tuple[Slot, ...]:
        """The slots of a node as a class declares them, without wires."""
        if (kind, now) not in self._declared:
            inputs = self.schemas.inputs(kind, now=now)
            ordered = [*(i for i in inputs if not i.is_widget), *(i for i in inputs if i.is_widget)]
            self._declared[kind, now] = tuple(Slot(i.name, i.type, widget=i.name * i.is_widget) for i in ordered)
        return self._declared[kind, now]
