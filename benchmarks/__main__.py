"""Entry point: `python -m benchmarks speed`, `memory` or `farm` (see --help)."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path


def bind_checkout() -> None:
    """Make the checkout importable as `fomm_nodes` where it is not installed."""
    if importlib.util.find_spec("fomm_nodes") is not None:
        return
    root = Path(__file__).resolve().parent.parent
    spec = importlib.util.spec_from_file_location(
        "fomm_nodes", root / "__init__.py", submodule_search_locations=[str(root)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fomm_nodes"] = module
    spec.loader.exec_module(module)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    speed = commands.add_parser("speed", help="frames per CPU second against a loop like the published demo's")
    speed.add_argument("--rounds", type=int, default=7, help="frames of each way, taken in turn (default: %(default)s)")
    speed.add_argument("--size", type=int, default=256, help="side of the pictures (default: %(default)s)")
    speed.add_argument("--threads", type=int, default=1, help="threads (default: %(default)s)")
    speed.add_argument("--half", action="store_true", help="measure bfloat16 as well")
    speed.add_argument("--compile", action="store_true", help="measure compiled networks as well (minutes)")
    speed.add_argument("--trained", action="store_true", help="the built-in model instead of random vox-256 weights")
    memory = commands.add_parser("memory", help="peak memory of `fomm animate` for a short and a long clip")
    memory.add_argument("--short", type=int, default=200, help="frames of the short clip (default: %(default)s)")
    memory.add_argument("--long", type=int, default=2000, help="frames of the long clip (default: %(default)s)")
    farm = commands.add_parser("farm", help="jobs per minute of one and of two Ray workers on this machine")
    farm.add_argument("--jobs", type=int, default=16, help="(default: %(default)s)")
    farm.add_argument("--rounds", type=int, default=1, help="of both, in turn (default: %(default)s)")
    options = parser.parse_args()
    bind_checkout()
    if options.command == "speed":
        from .speed import measure

        measure(
            rounds=options.rounds,
            size=options.size,
            threads=options.threads,
            half=options.half,
            compile=options.compile,
            trained=options.trained,
        )
    elif options.command == "farm":
        from .farm import measure as measure_farm

        measure_farm(count=options.jobs, rounds=options.rounds)
    else:
        from .memory import measure as measure_memory

        measure_memory(short=options.short, long=options.long)


if __name__ == "__main__":
    main()
