"""`fomm export`: a model as files for programs that have neither this package nor torch."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .arguments import add_precision_argument
from .models import add_config_arguments, chosen_config, find_weights

if TYPE_CHECKING:
    from ..fomm_core.exporting import Difference

NEAR, NEAR_HALF = 1e-4, 2e-2
"""How far ONNX Runtime may be from the model, of the scale of each output: rounding in float32, and in float16."""

EPILOG = """\
examples:
  fomm export demo-128 -o demo-onnx                   detector.onnx, encoder.onnx, animator.onnx and fomm.json
  fomm export vox -o vox-onnx --precision float16         half the size; for GPUs
  fomm export vox -o vox-onnx --size 512              the networks as used for images of 512x512

The exported networks take any number of frames, and any size that their strides divide; fomm.json says which, and how
motion is transferred. `examples/onnx` animates with onnxruntime and numpy alone, `examples/browser` in a web page.
"""


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser(
        "export",
        parents=[common],
        help="export a model as ONNX files, for other programs and browsers",
        description="Export a model's networks (ONNX, opset 20), with a JSON file that says how to use them.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL", help="a model that `fomm models` lists, or a weights file")
    parser.add_argument("-o", "--output", metavar="FOLDER", type=Path, required=True, help="a new folder")
    parser.add_argument("-y", "--overwrite", action="store_true", help="replace FOLDER if it holds an export")
    parser.add_argument("--format", choices=("onnx",), default="onnx", help="file format (default: onnx)")
    parser.add_argument(
        "--size",
        type=int,
        metavar="N",
        help="shorter side of the images that the networks are to be used for (default: as trained)",
    )
    add_precision_argument(
        parser,
        "float16: for the generator and dense motion; keypoints, inputs and outputs stay float32",
        choices=("float32", "float16"),
    )
    parser.add_argument("--no-check", action="store_true", help="do not check the files with ONNX Runtime")
    add_config_arguments(parser.add_argument_group("model"))
    parser.set_defaults(run=run, usage_error=parser.error)


def run(arguments: argparse.Namespace) -> int:
    """Export; returns the exit code."""
    import torch

    from ..fomm_core.checkpoints import load_model
    from ..fomm_core.errors import FommError
    from ..fomm_core.whole import framing_of

    try:
        from ..fomm_core.exporting import export_onnx
    except ImportError as problem:
        raise FommError(f'ONNX is not installed ({problem}): pip install "fomm-nodes[onnx]"') from None

    weights = find_weights(arguments.model)
    model = load_model(weights, config=chosen_config(arguments, weights))
    size = None
    if arguments.size is not None:
        if arguments.size < 1:
            arguments.usage_error(f"expected a --size of at least 1; got {arguments.size}")
        trained = model.config.frame_size
        size = tuple(round(side * arguments.size / min(trained)) for side in trained)
    folder = export_onnx(
        model,
        arguments.output,
        size=size,
        dtype=getattr(torch, arguments.precision),
        framing=framing_of(model.config, model.name),
        overwrite=arguments.overwrite,
    )
    told = "" if arguments.no_check else f"; {_checked(folder, model, half=arguments.precision == 'float16')}"
    if not arguments.quiet:
        print(f"{folder.resolve()}: {model.name} as ONNX, {arguments.precision}{told}")
    return 0


def _checked(folder: Path, model: Any, *, half: bool) -> str:
    """What the comparison says, in words. Raises FommError where the files do not compute what the model does."""
    from ..fomm_core.errors import FommError
    from ..fomm_core.exporting import compare

    try:
        found = compare(folder, model, counts=(1, 3))
    except ImportError:
        return 'not checked, as onnxruntime is not installed: pip install "fomm-nodes[onnx]"'
    worst: Difference = max(found, key=lambda one: one.value)
    limit = NEAR_HALF if half else NEAR
    if worst.value > limit:
        height, width = worst.size
        raise FommError(
            f"expected ONNX Runtime to come within {limit:g} of the model; got {worst.value:.2g} in '{worst.output}' "
            f"at {width}x{height} with {worst.count} frames. The files are in '{folder}': look at what they make "
            "before you use them, and report it with the output of `fomm doctor`."
        )
    return f"ONNX Runtime comes within {worst.value:.1g} of the model at {len({one.size for one in found})} sizes"
