"""From a canvas as it is saved to a graph as it is run.

A canvas holds more than what runs: notes, reroutes, nodes that stand for one value, muted and bypassed nodes, and
subgraphs. What is left of them is a wire's true origin, or a value. `wires` finds these for each input of each node
that runs; here are the nodes and their values. What comes out is what ComfyUI's own front end sends, version 1.27.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from ...fomm_core.errors import GraphError
from .canvas import CANVAS_ONLY, Canvas, Scope
from .model import MOST_NODES, Graph, Link, ModelFile, Node, Problem, Severity
from .saved import Mode, SavedGraph, SavedNode
from .schemas import Schemas, unknown
from .texts import filled_name, first_alternatives
from .widgets import Input, named_values
from .wires import Constant, Cut, Wires

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

    def __post_init__(self) -> None:
        self.schemas = self.canvas.schemas
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

    def _nodes(self, scope: Scope) -> Iterator[Node]:
        for name in scope.graph.repeated:
            self._fault(scope, scope.graph.nodes[name], "", "several nodes have this id; the last of them counts")
        for node in scope.graph.nodes.values():
            if node.mode in (Mode.MUTED, Mode.BYPASSED) or node.type in CANVAS_ONLY:
                continue
            inner = self.canvas.inside(scope, node)
            if inner is not None:
                yield from self._nodes(inner)
            else:
                yield self._node(scope, node)

    def _node(self, scope: Scope, node: SavedNode) -> Node:
        inputs = dict(self._values(scope, node))
        for index, slot in enumerate(self.canvas.slots(scope, node)):
            origin = self.wires.into(scope, node, index)
            if isinstance(origin, Cut):
                inputs.pop(slot.name, None)
            elif origin is not None:
                inputs[slot.name] = origin.value if isinstance(origin, Constant) else origin
        return Node(
            id=scope.prefix + node.id,
            type=node.type,
            title=self._title(node),
            inputs=inputs,
            pack=node.pack,
            models=_models(node),
        )

    # Values

    def _values(self, scope: Scope, node: SavedNode) -> Mapping[str, Any]:
        """Of its widgets, as a server is sent them."""
        if node.type not in self.schemas:
            return self._guessed_values(scope, node)
        values = named_values(node.type, self.schemas.inputs(node.type), node.values)
        if values.surplus:
            self._tell(scope, node, "warning", TOO_MANY.format(values.surplus))
        for name in values.missing if node.values else ():
            self._tell(scope, node, "warning", f"saved before it had this; set to {values.inputs[name]!r}", name)
        return {**values.inputs, **_shown_outside(scope, node)}

    def _guessed_values(self, scope: Scope, node: SavedNode) -> Mapping[str, Any]:
        """What newer files tell of a class without its schema: the names of its widgets."""
        self._fault(scope, node, "", unknown(node.type, node.pack))
        if isinstance(node.values, Mapping):
            return dict(node.values)
        inputs = [Input(slot.name, "INT", {}, False) for slot in node.inputs if slot.widget]
        values = named_values(node.type, inputs, node.values)
        return {} if values.surplus or values.missing else values.inputs

    def _with_texts(self, node: Node, by_name: Mapping[str, Node]) -> Node:
        """What the canvas does to texts before it sends them."""

        def value_of(name: str, widget: str) -> Any:
            value = by_name[name].inputs.get(widget) if name in by_name else None
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

    # Words

    def _fault(self, scope: Scope, node: SavedNode, port: str, message: str) -> None:
        self._tell(scope, node, "error", message, port)

    def _tell(self, scope: Scope, node: SavedNode, severity: Severity, message: str, port: str = "") -> None:
        self.problems.append(Problem(severity, message, scope.prefix + node.id, self._title(node), port))

    def _title(self, node: SavedNode) -> str:
        return node.title or self.schemas.title(node.type)


def _shown_outside(scope: Scope, node: SavedNode) -> Mapping[str, Any]:
    """The values that a node inside of a subgraph has from the node that stands for it; null stands for its own."""
    host = None if scope.host is None else scope.host[1]
    values = {} if host is None or host.shown_widgets is None else host.shown_values.get(node.id, {})
    return {name: value for name, value in values.items() if value is not None}


def _models(node: SavedNode) -> tuple[ModelFile, ...]:
    noted = node.properties.get("models")
    entries = [entry for entry in noted if isinstance(entry, Mapping)] if isinstance(noted, list) else []
    return tuple(ModelFile(*(str(entry.get(key) or "") for key in ("name", "directory", "url"))) for entry in entries)
