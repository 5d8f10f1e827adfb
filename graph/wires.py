"""Where wires truly come from: through reroutes, bypassed nodes, and the walls of subgraphs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from .canvas import Canvas, Scope
from .canvas_nodes import NOTES, PRIMITIVE, RECEIVER, REROUTES, SENDER, SWITCHBOARDS, Mode
from .model import Link
from .saved import OWN, SavedNode, Slot
from .types import fits


@dataclass(frozen=True)
class Constant:
    """What an input gets in place of a wire. of_host: from the node that stands for its subgraph."""

    value: Any
    of_host: bool = False


class Cut:
    """A wire from a muted node: the input gets neither the wire nor the value that it had before it was wired."""


Origin = Link | Constant | Cut | None
"""What arrives in an input; None leaves it its own value."""

Tell = Callable[[Scope, SavedNode, str, str], None]
"""Hears of what is wrong: with which node, on which of its ports (or none), in words."""


@dataclass(frozen=True)
class _Trail:
    """How an input was followed so far: the wires, and whether nothing but the walls of subgraphs lay between."""

    wires: set[tuple[str, int]] = field(default_factory=set)
    direct: bool = True

    def around(self) -> _Trail:
        return replace(self, direct=False)


@dataclass(frozen=True)
class Wires:
    """The wires of a canvas.

    value_of: the value of a node's widget, for those that a subgraph shows outside.
    """

    canvas: Canvas
    value_of: Callable[[Scope, SavedNode, str], Any]
    tell: Tell
    _known: dict[tuple[str, str, int, bool], Origin] = field(default_factory=dict)

    def into(self, scope: Scope, node: SavedNode, index: int) -> Origin:
        """What arrives in the input `index` of a node (see `Canvas.slots`)."""
        return self._into(scope, node, index, _Trail())

    def _into(self, scope: Scope, node: SavedNode, index: int, trail: _Trail) -> Origin:
        """As `into`, on the way; each place is looked at once, however many wires run through it."""
        key = scope.prefix, node.id, index, trail.direct
        if key not in self._known:
            self._known[key] = self._followed(scope, node, index, trail)
        return self._known[key]

    def _followed(self, scope: Scope, node: SavedNode, index: int, trail: _Trail) -> Origin:
        slots = self.canvas.slots(scope, node)
        number = slots[index].link if index < len(slots) else None
        if number is None:
            return None
        slot, link = slots[index], scope.graph.links.get(number)
        if link is None:
            self.tell(scope, node, slot.name, f"its wire {number} is not in the file. Wire it again")
            return None
        wire = (scope.prefix, number)
        if wire in trail.wires:
            self.tell(scope, node, slot.name, "its wire runs in a circle through nodes that do nothing")
            return None
        trail.wires.add(wire)
        if link.origin not in scope.graph.nodes and not (scope.host and link.origin == scope.graph.input_id):
            self.tell(scope, node, slot.name, f"its wire comes from node {link.origin}, which is not there")
            return None
        return self._from(scope, link.origin, link.origin_slot, slot.type, trail)

    def _from(self, scope: Scope, name: str, index: int, kind: str, trail: _Trail) -> Origin:
        """What leaves an output; `kind` is the wire type that the input asks for."""
        if scope.host is not None and name == scope.graph.input_id:
            return self._from_outside(*scope.host, index, trail)
        node = scope.graph.nodes[name]
        if node.type == PRIMITIVE:  # it sets widgets that are wired to it, and nothing further on
            return Constant(node.positional[0]) if trail.direct and node.positional else None
        if node.type in NOTES | SWITCHBOARDS:
            return None
        if node.type in REROUTES | {SENDER}:  # muted or not
            return self._into(scope, node, 0, trail.around())
        if node.type == RECEIVER:
            return self._from_sender(scope, node, kind, trail.around())
        if node.mode == Mode.BYPASSED:
            passed = _passed_through(self.canvas.slots(scope, node), node, index, kind)
            return None if passed is None else self._into(scope, node, passed, trail.around())
        if node.mode == Mode.MUTED:
            return Cut()
        inner = self.canvas.inside(scope, node)
        if inner is None:
            return Link(scope.prefix + node.id, index)
        link = inner.graph.into(inner.graph.output_id, index)
        if link is None or (link.origin not in inner.graph.nodes and link.origin != inner.graph.input_id):
            return None
        return self._from(inner, link.origin, link.origin_slot, kind, trail)

    def _from_outside(self, scope: Scope, host: SavedNode, index: int, trail: _Trail) -> Origin:
        """What a subgraph's own input brings in: the wire into its node, or the value of a widget shown there."""
        origin = self._into(scope, host, index, trail)
        inner = self.canvas.inside(scope, host)
        if isinstance(origin, Constant):
            return replace(origin, of_host=True)
        if origin is not None or inner is None:
            return origin
        value = self._shown(inner, host, index)
        return None if value is None else Constant(value, of_host=True)

    def _shown(self, inner: Scope, host: SavedNode, index: int) -> Any:
        """The value of the widget on `host` that stands for one inside: its own, or that of the one inside."""
        found = inner.graph.input_widgets[index] if 0 <= index < len(inner.graph.inputs) else None
        if found is None:
            return None
        own = self._own(inner, host, index)
        return self._inner_value(inner, *found) if own is None else own

    def _own(self, inner: Scope, host: SavedNode, index: int) -> Any:
        """What a host itself says of its input `index`; None where it leaves that to the node inside."""
        name = inner.graph.inputs[index].name
        outer = inner.host[0] if inner.host else inner
        if (around := self.canvas.shown_inside(outer).get(host.id, {}).get(name)) is not None:
            return around
        if name in (own := host.shown_values.get(OWN, {})):
            return own[name]
        if host.named is not None:
            return host.named.get(name)
        if host.shown_widgets is not None:
            return None
        position = inner.graph.widget_places[index]
        return host.positional[position] if position < len(host.positional) else None

    def _inner_value(self, inner: Scope, node: SavedNode, name: str) -> Any:
        deeper = self.canvas.inside(inner, node)
        if deeper is None:
            return self.value_of(inner, node, name)
        place = deeper.graph.input_places.get(name)
        return None if place is None else self._shown(deeper, node, place)

    def _from_sender(self, scope: Scope, receiver: SavedNode, kind: str, trail: _Trail) -> Origin:
        """A pair of nodes that share a name stands for a wire; the inner of two canvases counts."""
        place: Scope | None = scope
        while place is not None:
            node = place.graph.senders.get(repr(receiver.positional[:1]))
            if node is not None:
                return self._from(place, node.id, 0, kind, trail)
            place = place.host[0] if place.host else None
        self.tell(
            scope, receiver, "", f"nothing is sent under the name that it is to receive, {receiver.positional[:1]}"
        )
        return None


def _passed_through(slots: tuple[Slot, ...], node: SavedNode, index: int, kind: str) -> int | None:
    """Which input a bypassed node hands on to an output: the one opposite where it fits, else the first that fits."""
    leaving = node.outputs[index].type if index < len(node.outputs) else kind
    if kind in ("*", ""):
        return (index if index < len(slots) else 0) if slots else None
    fitting = [i for i, slot in enumerate(slots) if fits(slot.type, leaving) and fits(slot.type, kind)]
    if index in fitting:
        return index
    exact = [i for i, slot in enumerate(slots) if slot.type == kind]
    return next(iter((*exact, *fitting)), None)
