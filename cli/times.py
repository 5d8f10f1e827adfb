"""Rates and times as they are typed."""

from __future__ import annotations

import argparse
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..fomm_core.video import Seconds


def frame_rate(text: str) -> Fraction:
    """Frames per second: 25, 29.97 or 30000/1001."""
    from ..fomm_core.errors import FommError
    from ..fomm_core.video import frame_rate as exact_rate

    try:
        return exact_rate(text if "/" in text else float(text))
    except (FommError, ValueError) as problem:
        raise argparse.ArgumentTypeError(
            f"expected a number such as 25, 29.97 or 30000/1001; got {text!r}"
        ) from problem


def rate_or_keep(text: str) -> Fraction | str:
    """Frames per second, or `keep`."""
    return text if text == "keep" else frame_rate(text)


def place(text: str) -> int | Seconds:
    """A number of frames, or seconds: 2.5s, 0:02.5, 1:02:03."""
    from ..fomm_core.video import Seconds

    try:
        return Seconds.parse(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(
            f"expected a number of frames such as 60, or a time such as 2.5s or 0:02.5; got {text!r}"
        ) from problem
