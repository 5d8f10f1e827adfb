"""Strips laid exactly over their stills, under the stills' own transforms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .strip_place import Lying, Size, covered, over, pasted, resized

STILL = "STILL"
"""The choice of the panel's Place that this module is for."""

LYING = "fomm_lying"
"""Under this name a strip that we made keeps how it was laid: numbers of `Lying`, then the size of its file."""

CUTS = ("min_x", "max_x", "min_y", "max_y")
LOOKS = ("use_flip_x", "use_flip_y", "blend_type", "blend_alpha")
"""What else of the still decides where, and how strongly, its pixels are seen."""


def lying_of(strip: Any) -> Lying:
    """How a strip lies now."""
    moved, crop = strip.transform, strip.crop
    origin = getattr(moved, "origin", (0.5, 0.5))
    return Lying(
        (moved.offset_x, moved.offset_y),
        (moved.scale_x, moved.scale_y),
        moved.rotation,
        (origin[0], origin[1]),
        tuple(getattr(crop, name) for name in CUTS),
    )


def lay(strip: Any, lying: Lying, size: Size) -> None:
    """Move a strip, and remember that it was us."""
    moved = strip.transform
    moved.offset_x, moved.offset_y = lying.offset
    moved.scale_x, moved.scale_y = lying.scale
    moved.rotation = lying.rotation
    if hasattr(moved, "origin"):
        moved.origin = lying.origin
    for name, value in zip(CUTS, lying.crop, strict=True):
        setattr(strip.crop, name, value)
    strip[LYING] = [*_numbers(lying_of(strip)), *size]


def lay_over(strip: Any, still: Any, sizes: tuple[Size, Size], fit: str) -> None:
    """Lay a new strip over the still that it was made from.

    sizes: (width, height) of still and result. fit: how the still became the result; empty where it was pasted back.
    """
    for name in LOOKS:
        setattr(strip, name, getattr(still, name))
    box = covered(*sizes, fit) if fit else pasted(*sizes)
    lay(strip, over(lying_of(still), *sizes, box), sizes[1])


def keep_place(strip: Any, size: Size, still: Any, sizes: tuple[Size, Size], fit: str) -> None:
    """After a strip got a file of another size: over its still again where it lay there, else where the user left it.

    size: of its file before.
    """
    before: Sequence[float] = strip.get(LYING) or ()
    if still is not None and list(before) == [*_numbers(lying_of(strip)), *size]:
        lay_over(strip, still, sizes, fit)
    elif size != sizes[1]:
        lay(strip, resized(lying_of(strip), size, sizes[1]), sizes[1])


def _numbers(lying: Lying) -> list[float]:
    return [*lying.offset, *lying.scale, lying.rotation, *lying.origin, *map(float, lying.crop)]
