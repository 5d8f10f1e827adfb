"""Entry point: `python -m benchmarks speed`, `memory` or `training` (see --help)."""

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
    training = commands.add_parser(
        "training", help="training steps per CPU second against one like the published code's"
    )
    training.add_argument(
        "--rounds", type=int, default=5, help="steps of each way, taken in turn (default: %(default)s)"
    )
    training.add_argument("--preset", default="demo", help="widths and losses (default: %(default)s)")
    training.add_argument("--size", type=int, default=64, help="side of the pictures (default: %(default)s)")
    training.add_argument("--batch", type=int, default=8, help="pairs in a step (default: %(default)s)")
    training.add_argument("--backbone", default="mobilenet_v2", help="of the perceptual loss (default: %(default)s)")
    training.add_argument("--threads", type=int, default=1, help="threads (default: %(default)s)")
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
    elif options.command == "training":
        from .training import measure as measure_training

        measure_training(
            rounds=options.rounds,
            preset=options.preset,
            size=options.size,
            batch=options.batch,
            backbone=options.backbone,
            threads=options.threads,
        )
    else:
        from .memory import measure as measure_memory

        measure_memory(short=options.short, long=options.long)


if __name__ == "__main__":
    main()
