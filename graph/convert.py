"""From a canvas as it is saved to a graph as it is run.

A canvas holds more than what runs: notes, reroutes, nodes that stand for one value, muted and bypassed nodes, and
subgraphs. What is left of them is a wire's true origin, or a value. `wires` finds these for each input of each node
that runs; here are the nodes and their values. What comes out is what ComfyUI's own front end sends, versions 1.27 to
1.58.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from ..fomm_core.errors import GraphError
from .canvas import Canvas, Scope
from .canvas_nodes import CANVAS_ONLY, Mode
from .model import MOST_NODES, Graph, Link, ModelFile, Node, Problem, Severity
from .saved import SavedGraph, SavedNode
from .schemas import Schemas, unknown, unknown_but_named
from .texts import filled_name, first_alternatives
from .unknown_classes import CUSTOM_COMBO, PROMPTS, combo_values, custom_combo, guessed_values, wrapped
from .widget_kinds import CURVE
from .widgets import inputs_now, named_values
from .wires import Constant, Cut, Wires

TOO_MANY = (
    "saved with {} more values than it has widgets: by another version of this node. Look through its values, then "
    "save the graph again"
)
UNKNOWN_INPUT = "kept as it was saved; its class has no such input here"
CONTRADICTION = (
    "saved with other values by name than by position, as a program leaves them that changes but one of the two; those "
    "by name are taken"
)
NAMED_BY_GRAPH = frozenset(
    {
        *("SaveImage", "SaveAnimatedPNG", "SaveAnimatedWEBP", "SaveWEBM", "SaveAudio", "SaveGLB", "SaveLatent"),
        *("CLIPSave", "LoraSave", "ModelSave", "VAESave"),
    }
)
"""Classes whose names of files may hold values of the graph: `%KSampler.seed%`."""


def convert(saved: SavedGraph, schemas: Schemas, *, now: datetime | None = None) -> Graph:
    """The graph that runs when this canvas is queued.

    Args:
        saved: the canvas.
        schemas: of all classes in it; nodes of others are kept as far as the file tells, and told in `problems`.
        now: for `%date:...%` in names of files; None leaves these as they are, so that the graph is always the same.

    Returns:
        Nodes with the ids of the canvas; those inside of a subgraph have its node's id before theirs: "7:3".

    Raises:
        GraphError: a subgraph holds itself, or it is all too much.
    """
    try:
        return _Converter(Canvas(saved, schemas), now).graph()
    except RecursionError:
        raise GraphError(
            "expected wires of a sensible length; some run through hundreds of nodes that do nothing."
        ) from None


@dataclass
class _Converter:
    canvas: Canvas
    now: datetime | None = None
    problems: list[Problem] = field(default_factory=list)
    untouched: set[tuple[str, str]] = field(default_factory=set)
    """Texts that a canvas sends as they are: (node, input)."""
    _handing_on: dict[int, bool] = field(default_factory=dict)
    """See `_only_hands_on`, by the identity of what `canvas` keeps: a subgraph looks the same wherever it stands."""

    def __post_init__(self) -> None:
        self.schemas = self.canvas.schemas
        self.names_values = self.canvas.saved.names_values
        self.wires = Wires(self.canvas, lambda scope, node, name: self._values(scope, node).get(name), self._fault)

    def graph(self) -> Graph:
        nodes: dict[str, Node] = {}
        for node in self._nodes(Scope(self.canvas.saved)):
            nodes[node.id] = node
            if len(nodes) > MOST_NODES:
                raise GraphError(f"expected at most {MOST_NODES:,} nodes; the subgraphs of this graph make more.")
        by_name = {node.title: node for node in reversed(nodes.values())}
        by_name |= {node.type: node for node in reversed(nodes.values())}
        texts = {name: self._with_texts(node, by_name) for name, node in nodes.items()}
        return Graph(texts, tuple(dict.fromkeys(self.problems)))

    def _nodes(self, scope: Scope, *, idle: bool = False) -> Iterator[Node]:
        for name in scope.graph.repeated:
            self._fault(scope, scope.graph.nodes[name], "", "several nodes have this id; the last of them counts")
        for node in scope.graph.nodes.values():
            if node.type in CANVAS_ONLY:
                continue
            inner = self.canvas.inside(scope, node)
            if node.mode in (Mode.MUTED, Mode.BYPASSED):
                if inner is not None and scope.host is not None and self._only_hands_on(inner):
                    yield from self._nodes(inner, idle=True)
            elif inner is not None:
                yield from self._nodes(inner, idle=idle)
            else:
                made = self._node(scope, node)
                yield replace(made, idle=True) if idle else made

    def _only_hands_on(self, scope: Scope) -> bool:
        """Whether nothing in a subgraph runs for its own sake.

        A canvas sends what is in a muted or bypassed subgraph that lies in another one. Nothing needs these nodes, so
        they do not run, unless they save or show something: only then they are left out here.
        """
        known = id(scope.graph)
        if known not in self._handing_on:
            self._handing_on[known] = self._nothing_runs(scope)
        return self._handing_on[known]

    def _nothing_runs(self, scope: Scope) -> bool:
        used = {(link.origin, link.origin_slot) for link in scope.graph.links.values()}
        return all(
            node.type in CANVAS_ONLY
            or (
                not self.schemas.is_output(node.type)
                and any((node.id, index) in used for index in range(len(node.outputs)))
                and ((inner := self.canvas.inside(scope, node)) is None or self._only_hands_on(inner))
            )
            for node in scope.graph.nodes.values()
        )

    def _node(self, scope: Scope, node: SavedNode) -> Node:
        name = scope.prefix + node.id
        inputs = dict(self._values(scope, node))
        for index, slot in enumerate(self.canvas.slots(scope, node)):
            if slot.link is None:
                continue
            origin = self.wires.into(scope, node, index)
            if isinstance(origin, Cut):
                inputs.pop(slot.name, None)
            elif isinstance(origin, Constant):
                inputs[slot.name] = origin.value
                if origin.of_host:
                    self.untouched.add((name, slot.name))
            elif origin is not None:
                inputs[slot.name] = origin
        if node.type == CUSTOM_COMBO:
            inputs = custom_combo(inputs, self._values(scope, node))
        return Node(
            id=name,
            type=node.type,
            title=self._title(node),
            inputs=inputs,
            pack=node.pack,
            models=_models(node),
        )

    # Values

    def _values(self, scope: Scope, node: SavedNode) -> Mapping[str, Any]:
        """Of its widgets, as a server is sent them."""
        if node.is_contradictory:
            self._tell(scope, node, "warning", CONTRADICTION)
        inner = scope.prefix + node.id
        outside = self.canvas.shown_inside(scope).get(node.id, {})
        self.untouched |= {(inner, name) for name in outside}
        if node.type not in self.schemas:
            return {**self._guessed_values(scope, node), **outside}
        inputs = self.schemas.inputs(node.type, now=node.is_recent)
        values = named_values(node.type, inputs, combo_values(node))
        if values.surplus:
            self._tell(scope, node, "warning", TOO_MANY.format(values.surplus))
        for name in values.unknown if node.type != CUSTOM_COMBO else ():
            self._tell(scope, node, "warning", UNKNOWN_INPUT, name)
        for name in values.missing if node.known_values else ():
            self._tell(scope, node, "warning", f"saved before it had this; set to {values.inputs[name]!r}", name)
        curves = {entry.name for entry in inputs_now(inputs, values.inputs) if entry.kind == CURVE}
        sent = {name: wrapped(CURVE, values.inputs[name]) for name in curves & values.inputs.keys()}
        return {**values.inputs, **sent, **outside}

    def _guessed_values(self, scope: Scope, node: SavedNode) -> Mapping[str, Any]:
        """What the file tells of a class without its schema."""
        found = guessed_values(node, names_values=self.names_values)
        severity: Severity = "error" if found.is_incomplete else "warning"
        message = unknown(node.type, node.pack) if found.is_incomplete else unknown_but_named(node.type, node.pack)
        self._tell(scope, node, severity, message)
        return found.inputs

    def _with_texts(self, node: Node, by_name: Mapping[str, Node]) -> Node:
        """What the canvas does to texts before it sends them."""

        def value_of(name: str, widget: str) -> Any:
            value = by_name[name].inputs.get(widget) if name in by_name else None
            return None if isinstance(value, Link) else value

        texts = {}
        prompts = self._prompts(node)
        for name, value in node.inputs.items():
            if not isinstance(value, str) or (node.id, name) in self.untouched:
                continue
            if name in prompts:
                texts[name], chosen = first_alternatives(value)
                if chosen:
                    message = "of its alternatives in braces, {this|that}, the first is taken; a canvas draws one"
                    self.problems.append(Problem("warning", message, node.id, node.title, name))
            elif name == "filename_prefix" and node.type in NAMED_BY_GRAPH:
                texts[name] = filled_name(value, value_of, self.now)
        return replace(node, inputs={**node.inputs, **texts}) if texts else node

    def _prompts(self, node: Node) -> frozenset[str]:
        """Inputs whose text may hold comments and alternatives."""
        if node.type not in self.schemas:
            return PROMPTS.get(node.type, frozenset())
        inputs = self.schemas.inputs_with(node.type, node.inputs)
        return frozenset(entry.name for entry in inputs if entry.options.get("dynamicPrompts"))

    # Words

    def _fault(self, scope: Scope, node: SavedNode, port: str, message: str) -> None:
        self._tell(scope, node, "error", message, port)

    def _tell(self, scope: Scope, node: SavedNode, severity: Severity, message: str, port: str = "") -> None:
        self.problems.append(Problem(severity, message, scope.prefix + node.id, self._title(node), port))

    def _title(self, node: SavedNode) -> str:
        return node.title or self.schemas.title(node.type, now=node.is_recent)


def _models(node: SavedNode) -> tuple[ModelFile, ...]:
    noted = node.properties.get("models")
    entries = [entry for entry in noted if isinstance(entry, Mapping)] if isinstance(noted, list) else []
    return tuple(ModelFile(*(str(entry.get(key) or "") for key in ("name", "directory", "url"))) for entry in entries)
