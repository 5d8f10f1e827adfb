"""One image of what would be animated: the squares in image and clip, and what the model would see."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from ..region import Cropper, Region, region_middle
from ..region.pixels import crop_pixels
from ..video.pixels import Pixels

TALL, SMALL, GAP = 360, 180, 8
"""Heights of the whole images and of the crops, and what lies between, in pixels."""
FONT, TEXT_SIZE = cv2.FONT_HERSHEY_SIMPLEX, 0.5
AROUND = 200
PAPER, INK, LINE = (245, 245, 245), (30, 30, 30), (255, 90, 0)


def preview_sheet(
    picture: Pixels,
    squares: Sequence[Region],
    clips: Sequence[tuple[Sequence[tuple[int, Pixels]], Region | None]],
    words: Sequence[str],
) -> Pixels:
    """The image and a frame of each clip with their squares; below, the crops of all; uint8 RGB.

    squares: of the image; none for all of it, fitted. clips: frames (number, pixels) of each, and its square; None
    for all of it.
    """
    whole = [_titled(_outlined(picture[..., :3], squares), "picture", TALL)]
    crops = [_titled(crop_pixels(_rgb(picture), square, SMALL), "", SMALL) for square in squares or [_middle(picture)]]
    parts = [crops]
    for frames, driving in clips:
        number, first = frames[0]
        region = driving or _middle(first)
        at = region if len(region) == 1 else region[number]
        whole.append(_titled(_outlined(first, [at] if driving is not None else []), f"clip, frame {number}", TALL))
        cropper = Cropper(region, SMALL)
        parts.append([_titled(cropper(frame, index), f"frame {index}", SMALL) for index, frame in frames])
    if len(parts) == 2:
        parts = [[*parts[0], *parts[1]]]
    rows = [_row(whole), *(_row(part) for part in parts)]
    rows += [_text(line, max(row.shape[1] for row in rows)) for line in words]
    return _stacked(rows)


def _rgb(picture: Pixels) -> Pixels:
    return np.ascontiguousarray(picture[..., :3])


def _middle(picture: Pixels) -> Region:
    return region_middle(*picture.shape[:2])


def _outlined(picture: Pixels, squares: Sequence[Region]) -> Pixels:
    """With its squares drawn, and room around it for those that reach over its border."""
    height, width = picture.shape[:2]
    bounds = np.array([square.bounds()[0].numpy() for square in squares] + [(0, 0, width, height)])
    left, top = (int(min(-edge, side)) for edge, side in zip(bounds[:, :2].min(0), (width, height), strict=True))
    right, bottom = (
        int(min(edge - side, side)) for edge, side in zip(bounds[:, 2:].max(0), (width, height), strict=True)
    )
    canvas = np.pad(_rgb(picture), ((top, bottom), (left, right), (0, 0)), constant_values=AROUND)
    thick = max(1, round(canvas.shape[0] / TALL * 2))
    for square in squares:
        corners = np.asarray(square.corners()[0].numpy().round() + np.array((left, top)), np.int32)
        cv2.polylines(canvas, [corners], True, LINE, thick, cv2.LINE_AA)
    return canvas


def _titled(picture: Pixels, title: str, height: int) -> Pixels:
    """At that height, but no wider than twice of it."""
    scale = min(height / picture.shape[0], 2 * height / picture.shape[1])
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    shown = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    canvas = np.full((height, size[0], 3), PAPER, np.uint8)
    canvas[: size[1]] = shown
    if title:
        _write(canvas, title, (6, 18))
    return canvas


def _write(canvas: Pixels, text: str, place: tuple[int, int]) -> None:
    (width, height), below = cv2.getTextSize(text, FONT, TEXT_SIZE, 1)
    x, y = place
    cv2.rectangle(canvas, (x - 4, y - height - 4), (x + width + 4, y + below + 2), PAPER, cv2.FILLED)
    cv2.putText(canvas, text, place, FONT, TEXT_SIZE, INK, 1, cv2.LINE_AA)


def _text(line: str, width: int) -> Pixels:
    canvas = np.full((24, max(width, 9 * len(line) + 2 * GAP), 3), PAPER, np.uint8)
    _write(canvas, line.encode("ascii", "replace").decode(), (GAP, 17))
    return canvas


def _row(pictures: Sequence[Pixels]) -> Pixels:
    gap = np.full((pictures[0].shape[0], GAP, 3), PAPER, np.uint8)
    return np.concatenate([part for picture in pictures for part in (gap, picture)] + [gap], 1)


def _stacked(rows: Sequence[Pixels]) -> Pixels:
    width = max(row.shape[1] for row in rows)
    padded = [np.pad(row, ((GAP, 0), (0, width - row.shape[1]), (0, 0)), constant_values=PAPER[0]) for row in rows]
    return np.concatenate(padded)
