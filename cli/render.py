"""`fomm render`: a saved graph over many inputs."""

from __future__ import annotations

import argparse
import contextlib
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..fomm_core.wording import counted
from .animate import positive
from .batch_display import batch_display, clock
from .terminal import say

if TYPE_CHECKING:
    from ..batch.comfyui.engine import ComfyUIEngine
    from ..batch.jobs import Batch
    from ..batch.local.options import LocalOptions
    from ..batch.render import MakeEngine, Summary
    from ..graph.model import Graph
    from ..graph.schemas import Schemas
    from ..nodes.hosts.headless.files import Folders

EPILOG = """\
examples:
  fomm render animate.json --set "Load Image.image=portraits/*.png" --set "Load Video.file=clips/*.mp4" -o out
      every portrait with every clip; --zip takes the first with the first, the second with the second, ...

  fomm render animate.json --set "Animate.strength=0.5" --set "Animate.strength=1" --dry-run
      two values of one setting; --dry-run prints the jobs and renders nothing

  fomm render animate.json --jobs table.csv --input data --name "{Load Image.image}/{job}"
      a job for each row of a table with columns named like "Load Image.image"

  fomm render flux.json --set "CLIP Text Encode.text=a cat" --server http://gpu1:8188 --server http://gpu2:8188
  fomm render flux.json --comfyui ~/ComfyUI
      any graph, on running ComfyUI servers, or on one started for it

Repeat the command to render only what is missing or has changed. OUT/report.html shows the results.
Exit codes: 0 all jobs are done, 1 some failed (see the report), 2 wrong usage.
"""


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser(
        "render",
        parents=[common],
        help="run a saved graph over many inputs",
        description=(
            "Run a graph saved by ComfyUI over many inputs: each job exactly once, here or on several machines."
        ),
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "graph",
        metavar="GRAPH",
        type=Path,
        help="a workflow's .json (as saved or exported), or an image or video with it",
    )
    _add_job_arguments(parser.add_argument_group("jobs"))
    _add_file_arguments(parser.add_argument_group("files"))
    _add_local_arguments(parser.add_argument_group("engine: this machine"))
    _add_farm_arguments(parser.add_argument_group("engine: ComfyUI or Ray"))
    parser.set_defaults(run=run, usage_error=parser.error)


def _add_job_arguments(group: Any) -> None:
    group.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NODE.PORT=VALUE",
        help=(
            "NODE is the node's title, class or number. For a file port, a pattern below the input folder. "
            "Repeat it for several values"
        ),
    )
    group.add_argument("--zip", action="store_true", help="take values side by side instead of in all combinations")
    group.add_argument(
        "--jobs",
        type=Path,
        metavar="TABLE",
        help=".csv, .jsonl or .parquet with a row per job and a column per NODE.PORT; a column `output` names results",
    )
    group.add_argument(
        "--name",
        default="",
        metavar="TEMPLATE",
        help=(
            "template for output names, such as '{Load Image.image}/{Load Video.file}'; {job} is a number, "
            "{graph} the graph's name (default: whatever differs)"
        ),
    )
    group.add_argument("--dry-run", action="store_true", help="print the jobs and render nothing")
    group.add_argument("--retries", type=int, default=1, metavar="N", help="retries of a failed job (default: 1)")
    group.add_argument(
        "--timeout", type=float, metavar="SECONDS", help="time limit for each attempt at a job (default: none)"
    )


def _add_file_arguments(group: Any) -> None:
    group.add_argument(
        "-i",
        "--input",
        action="append",
        type=Path,
        metavar="DIR",
        help="folder of input files, the only ones that a graph may read (default: the current one). Repeatable",
    )
    group.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("output"),
        metavar="DIR",
        help="folder for the results (default: output)",
    )
    group.add_argument(
        "--models",
        action="append",
        default=[],
        type=Path,
        metavar="DIR",
        help="folder of models, such as ComfyUI/models",
    )
    group.add_argument("--no-report", action="store_true", help="do not write report.html")


