"""What is wrong with a graph, found without running it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..fomm_core.errors import GraphError
from ..fomm_core.files import is_inside
from .collecting import uncollected
from .model import Graph, Link, ModelFile, Node, Problem, Severity
from .schemas import Schemas, unknown
from .types import fits
from .widgets import Input

WEIGHTS = re.compile(r"\.(safetensors|sft|ckpt|pt|pth|pth\.tar|bin|gguf|onnx)$", re.IGNORECASE)
PLACE = re.compile(r" \[(input|output|temp)\]$")
"""ComfyUI marks a file of another folder in its name: "face.png [output]"."""

SHOWN = 8
"""Choices that a message lists."""


@uncollected()
def check(
    graph: Graph, schemas: Schemas, *, input_folder: Path | None = None, models_folder: Path | None = None
) -> list[Problem]:
    """All that is wrong with a graph, in the order of its nodes.

    Args:
        graph: as read; what reading already found wrong is part of the answer.
        schemas: of the classes that there are where it is to run.
        input_folder: where the files that it loads should lie; None leaves them unchecked.
        models_folder: ComfyUI's `models`, where the weights that the graph's maker noted should lie; None likewise.

    Returns:
        Problems with severity "error" where the graph cannot run, or not as it was meant; "warning" otherwise.
    """
    found = list(graph.problems)
    for node in graph.nodes.values():
        if node.idle:
            continue
        if node.type in schemas:
            found += _Checked(graph, node, schemas, input_folder).problems()
        else:
            found.append(_problem(node, "error", unknown(node.type, node.pack)))
        found += _missing_models(node, models_folder)
    found += _circle(graph)
    if graph.nodes and not graph.outputs(schemas) and all(node.type in schemas for node in graph.nodes.values()):
        found.append(Problem("error", "expected a node that saves or shows something; there is none, so nothing runs"))
    return list(dict.fromkeys(found))


class _Checked:
    """One node against its class."""

    def __init__(self, graph: Graph, node: Node, schemas: Schemas, folder: Path | None) -> None:
        self.graph, self.node, self.schemas, self.folder = graph, node, schemas, folder

    def problems(self) -> Iterator[Problem]:
        for entry in self.schemas.inputs_with(self.node.type, self.node.inputs):
            value = self.node.inputs.get(entry.name)
            if isinstance(value, Link):
                yield from self._wire(entry, value)
            elif entry.name not in self.node.inputs:
                if entry.required and not entry.is_dynamic:
                    what = "no value" if entry.is_widget else "no wire"
                    yield self._tell(entry, "error", f"expected one; it has {what}")
            elif value is None and not entry.required:
                continue
            elif entry.is_widget:
                yield from self._value(entry, value)
            elif not entry.is_dynamic:
                yield self._tell(entry, "error", f"expected a wire that brings {entry.type}; got {value!r}")

    def _tell(self, entry: Input, severity: Severity, message: str) -> Problem:
        return _problem(self.node, severity, message, entry.name)

    def _wire(self, entry: Input, link: Link) -> Iterator[Problem]:
        origin = self.graph.nodes.get(link.node)
        if origin is None:
            yield self._tell(entry, "error", f"its wire comes from node {link.node}, which is not in the graph")
        elif origin.type in self.schemas:
            outputs = self.schemas.outputs(origin.type)
            if not 0 <= link.slot < len(outputs):
                yield self._tell(
                    entry, "error", f"its wire comes from output {link.slot} of {origin.name}, which has {len(outputs)}"
                )
            elif not entry.is_dynamic and not fits(outputs[link.slot], entry.type):
                wanted = " or ".join(entry.type.split(","))
                yield self._tell(entry, "error", f"expected {wanted}; {origin.name} gives {outputs[link.slot]}")

    def _value(self, entry: Input, value: Any) -> Iterator[Problem]:
        kind = str(entry.options.get("widgetType") or entry.type)
        if kind in ("INT", "FLOAT"):
            yield from self._number(entry, kind, value)
        elif kind == "BOOLEAN" and not isinstance(value, bool):
            yield self._tell(entry, "error", f"expected true or false; got {value!r}")
        elif kind == "STRING" and not isinstance(value, str):
            yield self._tell(entry, "error", f"expected text; got {value!r}")
        elif entry.is_file:
            yield from self._file(entry, value)
        elif entry.choices is not None:
            wanted = value if isinstance(value, list) and entry.options.get("multiselect") else [value]
            for one in wanted:
                if one not in entry.choices:
                    yield self._tell(entry, "error", self._no_choice(entry.choices, one))

    def _number(self, entry: Input, kind: str, value: Any) -> Iterator[Problem]:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            yield self._tell(entry, "error", f"expected a {'whole ' if kind == 'INT' else ''}number; got {value!r}")
            return
        if kind == "INT" and isinstance(value, float) and not value.is_integer():
            yield self._tell(entry, "error", f"expected a whole number; got {value}")
        low, high = entry.options.get("min", -math.inf), entry.options.get("max", math.inf)
        if not low <= value <= high:
            yield self._tell(entry, "error", f"expected {low} to {high}; got {value}")

    def _file(self, entry: Input, value: Any) -> Iterator[Problem]:
        if not isinstance(value, str) or not value:
            yield self._tell(entry, "error", f"expected the name of a file; got {value!r}")
            return
        place = PLACE.search(value)
        name = PLACE.sub("", value)
        if not is_inside(name):
            yield self._tell(entry, "error", f"expected a name inside the input folder; {name!r} leads elsewhere")
        elif place is not None and place[1] != "input":
            yield self._tell(entry, "warning", f"reads from the {place[1]} folder of the ComfyUI that it was made on")
        elif self.folder is not None:
            if not (self.folder / name).is_file():
                yield self._tell(entry, "error", f"expected a file in {self.folder}; '{name}' is not there")
        elif entry.choices and value not in entry.choices:
            yield self._tell(entry, "error", self._no_choice(entry.choices, value))

    def _no_choice(self, choices: tuple[Any, ...], value: Any) -> str:
        names = [str(choice) for choice in choices]
        listed = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
        noted = next((model for model in self.node.models if model.name == value), None)
        if noted is not None:
            return _missing(noted)
        if isinstance(value, str) and WEIGHTS.search(value):
            return f"the file {value!r} is missing; there {'is' if len(names) == 1 else 'are'} {listed or 'none'}"
        return f"expected one of {listed or 'nothing (the list is empty)'}; got {value!r}"


def _missing_models(node: Node, folder: Path | None) -> Iterator[Problem]:
    for model in node.models if folder is not None else ():
        assert folder is not None
        if is_inside(model.folder) and is_inside(model.name) and not (folder / model.folder / model.name).is_file():
            yield _problem(node, "error", _missing(model))


def _missing(model: ModelFile) -> str:
    source = f" from {model.url}" if model.url else ""
    return f"the file {model.name!r} is missing: put it{source} into models/{model.folder}"


def _circle(graph: Graph) -> Iterator[Problem]:
    """Whether wires run in a circle; those from nowhere are told with their nodes."""
    known = {
        name: Node(
            node.id, node.type, node.title, {port: link for port, link in node.links() if link.node in graph.nodes}
        )
        for name, node in graph.nodes.items()
    }
    try:
        Graph(known).order()
    except GraphError as problem:
        yield Problem("error", str(problem))


def _problem(node: Node, severity: Severity, message: str, port: str = "") -> Problem:
    return Problem(severity, message, node.id, node.title, port)
