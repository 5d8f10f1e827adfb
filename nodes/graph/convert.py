"""From a canvas as it is saved to a graph as it is run.

A canvas holds more than what runs: notes, reroutes, nodes that stand for one value, muted and bypassed nodes, and
subgraphs. What is left of them is a wire's true origin, or a value. Each input of each node that runs is followed to
one of these here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from ...fomm_core.errors import GraphError
from .groups import group_definition
from .model import Graph, Link, ModelFile, Node, Problem
from .saved import GROUP_PREFIXES, Mode, SavedGraph, SavedNode, Slot
from .schemas import Schemas
from .texts import filled_name, first_alternatives
from .widgets import Input, named_values

NOTES = frozenset({"Note", "MarkdownNote", "Label (rgthree)", "Bookmark (rgthree)"})
SWITCHBOARDS = frozenset(
    f"Fast {what} (rgthree)" for what in ("Muter", "Bypasser", "Groups Muter", "Groups Bypasser", "Actions Button")
)
REROUTES = frozenset({"Reroute", "Reroute (rgthree)"})
PRIMITIVE, SENDER, RECEIVER = "PrimitiveNode", "SetNode", "GetNode"
CANVAS_ONLY = NOTES | SWITCHBOARDS | REROUTES | {PRIMITIVE, SENDER, RECEIVER}
"""Nodes that exist on the canvas alone; no server knows them."""

TOO_MANY = (
    "saved with {} more values than it has widgets: by another version of this node. Look through its values, then "
    "save the graph again"
)

NAMED_BY_GRAPH = frozenset(
    {
        *("SaveImage", "SaveAnimatedPNG", "SaveAnimatedWEBP", "SaveWEBM", "SaveAudio", "SaveGLB", "SaveLatent"),
        *("CLIPSave", "LoraSave", "ModelSave", "VAESave"),
    }
)
"""Classes whose names of files may hold values of the graph: `%KSampler.seed%`."""

DEEPEST = 32
"""Subgraphs inside subgraphs; more than this is a subgraph that holds itself."""


@dataclass(frozen=True)
class Constant:
    """What an input gets in place of a wire."""

    value: Any


class Cut:
    """A wire from a muted node: the input gets neither the wire nor the value that it had before it was wired."""


Origin = Link | Constant | Cut | None
"""What arrives in an input; None leaves it its own value."""


@dataclass(frozen=True)
class _Trail:
    """How an input was followed so far: the wires, and whether nothing but the walls of subgraphs lay between."""

    wires: frozenset[tuple[str, int]] = frozenset()
    direct: bool = True

    def around(self) -> _Trail:
        return replace(self, direct=False)


@dataclass(frozen=True)
class _Scope:
    """A canvas where it is used: the outermost, or a subgraph under the node that stands for it."""

    graph: SavedGraph
    prefix: str = ""
    host: tuple[_Scope, SavedNode] | None = None

    @property
    def depth(self) -> int:
        return self.prefix.count(":")


def convert(saved: SavedGraph, schemas: Schemas, *, now: datetime | None = None) -> Graph:
    """The graph that runs when this canvas is queued.

    Args:
        saved: the canvas.
        schemas: of all classes in it; nodes of other classes are kept as far as the file tells, and told in `problems`.
        now: for `%date:...%` in names of files; None leaves these as they are, so that the graph is the same every time.

    Returns:
        Nodes with the ids of the canvas; those inside of a subgraph have its node's id before theirs: "7:3".

    Raises:
        GraphError: a subgraph holds itself.
    """
    return _Converter(saved, schemas, now).graph()


@dataclass
class _Converter:
    saved: SavedGraph
    schemas: Schemas
    now: datetime | None = None
    problems: list[Problem] = field(default_factory=list)

    def graph(self) -> Graph:
        nodes = {node.id: node for node in self._nodes(_Scope(self.saved))}
        nodes = {name: self._with_texts(node, nodes) for name, node in nodes.items()}
        return Graph(nodes, tuple(dict.fromkeys(self.problems)))

    def _nodes(self, scope: _Scope) -> Iterator[Node]:
        for name in scope.graph.repeated:
            self.problems.append(
                Problem("error", "several nodes have this id; the last of them counts", scope.prefix + name)
            )
        for node in scope.graph.nodes.values():
            if node.mode in (Mode.MUTED, Mode.BYPASSED) or node.type in CANVAS_ONLY:
                continue
            inner = self._inside(scope, node)
            if inner is not None:
                yield from self._nodes(inner)
            else:
                yield self._node(scope, node)

    def _node(self, scope: _Scope, node: SavedNode) -> Node:
        made = Node(
            id=scope.prefix + node.id,
            type=node.type,
            title=self._title(node),
            inputs=self._values(scope, node),
            pack=node.pack,
            models=_models(node),
        )
        inputs = dict(made.inputs)
        for index, slot in enumerate(self._slots(scope, node)):
            origin = self._into(scope, node, index, _Trail())
            if isinstance(origin, Cut):
                inputs.pop(slot.name, None)
            elif origin is not None:
                inputs[slot.name] = origin.value if isinstance(origin, Constant) else origin
        return replace(made, inputs=inputs)

    # Values

    def _values(self, scope: _Scope, node: SavedNode) -> Mapping[str, Any]:
        if node.type not in self.schemas.entries:
            return self._guessed_values(scope, node)
        values = named_values(node.type, self.schemas.inputs(node.type), node.values)
        if values.surplus:
            self._tell(scope, node, "warning", TOO_MANY.format(values.surplus))
        for name in values.missing if node.values else ():
            self._tell(scope, node, "warning", f"saved before it had this; set to {values.inputs[name]!r}", name)
        return values.inputs

    def _guessed_values(self, scope: _Scope, node: SavedNode) -> Mapping[str, Any]:
        """What newer files tell of a class without its schema: the names of its widgets."""
        self._tell(scope, node, "error", unknown(node.type, node.pack))
        if isinstance(node.values, Mapping):
            return dict(node.values)
        inputs = [Input(slot.name, "INT", {}, False) for slot in node.inputs if slot.widget]
        values = named_values(node.type, inputs, node.values)
        return {} if values.surplus or values.missing else values.inputs

    def _with_texts(self, node: Node, nodes: Mapping[str, Node]) -> Node:
        """What the canvas does to texts before it sends them."""

        def value_of(name: str, widget: str) -> Any:
            named = [other for other in nodes.values() if other.type == name] or [
                other for other in nodes.values() if other.title == name
            ]
            value = named[0].inputs.get(widget) if named else None
            return None if isinstance(value, Link) else value

        texts = {}
        for entry in self.schemas.inputs(node.type):
            value = node.inputs.get(entry.name)
            if not isinstance(value, str):
                continue
            if entry.options.get("dynamicPrompts"):
                texts[entry.name], chosen = first_alternatives(value)
                if chosen:
                    message = "of its alternatives in braces, {this|that}, the first is taken; a canvas draws one"
                    self.problems.append(Problem("warning", message, node.id, node.title, entry.name))
            elif entry.name == "filename_prefix" and node.type in NAMED_BY_GRAPH:
                texts[entry.name] = filled_name(value, value_of, self.now)
        return replace(node, inputs={**node.inputs, **texts}) if texts else node

    # Wires

    def _slots(self, scope: _Scope, node: SavedNode) -> tuple[Slot, ...]:
        """The inputs of a node as a canvas has them: what must be wired, then widgets, then what only the file has."""
        definition = self._definition(node)
        if definition is not None:
            declared = definition.inputs
        elif node.type in self.schemas.entries:
            inputs = self.schemas.inputs(node.type)
            ordered = [*(i for i in inputs if not i.is_widget), *(i for i in inputs if i.is_widget)]
            declared = tuple(Slot(i.name, i.type, widget=i.name if i.is_widget else "") for i in ordered)
        else:
            return node.inputs
        by_name = {slot.name: slot for slot in node.inputs}
        known = tuple(
            replace(slot, link=by_name[slot.name].link) if slot.name in by_name else slot for slot in declared
        )
        names = {slot.name for slot in declared}
        return (*known, *(slot for slot in node.inputs if slot.name not in names))

    def _into(self, scope: _Scope, node: SavedNode, index: int, trail: _Trail) -> Origin:
        """What arrives in an input."""
        slots = self._slots(scope, node)
        if index >= len(slots) or slots[index].link is None:
            return None
        slot = slots[index]
        link = scope.graph.links.get(slot.link) if slot.link is not None else None
        if link is None:
            self._tell(scope, node, "error", f"its wire {slot.link} is not in the file. Wire it again", slot.name)
            return None
        wire = (scope.prefix, slot.link or 0)
        if wire in trail.wires:
            self._tell(scope, node, "error", "its wire runs in a circle through nodes that do nothing", slot.name)
            return None
        trail = replace(trail, wires=trail.wires | {wire})
        return self._from(scope, link.origin, link.origin_slot, slot.type, trail, (node, slot.name))

    def _from(
        self,
        scope: _Scope,
        name: str,
        index: int,
        kind: str,
        trail: _Trail,
        asked: tuple[SavedNode, str],
    ) -> Origin:
        """What leaves an output; `kind` is the wire type that the input asks for."""
        if scope.host is not None and name == scope.graph.input_id:
            return self._from_outside(*scope.host, index, trail)
        node = scope.graph.nodes.get(name)
        if node is None:
            self._tell(scope, asked[0], "error", f"its wire comes from node {name}, which is not there", asked[1])
            return None
        if node.type == PRIMITIVE:  # it sets widgets that are wired to it, and nothing further on
            return Constant(node.positional[0]) if trail.direct and node.positional else None
        if node.type in NOTES | SWITCHBOARDS:
            return None
        if node.type in REROUTES | {SENDER}:  # muted or not
            return self._into(scope, node, 0, trail.around())
        if node.type == RECEIVER:
            return self._from_sender(scope, node, kind, trail.around())
        if node.mode == Mode.BYPASSED:
            passed = _passed_through(self._slots(scope, node), node, index, kind)
            return None if passed is None else self._into(scope, node, passed, trail.around())
        if node.mode == Mode.MUTED:
            return Cut()
        inner = self._inside(scope, node)
        if inner is None:
            return Link(scope.prefix + node.id, index)
        link = inner.graph.into(inner.graph.output_id, index)
        if link is None:
            return None
        return self._from(inner, link.origin, link.origin_slot, kind, trail, asked)

    def _from_outside(self, scope: _Scope, host: SavedNode, index: int, trail: _Trail) -> Origin:
        """What a subgraph's own input brings in: the wire into its node, or the value of a widget shown there."""
        slots = self._slots(scope, host)
        if index < len(slots) and slots[index].link is not None:
            origin = self._into(scope, host, index, trail)
            if origin is not None:
                return origin
        inner = self._inside(scope, host)
        value = None if inner is None else self._shown(inner, host, index)
        return None if value is None else Constant(value)

    def _shown(self, inner: _Scope, host: SavedNode, index: int) -> Any:
        """The value of the widget on `host` that stands for one inside: its own, or that of the one inside."""
        if not _inner_widget(inner.graph, index):
            return None
        position = sum(bool(_inner_widget(inner.graph, before)) for before in range(index))
        if position < len(host.positional):
            return host.positional[position]
        node, name = _inner_widget(inner.graph, index)[0]
        deeper = self._inside(inner, node)
        if deeper is None:
            return self._values(inner, node).get(name)
        names = [slot.name for slot in deeper.graph.inputs]
        return self._shown(deeper, node, names.index(name)) if name in names else None

    def _from_sender(self, scope: _Scope, receiver: SavedNode, kind: str, trail: _Trail) -> Origin:
        """A pair of nodes that share a name stands for a wire; the inner of two canvases counts."""
        place: _Scope | None = scope
        while place is not None:
            for node in place.graph.nodes.values():
                if node.type == SENDER and node.values == receiver.values:
                    return self._from(place, node.id, 0, kind, trail, (receiver, ""))
            place = place.host[0] if place.host else None
        self._tell(scope, receiver, "error", f"no node sends what it is to receive, {list(receiver.positional)}")
        return None

    # Subgraphs

    def _definition(self, node: SavedNode) -> SavedGraph | None:
        if node.type in self.saved.definitions:
            return self.saved.definitions[node.type]
        for prefix in GROUP_PREFIXES:
            name = node.type.removeprefix(prefix)
            if name != node.type and name in self.saved.groups:
                return group_definition(name, self.saved.groups[name], node, self.schemas)
        return None

    def _inside(self, scope: _Scope, node: SavedNode) -> _Scope | None:
        """The canvas that a node stands for; None for an ordinary node."""
        definition = self._definition(node)
        if definition is None:
            return None
        if scope.depth >= DEEPEST:
            raise GraphError(f"expected subgraphs that end somewhere; “{definition.name}” holds itself.")
        return _Scope(definition, f"{scope.prefix}{node.id}:", (scope, node))

    def _tell(self, scope: _Scope, node: SavedNode, severity: Any, message: str, port: str = "") -> None:
        self.problems.append(Problem(severity, message, scope.prefix + node.id, self._title(node), port))

    def _title(self, node: SavedNode) -> str:
        return node.title or self.schemas.title(node.type)


