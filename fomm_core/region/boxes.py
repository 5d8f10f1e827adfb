"""Boxes as other tools write them, in and out.

A box is (left, top, width, height) in pixels of the whole image, its right and bottom end excluded. On ComfyUI's
wires it is a dict of `x`, `y`, `width` and `height`, alone or in lists; other packs send tuples.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from ..errors import RegionError
from .region import Region

Layout = Literal["xywh", "xyxy"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
NAMES = ("x", "y", "width", "height")
BoxDict = dict[str, int]


def read_boxes(value: Any, *, layout: Layout = "xywh", which: int = 0, frames: int | None = None) -> Tensor | None:
    """A box for each frame, [T, 4] float64 (left, top, width, height); T is 1 where one box is meant for all.

    Taken are: a dict; a list of dicts (one frame's); a list of such lists, one for each frame; four numbers, and lists
    of them; numpy arrays and tensors [4], [T, 4] or [T, n, 4]; and None, which gives None. They may be floats and may
    reach outside the image.

    A flat list of as many boxes as there are frames is one box a frame, as packs with tuples send it; any other flat
    list holds the boxes of one frame. Frames without a box are bridged evenly from those around, and held at the ends.

    Args:
        layout: of bare numbers, which don't say what they are: left, top, width, height, or left, top, right, bottom.
        which: the box taken where a frame has several, from 0; the last one where there are fewer.
        frames: how many frames there are, where known.

    Raises:
        RegionError: no box at all, something else than boxes, NaN, no width or height, or neither 1 nor `frames` boxes.
    """
    if layout not in LAYOUTS:
        raise RegionError(f"expected a layout of {' or '.join(LAYOUTS)}; got {layout!r}")
    if value is None:
        return None
    per_frame = _per_frame(_plain(value), frames)
    rows: list[tuple[float, ...] | None] = []
    for frame, boxes in enumerate(per_frame):
        rows.append(_numbers(boxes[min(which, len(boxes) - 1)], layout, frame) if boxes else None)
    if not any(row is not None for row in rows):
        raise RegionError("expected a box; got an empty list: nothing was found in any frame. Choose a box by hand.")
    if frames is not None and len(rows) not in (1, frames):
        raise RegionError(f"expected one box, or one for each of {frames} frames; got boxes of {len(rows)} frames")
    return bridged(torch.tensor([row or (math.nan,) * 4 for row in rows], dtype=torch.float64))


def region_of_boxes(
    boxes: Tensor, height: int, width: int, *, scale: float = 1.0, times: Tensor | None = None
) -> Region:
    """The squares around boxes [T, 4] (left, top, width, height): the same centres, `scale` times the longer side.

    Raises:
        RegionError: as `Region` does, for boxes that lie outside of the image among others.
    """
    boxes = boxes.to("cpu", torch.float64)
    centre = boxes[:, :2] + boxes[:, 2:] / 2
    return Region(centre, boxes[:, 2:].amax(1) * scale, torch.zeros(len(boxes)), height, width, times)


def region_boxes(region: Region) -> BoxDict | list[list[BoxDict]]:
    """The upright boxes around the squares, whole pixels inside the image, in the shapes that ComfyUI's nodes take:
    one dict for a fixed region, for a moving one a list for each frame with exactly one dict in it.

    The size is rounded first and then the corner, so that a square of constant side keeps its size as it moves.
    """
    bounds = region.bounds()
    size = (bounds[:, 2:] - bounds[:, :2]).round().clamp(min=1)
    corner = ((bounds[:, :2] + bounds[:, 2:] - size) / 2 + 0.5).floor()
    whole = torch.tensor([region.width, region.height], dtype=torch.float64)
    low = torch.minimum(corner.clamp(min=0), whole - 1)
    high = torch.maximum(torch.minimum(corner + size, whole), low + 1)
    rows = torch.cat((low, high - low), 1).long().tolist()
    dicts = [dict(zip(NAMES, row, strict=True)) for row in rows]
    return dicts[0] if len(dicts) == 1 else [[box] for box in dicts]


def bridged(rows: Tensor) -> Tensor:
    """[T, N] with the rows that hold NaN filled in: evenly between the known rows around, held at the ends."""
    known = rows.isfinite().all(1)
    if bool(known.all()) or not bool(known.any()):
        return rows
    index = np.arange(len(rows))
    where = index[known.numpy()]
    columns = [np.interp(index, where, column[known].numpy()) for column in rows.unbind(1)]
    return torch.from_numpy(np.stack(columns, 1))


def _plain(value: Any) -> Any:
    """Arrays and tensors as lists, tuples as lists."""
    if isinstance(value, Tensor):
        return value.detach().cpu().tolist()
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    if isinstance(value, Mapping):
        return value
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return [_plain(item) for item in value]
    return value


def _is_box(value: Any) -> bool:
    return isinstance(value, Mapping) or (
        isinstance(value, list) and len(value) == 4 and not any(isinstance(item, (list, Mapping)) for item in value)
    )


def _per_frame(value: Any, frames: int | None) -> list[list[Any]]:
    if _is_box(value):
        return [[value]]
    if not isinstance(value, list):
        raise RegionError(f"expected a box: a dict of {', '.join(NAMES)}, or four numbers; got {_short(value)}")
    if value and all(_is_box(item) for item in value):
        bare = not isinstance(value[0], Mapping)
        return [[item] for item in value] if len(value) == frames or (bare and frames is None) else [value]
    for frame, boxes in enumerate(value):
        if _is_box(boxes):
            value[frame] = [boxes]
        elif boxes is None:
            value[frame] = []
        elif not isinstance(boxes, list) or not all(_is_box(box) for box in boxes):
            raise RegionError(f"expected the boxes of frame {frame} as a list of dicts or numbers; got {_short(boxes)}")
    return value


def _numbers(box: Any, layout: Layout, frame: int) -> tuple[float, ...]:
    if isinstance(box, Mapping):
        if missing := [name for name in NAMES if name not in box]:
            raise RegionError(f"expected a box with {', '.join(NAMES)}; frame {frame} has none of {', '.join(missing)}")
        box, layout = [box[name] for name in NAMES], "xywh"
    try:
        left, top, width, height = (float(number) for number in box)
    except (TypeError, ValueError):
        raise RegionError(f"expected four numbers in the box of frame {frame}; got {_short(box)}") from None
    if layout == "xyxy":
        width, height = width - left, height - top
    if not all(math.isfinite(number) for number in (left, top, width, height)):
        raise RegionError(f"expected finite numbers in the box of frame {frame}; got {_short(box)}")
    if width <= 0 or height <= 0:
        hint = "" if layout == "xywh" else ", or they are left, top, width, height: choose the layout xywh"
        raise RegionError(
            f"expected a box with a width and a height above 0; frame {frame} has {width:g}x{height:g}. "
            f"Choose another box{hint}."
        )
    return left, top, width, height


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