def _add_local_arguments(group: Any) -> None:
    group.add_argument(
        "--workers",
        type=whole,
        default=1,
        metavar="N",
        help="worker processes, which may crash without harm (default: 1; 0: run in this process)",
    )
    group.add_argument("--device", default="auto", metavar="auto|cpu|cuda|mps", help="(default: auto)")
    group.add_argument(
        "--memory",
        type=float,
        default=2.0,
        metavar="GB",
        help="memory for results kept for later jobs, per worker (default: 2)",
    )
    group.add_argument("--max-frames", type=positive, metavar="N", help="largest clip in a graph (default: 20000)")
    group.add_argument(
        "--max-pixels", type=positive, metavar="N", help="largest image in a graph (default: 64 million)"
    )


def _add_farm_arguments(group: Any) -> None:
    group.add_argument("--server", action="append", default=[], metavar="URL", help="a running ComfyUI; repeatable")
    group.add_argument("--comfyui", action="append", default=[], type=Path, metavar="DIR", help="a ComfyUI to start")
    group.add_argument(
        "--max-download",
        type=positive,
        default=8,
        metavar="GB",
        help="largest files of one job to download from a server (default: 8)",
    )
    group.add_argument("--comfyui-python", metavar="FILE", help="its Python (default: that of its venv)")
    group.add_argument("--comfyui-args", default="", metavar="TEXT", help='its other options, such as "--lowvram"')
    group.add_argument(
        "--object-info",
        metavar="FILE|URL",
        help="the available nodes: a ComfyUI's /object_info (default: the server is asked)",
    )
    group.add_argument(
        "--ray",
        nargs="?",
        const="",
        metavar="ADDRESS",
        help="a Ray cluster; without an address, one is started here",
    )
    group.add_argument(
        "--cores",
        type=positive,
        default=1,
        metavar="N",
        help="CPU cores for each Ray worker without a GPU (default: 1)",
    )
    group.add_argument("--storage", metavar="URL", help="a folder that the whole cluster can reach: s3://bucket/folder")


def run(arguments: argparse.Namespace) -> int:
    """Render; returns the exit code."""
    from ..batch.driver import Callbacks, RetryPolicy
    from ..batch.jobs import Batch
    from ..batch.render import existing, run_batch
    from ..nodes.hosts.headless.files import Folders

    if arguments.retries < 0 or (arguments.timeout is not None and arguments.timeout <= 0):
        arguments.usage_error("expected --retries of at least 0 and --timeout above 0")
    folders = Folders(existing(arguments.input or [Path()]), existing(arguments.models))
    make_engine, comfyui = _engine(arguments, folders)
    with contextlib.nullcontext() if comfyui is None else comfyui:
        graph, name, schemas = _read(arguments, folders, comfyui)
        for problem in graph.problems:
            if problem.severity == "warning":
                say(str(problem))
        batch = Batch(
            graph=graph,
            name=name,
            schemas=schemas,
            folders=folders,
            output=arguments.output,
            settings=_settings(arguments),
            zipped=arguments.zip,
            table=arguments.jobs,
            template=arguments.name,
        )
        if arguments.dry_run:
            return _dry_run(batch)
        with batch_display(quiet=arguments.quiet) as display:
            callbacks = Callbacks(display.progress, display.finished, display.again, display.tick)
            summary = run_batch(
                batch,
                make_engine,
                retry=RetryPolicy(arguments.retries, arguments.timeout),
                callbacks=callbacks,
                started=display.started,
                report=not arguments.no_report,
            )
    return _tell(summary, quiet=arguments.quiet)


