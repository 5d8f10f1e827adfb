"""Frame rates as exact fractions."""

from __future__ import annotations

import math
from fractions import Fraction

from ..errors import ImageError

HIGHEST_RATE = 1000


def frame_rate(value: Fraction | float | str) -> Fraction:
    """A frame rate as a Fraction: 25, "24000/1001", 29.97 (taken for 30000/1001, as broadcast rates are).

    Raises ImageError for a rate that is not a number above 0 and up to 1000 frames per second.
    """
    try:
        rate = Fraction(value) if isinstance(value, (Fraction, int, str)) else _broadcast(float(value))
    except (ValueError, TypeError, ZeroDivisionError, OverflowError):
        rate = Fraction(0)
    if not 0 < rate <= HIGHEST_RATE:
        raise ImageError(f"expected a frame rate above 0 and up to {HIGHEST_RATE} per second; got {value!r}.")
    return rate.limit_denominator(100_000)


def _broadcast(rate: float) -> Fraction:
    if not math.isfinite(rate):
        raise ValueError(rate)
    nominal = round(rate)
    if nominal % 6 == 0 and abs(rate - nominal / 1.001) < 5e-3:  # 23.976, 29.97, 47.95, 59.94, 119.88
        return Fraction(nominal * 1000, 1001)
    return Fraction(rate).limit_denominator(1001)
