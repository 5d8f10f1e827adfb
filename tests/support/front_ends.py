"""Workflows with what ComfyUI's own front end made of them, and when two conversions are the same."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from fomm_nodes.graph.saved import saved_graph
from fomm_nodes.graph.schemas import Schemas
from fomm_nodes.graph.widgets import inputs_now


def real_workflows() -> list[Path]:
    """Of the folders that FOMM_WORKFLOWS names, one or several."""
    named = os.environ.get("FOMM_WORKFLOWS", "")
    return [Path(folder) for folder in named.split(os.pathsep) if folder]


def is_as_the_front_end_has_it(made: dict[str, Any], path: Path, info: Schemas) -> bool:
    """Whether a conversion of a workflow (`ui/NAME`) is the front end's (`api/NAME`)."""
    wanted = json.loads((path.parents[1] / "api" / path.name).read_text(encoding="utf-8"))
    if saved_graph(json.loads(path.read_text(encoding="utf-8"))).names_values:
        return comparable(made, info) == comparable(wanted, info)
    return made == wanted


def comparable(prompt: dict[str, Any], info: Schemas) -> dict[str, Any]:
    """Without titles, and inputs that the class does not have: a canvas sends some of its own. 1 and 1.0 are equal."""
    found = {}
    for name, node in prompt.items():
        dynamic = [entry.name for entry in info.inputs(node["class_type"]) if entry.is_dynamic]
        known = {entry.name for entry in inputs_now(info.inputs(node["class_type"]), node["inputs"])}
        of_class = {
            port: value
            for port, value in node["inputs"].items()
            if port in known or any(port.startswith(f"{stem}.") for stem in dynamic)
        }
        found[name] = {"class_type": node["class_type"], "inputs": of_class}
    return found
