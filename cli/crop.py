"""`fomm crop`: the square of an image or a clip."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .cropping import add_square_arguments
from .hints import given_file
from .terminal import progress_display

EPILOG = """\
examples:
  fomm crop photo.jpg -o face.png
      the square around the largest face, as models of faces expect it

  fomm crop group.jpg -o face.png --face all
      each face: face-0.png, face-1.png, ... from left to right

  fomm crop talk.mp4 -o head.mp4 --size 256
      one square for the whole clip, in which the head moves; with its audio

  fomm crop talk.mp4 -o square.safetensors
  pass it to `fomm animate` as --crop-driving square.safetensors
      only the square, for later use

  fomm crop dance.mp4 -o body.mp4 --crop person --size 256
      the square around a whole body, for models of bodies and clothes

  fomm crop talk.mp4 -o square.png --preview
      one image with the square drawn on it
"""


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser(
        "crop",
        parents=[common],
        help="crop the square around a face from an image or a clip",
        description="Find the face in an image or a clip, and write the square around it.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", metavar="SOURCE", help="an image or a clip")
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        type=Path,
        required=True,
        help="an image, a video, or a .safetensors file that holds only the square",
    )
    parser.add_argument("-y", "--overwrite", action="store_true", help="replace OUT if it exists")
    add_square_arguments(parser, "of the image or clip")
    parser.add_argument(
        "--size", type=int, metavar="N", help="side of the result in pixels (default: the square's own)"
    )
    parser.add_argument(
        "--framing",
        choices=("vox", "demo"),
        default="vox",
        help=(
            "how large the face is in its square: as the published models of faces expect it (default), or as "
            "the built-in one does"
        ),
    )
    parser.add_argument("--preview", action="store_true", help="write one image with the square drawn on it instead")
    parser.add_argument(
        "--device", default="auto", metavar="auto|cpu|cuda|mps", help="where to run the search (default: auto)"
    )
    parser.set_defaults(run=run, usage_error=parser.error)


def run(arguments: argparse.Namespace) -> int:
    """Crop; returns the exit code."""
    if arguments.size is not None and arguments.size < 1:
        arguments.usage_error(f"expected a --size of at least 1; got {arguments.size}")
    from ..fomm_core.cropping import crop_file
    from ..fomm_core.files import check_new
    from ..fomm_core.region import FRAMINGS
    from ..fomm_core.whole import CropOptions
    from ..nodes.hosts.headless.devices import choose_device
    from .terminal import say

    source = given_file(arguments.source)
    check_new(arguments.output, overwrite=arguments.overwrite, folders=True)
    options = CropOptions(source=arguments.crop, face=arguments.face, follow=arguments.follow)
    with progress_display(quiet=arguments.quiet) as progress:
        done = crop_file(
            source,
            arguments.output,
            options,
            FRAMINGS[arguments.framing],
            size=arguments.size,
            device=str(choose_device(arguments.device)),
            preview=arguments.preview,
            warn=lambda message: say(f"warning: {message}"),
            on_progress=progress,
        )
    if not arguments.quiet:
        for path in done.outputs:
            print(f"{path.resolve()}{'' if done.size is None else f': {done.size}x{done.size}'}")
        if done.found:
            print(done.found)
    return 0
