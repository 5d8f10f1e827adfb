"""Options that say how an image is taken, and what of it is kept."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_picture_arguments(group: Any) -> None:
    """Detail, size, background and fit."""
    group.add_argument(
        "--detail",
        choices=("off", "transfer", "high-pass"),
        default="off",
        help=(
            "how the detail of an image larger than --size is carried over, so that the result is as sharp as "
            "the image. transfer: its own pixels are moved along if they are visible; high-pass: only their "
            "fine detail is, colours and light stay the model's; off: none (default)"
        ),
    )
    group.add_argument(
        "--hold",
        metavar="MASK",
        type=Path,
        help="a mask image of the source's shape, white for what must not move: shoulders, background",
    )
    group.add_argument(
        "--size",
        type=picture_size,
        default="auto",
        metavar="auto|model|source|N|WxH",
        help=(
            "size of the frames, or of the animated square if it is pasted back. auto: the size that the model "
            "was trained at, but at least 256 (default); model: exactly that size; source: the image's own; a "
            "number: the shorter side. Any size will do. With --detail, frames are as large as the image"
        ),
    )
    group.add_argument(
        "--background",
        type=colour,
        metavar="COLOUR",
        help=(
            "what a transparent source is laid over: white, navy, #20b040, ... (default: it stays transparent "
            "in .webm, .mov (ProRes 4444), .gif and PNG files, and is laid over white in others)"
        ),
    )
    group.add_argument(
        "--fit",
        choices=("crop", "pad", "stretch"),
        default="crop",
        help=(
            "how to fit what is not cropped and has another shape: crop the sides, pad with borders, or stretch"
            " (default: crop)"
        ),
    )


def colour(text: str) -> tuple[int, int, int]:
    """A colour by its name, or as #rrggbb."""
    from ..fomm_core.errors import FommError
    from ..fomm_core.video.pixels import colour_named

    try:
        return colour_named(text)
    except FommError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from problem


def picture_size(text: str) -> str | int | tuple[int, int]:
    """`auto`, `model`, `source`, a length, or WIDTHxHEIGHT as (height, width)."""
    if text in ("auto", "model", "source"):
        return text
    numbers = text.lower().split("x")
    if len(numbers) > 2 or not all(number.isdecimal() and int(number) > 0 for number in numbers):
        raise argparse.ArgumentTypeError(f"expected auto, model, source, a length such as 256 or 512x256; got {text!r}")
    return int(numbers[0]) if len(numbers) == 1 else (int(numbers[1]), int(numbers[0]))