def unknown(kind: str, pack: str) -> str:
    """What to say of a class that is in no schema."""
    origin = f"the pack “{pack}” has it" if pack else "a pack has it that is not named in the file"
    return (
        f"expected a known class of node; “{kind}” is none here ({origin}). Give the /object_info of a ComfyUI with "
        "that pack (--object-info)"
    )


def _models(node: SavedNode) -> tuple[ModelFile, ...]:
    noted = node.properties.get("models")
    entries = [entry for entry in noted if isinstance(entry, Mapping)] if isinstance(noted, list) else []
    return tuple(ModelFile(*(str(entry.get(key) or "") for key in ("name", "directory", "url"))) for entry in entries)


def _inner_widget(graph: SavedGraph, index: int) -> list[tuple[SavedNode, str]]:
    """The widgets, as (node, name), that the input `index` of a subgraph stands for."""
    found = []
    for link in graph.out_of(graph.input_id, index):
        node = graph.nodes.get(link.target)
        if node is not None and link.target_slot < len(node.inputs) and node.inputs[link.target_slot].widget:
            found.append((node, node.inputs[link.target_slot].name))
    return found


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


def fits(one: str, other: str) -> bool:
    """Whether a wire may join two types: equal, "*" for any, or a list of which one fits."""
    ours, theirs = (set(kind.lower().split(",")) for kind in (one, other))
    return bool(ours & theirs) or bool((ours | theirs) & {"*", ""})