def whole(text: str) -> int:
    """A whole number from 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 0; got {text!r}")
    return int(text)


def _settings(arguments: argparse.Namespace) -> dict[str, list[str]]:
    from ..fomm_core.errors import GraphError
    from ..graph.settings import parse_setting

    found: dict[str, list[str]] = {}
    for text in arguments.set:
        try:
            setting = parse_setting(text)
        except GraphError as problem:
            arguments.usage_error(f"argument --set: {problem}")
        found.setdefault(setting.where, []).append(setting.value)
    return found


def _read(arguments: argparse.Namespace, folders: Folders, comfyui: ComfyUIEngine | None) -> tuple[Graph, str, Schemas]:
    """The graph, its name, and what its nodes look like; a ComfyUI is asked about those that we do not know."""
    from ..batch.render import local_schemas, read_any
    from ..graph.schemas import schemas_from, schemas_in

    schemas = local_schemas(folders)
    if arguments.object_info:
        schemas = schemas.merged(schemas_from(arguments.object_info))
    graph, name = read_any(arguments.graph, schemas)
    if comfyui is not None and not arguments.object_info and any(n.type not in schemas for n in graph.nodes.values()):
        schemas = schemas.merged(schemas_in(comfyui.object_info(), "the server"))
        graph, name = read_any(arguments.graph, schemas)
    return graph, name, schemas


def _engine(arguments: argparse.Namespace, folders: Folders) -> tuple[MakeEngine, ComfyUIEngine | None]:
    """What the options ask for: one kind of engine."""
    from ..batch.local.options import LocalOptions
    from ..batch.render import local_engine
    from ..nodes.hosts.headless.limits import Limits

    kinds = [bool(arguments.server or arguments.comfyui), arguments.ray is not None]
    if sum(kinds) > 1:
        arguments.usage_error("expected --ray, or --server and --comfyui, not both")
    if kinds[0]:
        comfyui = _comfyui(arguments)
        return lambda folder: comfyui, comfyui
    limits = Limits()
    limits = Limits(arguments.max_frames or limits.frames, arguments.max_pixels or limits.pixels, limits.held)
    options = LocalOptions(folders, arguments.device, limits, round(arguments.memory * 1e9))
    return (_ray(arguments, options) if kinds[1] else local_engine(options, arguments.workers)), None


def _comfyui(arguments: argparse.Namespace) -> ComfyUIEngine:
    from ..batch.comfyui.engine import ComfyUIEngine
    from ..batch.comfyui.process import Checkout

    further = tuple(shlex.split(arguments.comfyui_args))
    checkouts = [Checkout(folder, arguments.comfyui_python, further) for folder in arguments.comfyui]
    return ComfyUIEngine(arguments.server, checkouts, largest=arguments.max_download * 10**9)


def _ray(arguments: argparse.Namespace, local: LocalOptions) -> MakeEngine:
    from ..batch.ray.engine import RayEngine, RayOptions

    options = RayOptions(
        address=arguments.ray or None,
        cores=arguments.cores,
        storage=arguments.storage,
        models=tuple(str(folder.absolute()) for folder in local.folders.models),
    )
    return lambda folder: RayEngine(options, local)


def _dry_run(batch: Batch) -> int:
    from ..batch.jobs import Digests, Faulty, plan

    faults = count = 0
    for job in plan(batch, Digests(lambda state: "", lambda state, digest: None)):
        count += 1
        settings = ", ".join(f"{name}={value}" for name, value in job.settings.items())
        fault = f"  FAULTY: {job.message}" if isinstance(job, Faulty) else ""
        faults += bool(fault)
        print(f"{job.id}  {job.output.relative_to(batch.output).as_posix()}  {settings}{fault}")
    say(f"{counted(count, 'job')}{f', {faults} of them faulty' if faults else ''}; nothing was rendered.")
    return 1 if faults else 0


def _tell(summary: Summary, *, quiet: bool) -> int:
    if not quiet:
        before = f" ({summary.before} of them earlier)" if summary.before else ""
        left = f", {summary.left} left" if summary.left else ""
        page = f"; see {summary.report}" if summary.report else ""
        say(f"{summary.done} done{before}, {summary.failed} failed{left}; took {clock(summary.seconds)}{page}")
    return 0 if summary.complete else 1
