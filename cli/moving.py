"""Options that say how a clip moves an image."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .times import place

if TYPE_CHECKING:
    from ..fomm_core.animation import AnimationOptions


def add_motion_arguments(group: Any) -> Any:
    """The part of the clip, the anchor, and what becomes of the movement; returns the group of the ways to choose an
    anchor.
    """
    group.add_argument("--keypoints", metavar="FILE", type=Path, help="use motion from a saved file instead")
    group.add_argument(
        "--start",
        type=place,
        default=0,
        metavar="N|TIME",
        help="first driving frame, by number or time: 60, 2.5s, 0:02.5 (default: 0)",
    )
    group.add_argument(
        "--frames",
        type=place,
        metavar="N|TIME",
        help="how many driving frames, or how much time: 100, 4s, 0:04 (default: all)",
    )
    group.add_argument(
        "--mode",
        choices=("relative", "absolute", "avd"),
        default="relative",
        help=(
            "relative: the source keeps its proportions and moves like the driver (default); absolute: it "
            "adopts the driver's pose and proportions; avd: the driver's pose in the source's proportions, with"
            " a network that some MRAA and TPS models have"
        ),
    )
    anchor = group.add_mutually_exclusive_group()
    anchor.add_argument(
        "--anchor",
        type=anchor_frame,
        default="first",
        metavar="N|first|best",
        help=(
            "relative mode: the driving frame, counted from 0 at --start, whose pose equals the source's "
            "(default: first)"
        ),
    )
    anchor.add_argument(
        "--best-frame", action="store_const", const="best", dest="anchor", help="the same as --anchor best"
    )
    group.add_argument("--strength", type=float, default=1.0, metavar="0..2", help="share of the motion (default: 1)")
    group.add_argument(
        "--smooth",
        choices=("none", "one-euro", "gaussian"),
        default="none",
        help="remove jitter; one-euro follows fast motion, gaussian smooths evenly (default: none)",
    )
    group.add_argument(
        "--smooth-sigma",
        type=float,
        default=1.0,
        metavar="FRAMES",
        help="standard deviation of the Gaussian (default: 1)",
    )
    group.add_argument(
        "--jacobians",
        choices=("auto", "on", "off"),
        default="auto",
        help="relative mode: transfer local rotation and stretching as well; auto: if the model has them",
    )
    group.add_argument(
        "--no-scale",
        action="store_true",
        help="relative mode: do not scale the motion by how large the source is in its image",
    )
    return anchor


def anchor_frame(text: str) -> int | str:
    """`first`, `best`, or a number from 0."""
    if text in ("first", "best"):
        return text
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected first, best or a frame number counted from 0; got {text!r}")
    return int(text)


def animation_options(arguments: argparse.Namespace) -> AnimationOptions:
    """What the options of `add_motion_arguments` ask for, the part of the clip aside."""
    from ..fomm_core.animation import AnimationOptions
    from ..fomm_core.motion import TransferOptions

    transfer = TransferOptions(
        mode=arguments.mode,
        relative_jacobian={"auto": None, "on": True, "off": False}[arguments.jacobians],
        adapt_scale=not arguments.no_scale,
        strength=arguments.strength,
    )
    return AnimationOptions(
        transfer=transfer,
        anchor=arguments.anchor,
        smoothing=arguments.smooth,
        smooth_sigma=arguments.smooth_sigma,
    )
