"""`fomm evaluate`: how well a model rebuilds clips that it has not seen."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .animate import add_computing_arguments, positive
from .models import add_config_arguments, open_session
from .terminal import progress_display, say

if TYPE_CHECKING:
    from ..fomm_core.training.evaluate import Evaluation

METRIC_NAMES = ("pixels", "lpips", "faces", "acting")

EPILOG = """\
examples:
  fomm evaluate demo-128 clips
      the clips that `fomm train clips` leaves out: clips/test, or a fifth of the identities

  fomm evaluate runs/mine/model.safetensors clips -o mine.html
      with a page of strips, source | driving | keypoints | warped | occlusion | result

  fomm evaluate vox talk.mp4 --frames 100 --metrics pixels lpips faces -o vox.json
      one video, with the results of each clip as JSON

Each clip is reconstructed from its first frame and the keypoints of the others. The baseline repeats the first frame: a
ratio below 1 is the model's gain. L1, PSNR, SSIM and the motion of mouth and eyes are always measured; LPIPS, and AKD,
MKR and AED of faces, if their packages are installed (pip install "fomm-nodes[metrics]").
"""


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser(
        "evaluate",
        parents=[common],
        help="measure how well a model reconstructs clips",
        description="Reconstruct held-out clips from their first frames, and measure the error.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "model", metavar="MODEL", help="a model that `fomm models` lists, or weights: .safetensors, .pth, .pth.tar"
    )
    parser.add_argument(
        "clips", metavar="CLIPS", type=Path, help="a folder of videos or of folders of images, or one video"
    )
    output = parser.add_argument_group("output")
    output.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        type=Path,
        action="append",
        default=[],
        help="also write a page with strips (.html) or all results (.json); may be given twice",
    )
    output.add_argument("-y", "--overwrite", action="store_true", help="replace existing files")
    output.add_argument("--json", action="store_true", help="print all results as JSON instead of the table")
    data = parser.add_argument_group("clips")
    data.add_argument(
        "--split",
        choices=("test", "train", "all"),
        default="test",
        help="which clips: test, those that training leaves out (default); train; or all",
    )
    data.add_argument("--frames", type=positive, metavar="N", help="the first N frames of each clip (default: all)")
    data.add_argument(
        "--size",
        type=frame_size,
        metavar="N|WxH",
        help="size of the frames (default: the size that the model was trained at)",
    )
    data.add_argument(
        "--metrics",
        nargs="+",
        choices=METRIC_NAMES,
        metavar="NAME",
        help=f"out of {', '.join(METRIC_NAMES)} (default: all whose packages are installed)",
    )
    data.add_argument("--strips", type=positive, default=8, metavar="N", help="clips shown in the page (default: 8)")
    add_config_arguments(parser.add_argument_group("model"))
    add_computing_arguments(parser.add_argument_group("computing"))
    parser.set_defaults(run=run, usage_error=parser.error)


def frame_size(text: str) -> tuple[int, int]:
    """A side of square frames, or WIDTHxHEIGHT, as (height, width)."""
    numbers = text.lower().split("x")
    if len(numbers) > 2 or not all(number.isdecimal() and int(number) > 0 for number in numbers):
        raise argparse.ArgumentTypeError(f"expected a side such as 128, or 512x256; got {text!r}")
    return int(numbers[-1]), int(numbers[0])


def run(arguments: argparse.Namespace) -> int:
    """Evaluate; returns the exit code."""
    _check_outputs(arguments)
    from ..fomm_core.pipeline import Progress
    from ..fomm_core.training.data import find_clips
    from ..fomm_core.training.evaluate import EvaluationOptions, evaluate

    options = EvaluationOptions(
        size=arguments.size,
        frames=arguments.frames,
        metrics=None if arguments.metrics is None else tuple(arguments.metrics),
        samples=arguments.strips,
        worst=max(1, arguments.strips // 2),
    )
    clips = find_clips(arguments.clips, split=arguments.split)
    session = open_session(arguments)
    with progress_display(quiet=arguments.quiet) as progress:
        evaluation = evaluate(
            session,
            clips,
            options,
            on_progress=lambda done, total: progress(Progress("rebuild", done, total)),
        )
    for path in arguments.output:
        _write(path, evaluation)
    print(json.dumps(evaluation.to_dict(), indent=2) if arguments.json else _text(evaluation))
    if not arguments.quiet:
        for reason in evaluation.left_out:
            say(reason)
    return 0


def _check_outputs(arguments: argparse.Namespace) -> None:
    from ..fomm_core.files import check_new

    for path in arguments.output:
        if path.suffix not in WRITERS:
            arguments.usage_error(f"expected a file ending in {' or '.join(WRITERS)}; got {path.name!r}")
        check_new(path, overwrite=arguments.overwrite)


def _text(evaluation: Evaluation) -> str:
    from ..fomm_core.training.report import table

    return table(evaluation)


def _page(evaluation: Evaluation) -> str:
    from ..fomm_core.training.report import page

    return page(evaluation)


def _figures(evaluation: Evaluation) -> str:
    return json.dumps(evaluation.to_dict(), indent=2) + "\n"


WRITERS: dict[str, Callable[[Evaluation], str]] = {".html": _page, ".json": _figures}


def _write(path: Path, evaluation: Evaluation) -> None:
    from ..fomm_core.files import atomic_path

    with atomic_path(path) as temporary:
        temporary.write_text(WRITERS[path.suffix](evaluation), encoding="utf-8")
