"""The nodes that the local engine can run: our blocks, and ComfyUI's core nodes, seen alike."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...graph.model import Graph, Link, Node
from ...graph.types import ANY, COMBO, fits
from ...nodes.declarations import BY_ID
from ...nodes.hosts.headless.comfy_nodes import CORE_NODES, UPLOADS, CoreNode
from ...nodes.hosts.headless.host import HeadlessHost
from ...nodes.hosts.requirements import lacking
from ...nodes.spec import NodeSpec
from ..engine import JobError


@dataclass(frozen=True)
class Kind:
    """A class of node."""

    declared: NodeSpec | CoreNode

    @property
    def is_output(self) -> bool:
        """Whether it runs for its own sake."""
        return self.declared.is_output or self.is_preview

    @property
    def is_preview(self) -> bool:
        """Whether it only shows something."""
        if isinstance(self.declared, NodeSpec):
            return self.declared.shows is not None
        return self.declared.is_preview

    @property
    def outputs(self) -> tuple[str, ...]:
        """The type of each output."""
        if isinstance(self.declared, NodeSpec):
            return tuple(port.types[0] for port in self.declared.outputs)
        return tuple(kind for kind, _ in (*self.declared.outputs, *self.declared.more_outputs))

    def accepts(self, port: str) -> str:
        """The wire types that fit a port, with commas between; any where it has no such port."""
        if isinstance(self.declared, NodeSpec):
            return next((",".join(declared.types) for declared in self.declared.inputs if declared.id == port), ANY)
        kind = self.declared.entries.get(port, (ANY,))[0]
        return kind if isinstance(kind, str) else COMBO

    def run(self, host: HeadlessHost, values: Mapping[str, Any]) -> tuple[Any, ...]:
        """Check the inputs and run; raises what the node raises."""
        if isinstance(self.declared, NodeSpec):
            checked = self.declared.check(host, values)
        else:
            checked = self.declared.check(values)
        return self.declared.run(host, **checked)

    def state(self, host: HeadlessHost, node: Node) -> str | None:
        """A text that changes with the files that a node reads; None where that can't be known beforehand."""
        if isinstance(self.declared, NodeSpec):
            if self.declared.fingerprint is None:
                return ""
            return self.declared.fingerprint(host, {**node.inputs})
        state = ""
        for port, entry in self.declared.entries.items():
            if len(entry) > 1 and any(entry[1].get(upload) for upload in UPLOADS):
                if isinstance(node.inputs.get(port), Link):
                    return None
                stat = (path := host.input_file(node.inputs[port])).stat()
                state += f"{path}:{stat.st_mtime_ns}:{stat.st_size};"
        return state


def kind_of(name: str) -> Kind | None:
    """The class of that name; None where the local engine has none."""
    declared = BY_ID.get(name) or CORE_NODES.get(name)
    return None if declared is None else Kind(declared)


def kinds_of(graph: Graph, *, previews: bool = False) -> tuple[tuple[str, ...], dict[str, Kind]]:
    """The nodes that have to run, in order, and the class of each. What only shows something runs
    where nothing saves, or where `previews` are wanted.

    Raises:
        JobError: Nothing is saved, a node is unknown, or a wire does not fit.
        GraphError: Wires run in a circle, or come from nowhere.
    """
    found = {name: kind for name, node in graph.nodes.items() if (kind := kind_of(node.type)) is not None}
    wanted = [name for name, kind in found.items() if kind.is_output and not kind.is_preview]
    if previews or not wanted:
        wanted += [name for name, kind in found.items() if kind.is_preview]
    order = graph.order((*wanted, *_ends(graph).difference(found)))
    strangers = sorted(f"{graph.nodes[name].type} ({graph.nodes[name].name})" for name in order if name not in found)
    if strangers:
        raise JobError(
            f"expected nodes of this pack and ComfyUI's own for images, masks, videos and audio; the local engine "
            f"has no {', '.join(strangers)}. Run this graph on ComfyUI: --server URL or --comfyui DIR.",
            retryable=False,
        )
    if not wanted:
        raise JobError("expected a node that saves something, such as Save Video; there is none.", retryable=False)
    for name in order:
        _check_wires(graph.nodes[name], found)
        if missing := lacking(graph.nodes[name].type):
            raise JobError(f"{graph.nodes[name].name}: {missing}", retryable=False, node=graph.nodes[name].title)
    return order, {name: found[name] for name in order}


def _ends(graph: Graph) -> set[str]:
    """Nodes from which no wire leads on: an unknown one of them may be one that saves."""
    return set(graph.nodes) - {link.node for node in graph.nodes.values() for _, link in node.links()}


def _check_wires(node: Node, kinds: Mapping[str, Kind]) -> None:
    for port, link in node.links():
        given, wanted = kinds[link.node].outputs, kinds[node.id].accepts(port)
        if not 0 <= link.slot < len(given):
            raise JobError(
                f"{node.name}: the wire into “{port}” comes from output {link.slot}, but that node has {len(given)}.",
                retryable=False,
                node=node.title,
            )
        if not fits(given[link.slot], wanted):
            raise JobError(
                f"{node.name}: “{port}” expects {' or '.join(wanted.split(','))}; its wire brings {given[link.slot]}.",
                retryable=False,
                node=node.title,
            )


def content_key(node: Node, state: str | None, keys: Mapping[str, str | None]) -> str | None:
    """A hash of all that a node's result depends on; None where that can't be known before it runs."""
    if state is None:
        return None
    inputs: dict[str, Any] = {}
    for port, value in sorted(node.inputs.items()):
        if isinstance(value, Link):
            if (upstream := keys[value.node]) is None:
                return None
            value = [upstream, value.slot]
        inputs[port] = value
    told = json.dumps([node.type, inputs, state], sort_keys=True, default=str)
    return hashlib.sha256(told.encode()).hexdigest()
