"""Options that say which squares of an image and a clip are meant."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..fomm_core.whole import Crop, CropOptions

WORDS = ("auto", "off", "face", "person")
FACES = ("largest", "left", "right", "middle", "all")
SQUARES = "auto|off|face|person|X,Y,SIDE[,ANGLE]|FILE"


def add_crop_arguments(group: Any) -> None:
    """Of the image, and of the clip."""
    add_square_arguments(group, "of the image")
    group.add_argument(
        "--crop-driving",
        type=crop,
        default="auto",
        metavar=SQUARES,
        help="the square of the driving clip, likewise (default: auto)",
    )
    group.add_argument(
        "--paste",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="paste the animated square back into the whole image (default), or write only the square",
    )


def add_square_arguments(group: Any, what: str) -> None:
    """Of one image or clip."""
    group.add_argument(
        "--crop",
        type=crop,
        default="auto",
        metavar=SQUARES,
        help=f"the square {what} that is animated. auto: around the face, unless it is already a close square crop or "
        "the model is not one of faces (default); off: all of it, fitted; face: around the face in any case; person: "
        "around a whole body, for models of bodies and clothes; middle and side in pixels, with an angle in degrees; a "
        "file of `fomm crop`",
    )
    group.add_argument(
        "--face",
        type=face,
        default="largest",
        metavar="largest|N|all",
        help=(
            "which of several faces: the largest (default), left, right, middle, a number counted from 0 from "
            "left to right, or all"
        ),
    )
    group.add_argument(
        "--follow",
        action="store_true",
        help=(
            "let the clip's square follow the face, instead of one square in which the head moves: for a person"
            " who walks"
        ),
    )


def crop(text: str) -> Crop:
    """A word, numbers, or a file with a region."""
    if text in WORDS:
        return text  # type: ignore[return-value]
    from ..fomm_core.errors import FommError
    from ..fomm_core.region import load_region
    from ..fomm_core.whole import Square

    if text.endswith(".safetensors"):
        try:
            return load_region(text)
        except FommError as problem:
            raise argparse.ArgumentTypeError(str(problem)) from problem
    try:
        numbers = [float(number) for number in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (3, 4) or not all(map(math.isfinite, numbers)) or numbers[2] <= 0:
        raise argparse.ArgumentTypeError(
            f"expected {', '.join(WORDS)}, a .safetensors file, or the middle and side of a square in pixels such as "
            f"960,400,300; got {text!r}"
        )
    return Square(*numbers)


def face(text: str) -> str | int:
    """A word, or a number from 0."""
    if text in FACES:
        return text
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected {', '.join(FACES)}, or a number counted from 0; got {text!r}")
    return int(text)


def crop_options(arguments: argparse.Namespace) -> CropOptions:
    """What the options of `add_crop_arguments` ask for."""
    from ..fomm_core.whole import CropOptions

    return CropOptions(
        source=arguments.crop,
        driving=arguments.crop_driving,
        face=arguments.face,
        paste=arguments.paste,
        follow=arguments.follow,
    )
