"""Where a result lies so that it covers its still exactly: plain numbers, no bpy.

Blender shows pixel p of an image, counted from its lower left corner, at pivot + offset + (frame - size) / 2 +
rotation * scale * (p - pivot), with pivot = origin * size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Size = tuple[int, int]
"""(width, height)"""


@dataclass(frozen=True)
class Lying:
    """How a strip lies in the picture: offset in pixels, scale, rotation in radians, pivot as a share of the image,
    and pixels cut off (left, right, bottom, top). All pairs are (x, y); y points up.
    """

    offset: tuple[float, float] = (0.0, 0.0)
    scale: tuple[float, float] = (1.0, 1.0)
    rotation: float = 0.0
    origin: tuple[float, float] = (0.5, 0.5)
    crop: tuple[int, int, int, int] = (0, 0, 0, 0)


@dataclass(frozen=True)
class Box:
    """A stretch of the still's pixels, from its lower left corner; it may reach beyond the still."""

    left: float
    bottom: float
    width: float
    height: float


def covered(still: Size, result: Size, fit: str) -> Box:
    """What of the still a result shows that was made from all of it, by `fit`: crop, pad or stretch."""
    width, height = still
    if fit == "stretch":
        return Box(0.0, 0.0, width, height)
    scales = (width / result[0], height / result[1])
    scale = min(scales) if fit == "crop" else max(scales)
    across, down = result[0] * scale, result[1] * scale
    return Box((width - across) / 2, (height - down) / 2, across, down)


def pasted(still: Size, result: Size) -> Box:
    """The same for a result of the still's own size. Videos have even sides: one of an odd still has a column more at
    its right, or a row more at its bottom.
    """
    return Box(0.0, float(still[1] - result[1]), *map(float, result))


def over(lying: Lying, still: Size, result: Size, box: Box) -> Lying:
    """How a result lies that shows `box` of a still, where the still lies as `lying`: each pixel on its own."""
    shares, offsets, scales = [], [], []
    for axis, (begin, length) in enumerate(((box.left, box.width), (box.bottom, box.height))):
        pivot = lying.origin[axis] * still[axis]
        share = (pivot - begin) / length
        shares.append(share)
        offsets.append(lying.offset[axis] + pivot - still[axis] / 2 - (share - 0.5) * result[axis])
        scales.append(lying.scale[axis] * length / result[axis])
    left, right, bottom, top = lying.crop
    crop = (
        *_cut((left, right), still[0], result[0], box.left, box.width),
        *_cut((bottom, top), still[1], result[1], box.bottom, box.height),
    )
    return Lying(_pair(offsets), _pair(scales), lying.rotation, _pair(shares), crop)


def resized(lying: Lying, before: Size, now: Size) -> Lying:
    """The same place for a file of another size."""
    return over(lying, before, now, Box(0.0, 0.0, *map(float, before)))


def _cut(ends: tuple[int, int], still: int, result: int, begin: float, length: float) -> tuple[int, int]:
    """Pixels of the result to cut off: what the still hides itself, and what lies beyond it."""
    by = result / length
    return max(0, round((ends[0] - begin) * by)), max(0, round((begin + length - (still - ends[1])) * by))


def _pair(values: Sequence[float]) -> tuple[float, float]:
    return values[0], values[1]


def seen_at(lying: Lying, size: Size, pixel: tuple[float, float]) -> tuple[float, float]:
    """Where a strip's pixel, counted from its lower left corner, is seen, from the middle of the frame."""
    pivot = [share * side for share, side in zip(lying.origin, size, strict=True)]
    x, y = (scale * (at - start) for scale, at, start in zip(lying.scale, pixel, pivot, strict=True))
    sine, cosine = math.sin(lying.rotation), math.cos(lying.rotation)
    turned = (cosine * x - sine * y, sine * x + cosine * y)
    return _pair([pivot[i] + lying.offset[i] - size[i] / 2 + turned[i] for i in (0, 1)])


def pixel_at(lying: Lying, size: Size, seen: tuple[float, float]) -> tuple[float, float]:
    """The other way round."""
    pivot = [share * side for share, side in zip(lying.origin, size, strict=True)]
    x, y = (seen[i] - pivot[i] - lying.offset[i] + size[i] / 2 for i in (0, 1))
    sine, cosine = math.sin(lying.rotation), math.cos(lying.rotation)
    straight = (cosine * x + sine * y, cosine * y - sine * x)
    return _pair([pivot[i] + straight[i] / (lying.scale[i] or 1.0) for i in (0, 1)])
