"""`fomm check`: what is wrong with a graph, without running it."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..fomm_core.wording import counted
from .schemas import add_schema_arguments, known_schemas

if TYPE_CHECKING:
    from ..graph.model import Graph, Problem
    from ..graph.schemas import Schemas

EPILOG = """\
examples:
  fomm check workflow.json
  fomm check workflow.json --input images --models ComfyUI/models
  fomm check workflow.json --object-info http://127.0.0.1:8188     check against a ComfyUI, its packs and its files
  fomm check workflow.json --list                                  what can be set, as `--set` names it
  fomm check workflow.json --json

Exit code 1 if something would keep the graph from running; 0 if there are only warnings.
"""


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser(
        "check",
        parents=[common],
        help="find what is wrong with a saved graph",
        description="Check a graph without running it: unknown nodes, values, wires, missing files and models.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("graph", metavar="GRAPH", type=Path, help="JSON, or a PNG, WebP, MP4, WebM... with a workflow")
    parser.add_argument(
        "--input",
        metavar="DIR",
        type=Path,
        help="folder of the input files that the graph loads; without it, they are not checked",
    )
    parser.add_argument("--models", metavar="DIR", type=Path, help="ComfyUI's models folder, or one laid out like it")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--json", action="store_true", help="print a JSON list of problems")
    shown.add_argument("--list", action="store_true", help="print what can be set from outside instead")
    add_schema_arguments(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Check; returns the exit code, 1 where there is an error."""
    from ..graph.check import check
    from ..graph.reading import read_graph

    schemas = known_schemas(arguments, arguments.models)
    graph = read_graph(arguments.graph, schemas)
    if arguments.list:
        return _list(graph, schemas)
    problems = check(graph, schemas, input_folder=arguments.input, models_folder=arguments.models)
    if arguments.json:
        print(json.dumps([asdict(problem) for problem in problems], indent=2, ensure_ascii=False))
    else:
        _tell(graph, problems, quiet=arguments.quiet)
        if not arguments.quiet and arguments.input is None and (files := _files(graph, schemas)):
            print(f"files are checked only with --input FOLDER; not checked: {', '.join(files)}")
    return int(any(problem.severity == "error" for problem in problems))


def _tell(graph: Graph, problems: list[Problem], *, quiet: bool) -> None:
    for problem in problems:
        print(problem)
    if not quiet:
        errors = sum(problem.severity == "error" for problem in problems)
        counts = ((len(graph.nodes), "node"), (errors, "error"), (len(problems) - errors, "warning"))
        print(", ".join(counted(number, noun) for number, noun in counts))


def _files(graph: Graph, schemas: Schemas) -> list[str]:
    """The input files that a graph names, as “node.port: name”."""
    from ..batch.ports import file_ports

    named = [(str(port), port.node.inputs[port.port]) for port in file_ports(graph, schemas)]
    return [f"{port}: {name}" for port, name in named if isinstance(name, str) and name]


def _list(graph: Graph, schemas: Schemas) -> int:
    from ..graph.model import Link
    from ..graph.settings import targets

    for target in targets(graph, schemas):
        value = target.node.inputs.get(target.port)
        shown = f"from node {value.node}" if isinstance(value, Link) else json.dumps(value, ensure_ascii=False)
        print(f"{target.node.id}.{target.port}\t{target}\t{shown}")
    return 0
