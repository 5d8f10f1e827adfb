"""`fomm check-drive`: will this clip move this image well?"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .animate import add_computing_arguments
from .cropping import add_crop_arguments, crop_options
from .hints import given_file
from .models import add_config_arguments, open_session
from .moving import add_motion_arguments, animation_options
from .terminal import progress_display

if TYPE_CHECKING:
    from ..fomm_core.checking import DriveCheck

EPILOG = """\
examples:
  fomm check-drive face.jpg talk.mp4 --model vox
      a verdict, what speaks against the pair, and a better anchor; nothing is rendered

  fomm check-drive face.jpg talk.mp4 -o check.png
      the same as an image: source, driver at the anchor, what would have to be invented

  fomm check-drive face.jpg --keypoints talk.safetensors --json
      for a saved performance, as JSON for scripts: verdict, score, findings and measures

Exit codes: 0 checked, whatever the verdict; 1 failed, 2 wrong usage.
"""


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser(
        "check-drive",
        parents=[common],
        help="check before rendering how well a clip will animate an image",
        description="Compare an image and a driving clip: pose and size at the anchor, how sure the keypoints are, "
        "what would be lost or invented, cuts. Takes seconds and renders nothing.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", metavar="SOURCE", help="the image to animate")
    parser.add_argument("driving", metavar="DRIVING", nargs="?", help="the driving clip")
    parser.add_argument("-o", "--output", metavar="IMAGE", type=Path, help="write the findings as an image")
    parser.add_argument("-y", "--overwrite", action="store_true", help="replace IMAGE if it exists")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    model = parser.add_argument_group("model")
    model.add_argument("--model", metavar="NAME|FILE", help="as for fomm animate (default: the built-in one)")
    add_config_arguments(model)
    add_motion_arguments(parser.add_argument_group("motion"))
    add_crop_arguments(parser.add_argument_group("squares"))
    add_computing_arguments(parser.add_argument_group("computing"))
    parser.set_defaults(run=run, usage_error=parser.error)


def run(arguments: argparse.Namespace) -> int:
    """Check; returns the exit code."""
    if (arguments.driving is None) == (arguments.keypoints is None):
        arguments.usage_error("expected DRIVING, a clip, or --keypoints FILE; got both or neither")
    from ..fomm_core.drive_check import check_drive_files
    from ..fomm_core.files import check_new
    from ..fomm_core.fitting import to_uint8
    from ..fomm_core.motion import load_keypoints
    from ..fomm_core.pipeline import FileOptions
    from ..fomm_core.video import write_image

    output = arguments.output
    if output is not None:
        check_new(output, overwrite=arguments.overwrite)
    options = FileOptions(
        animation=animation_options(arguments),
        crop=crop_options(arguments),
        start=arguments.start,
        frames=arguments.frames,
    )
    source = given_file(arguments.source)
    driving = load_keypoints(arguments.keypoints) if arguments.driving is None else given_file(arguments.driving)
    session = open_session(arguments)
    with progress_display(quiet=arguments.quiet or arguments.json) as progress:
        done, sheet = check_drive_files(session, source, driving, options, on_progress=progress)
    if output is not None:
        write_image(output, to_uint8(sheet)[0])
    print(json.dumps(_plain(done), indent=2) if arguments.json else done.report)
    return 0


def _plain(done: DriveCheck) -> dict[str, Any]:
    return {
        "verdict": done.verdict,
        "score": round(done.score, 4),
        "anchor": done.anchor,
        "better_anchor": done.better_anchor,
        "findings": [{"kind": f.kind, "cost": round(f.cost, 4), "text": f.text} for f in done.findings],
        "measures": {name: round(value, 6) for name, value in done.measures.items()},
    }
