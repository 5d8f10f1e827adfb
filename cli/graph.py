"""`fomm graph`: a workflow as ComfyUI's canvas saves it, turned into the form that servers run."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ..fomm_core.wording import counted
from .schemas import add_schema_arguments, known_schemas
from .terminal import say

EPILOG = """\
examples:
  fomm graph workflow.json -o workflow_api.json
  fomm graph rendered.png -o workflow_api.json              the workflow that made an image or clip
  fomm graph workflow.json -o api.json --object-info http://127.0.0.1:8188
  fomm graph workflow.json | jq .                           to standard output

Reroutes, primitives, notes, muted and bypassed nodes, group nodes and subgraphs are resolved. `fomm check` finds
what is wrong with a graph.
"""


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser(
        "graph",
        parents=[common],
        help="convert a saved workflow to ComfyUI's API format",
        description="Convert a workflow as saved by ComfyUI, or carried by an image or clip, to the API format.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("graph", metavar="GRAPH", type=Path, help="JSON, or a PNG, WebP, MP4, WebM... with a workflow")
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=Path, help="where to write it (default: standard output)"
    )
    parser.add_argument("-y", "--overwrite", action="store_true", help="replace FILE if it exists")
    parser.add_argument("--force", action="store_true", help="write it even if something is wrong with it")
    add_schema_arguments(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Convert; returns the exit code, 1 where the graph is wrong and nothing was written."""
    from ..fomm_core.files import atomic_path, check_new
    from ..graph.reading import read_graph

    target: Path | None = arguments.output
    if target is not None:
        check_new(target, overwrite=arguments.overwrite)
    graph = read_graph(arguments.graph, known_schemas(arguments))
    for problem in graph.problems:
        say(str(problem))
    if any(problem.severity == "error" for problem in graph.problems) and not arguments.force:
        say("nothing was written: it would run differently from what was saved. Use --force to write it anyway.")
        return 1
    text = json.dumps(graph.to_api(), indent=2, ensure_ascii=False) + "\n"
    if target is None:
        print(text, end="")
        return 0
    with atomic_path(target) as temporary:
        temporary.write_text(text, encoding="utf-8")
    if not arguments.quiet:
        print(f"{target.resolve()}: {counted(len(graph.nodes), 'node')}")
    return 0
