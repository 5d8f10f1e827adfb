"""Pictures of performances: curves over time, and what groups of keypoints move. As `view`: float RGB 0..1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from .checking import DriveCheck
from .errors import ImageError, KeypointError
from .geometry import Keypoints, resize_maps
from .view import (
    INK,
    Colour,
    Drawing,
    draw_keypoints,
    keypoint_colours,
    occlusion_heat,
    painted,
    side_by_side,
    text_width,
    write_text,
)

QUANTITIES = ("x", "y", "turning", "size", "confidence")
"""What can be plotted: place in -1..1 (y downwards), turning of the jacobian in degrees, its size (the square root of
its determinant; 1 is that of the reference), and confidence."""
GRID: Colour = (58, 62, 74)
FAINT = 0.4
MARK, CUT, GAP = (255, 214, 90), (235, 90, 90), (74, 44, 52)
LARGEST_PLOT = 8192


@dataclass(frozen=True, kw_only=True)
class Marks:
    """What is drawn into the curves. anchor: a frame. cuts: first frames of shots. gaps: (first frame, frames)."""

    anchor: int | None = None
    cuts: Sequence[int] = ()
    gaps: Sequence[tuple[int, int]] = ()


def plot_curves(
    keypoints: Keypoints,
    *,
    before: Keypoints | None = None,
    quantities: Sequence[str] = ("x", "y", "turning", "confidence"),
    select: Sequence[int] | None = None,
    marks: Marks | None = None,
    width: int = 960,
    height: int = 720,
) -> Tensor:
    """Curves over the frames of a performance, a panel for each quantity, [1, 3, height, width].

    Keypoint k has the colour that it has in `view`. Quantities that these keypoints don't have are left out.

    Args:
        keypoints: T frames.
        before: the same performance as it was, drawn faintly beneath: before smoothing, for instance.
        quantities: out of `QUANTITIES`.
        select: the numbers of the keypoints to draw; None draws all.
        marks: the anchor (yellow line), cuts (red, dashed) and lost frames (dark red).
        width, height: of the image in pixels.

    Raises:
        KeypointError: no frame, quantities or keypoints that are not there.
        ImageError: an image of fewer than 160 x 120 pixels, or of too many.
    """
    if len(keypoints) == 0:
        raise KeypointError("expected at least one frame of keypoints to plot; got none")
    if not (160 <= width <= LARGEST_PLOT and 120 <= height <= LARGEST_PLOT):
        raise ImageError(f"expected a plot of 160x120 to {LARGEST_PLOT}x{LARGEST_PLOT} pixels; got {width}x{height}")
    wrong = [name for name in quantities if name not in QUANTITIES]
    if wrong or not quantities:
        raise KeypointError(f"expected quantities out of {', '.join(QUANTITIES)}; got {', '.join(wrong) or 'none'}")
    shown = list(range(keypoints.count)) if select is None else list(select)
    if not all(0 <= number < keypoints.count for number in shown):
        raise KeypointError(f"expected numbers of keypoints from 0 to {keypoints.count - 1}; got {shown}")
    panels = {name: values for name in quantities if (values := _quantity(keypoints, name)) is not None}
    faint = {name: None if before is None else _quantity(before, name) for name in panels}
    canvas = np.full((height, width, 3), INK, np.uint8)
    size = min(max(8.0, height / 60), 14.0)
    left, bottom = round(6.5 * size), round(2.5 * size)
    each = (height - bottom) / max(1, len(panels))
    for place, (name, values) in enumerate(panels.items()):
        box = (left, round(place * each + 1.2 * size), width - round(size), round((place + 1) * each - 0.4 * size))
        _panel(canvas, box, name, values, faint[name], shown, marks or Marks(), size)
    _frame_numbers(canvas, left, width - round(size), height, len(keypoints), size)
    return torch.from_numpy(canvas).permute(2, 0, 1)[None].float() / 255


def _quantity(keypoints: Keypoints, name: str) -> np.ndarray | None:
    """[T, K] float64; None where there is none."""
    if name in ("x", "y"):
        return np.asarray(keypoints.position[..., "xy".index(name)].detach().cpu().double().numpy())
    if name == "confidence":
        return None if keypoints.confidence is None else np.asarray(keypoints.confidence.cpu().double().numpy())
    if keypoints.jacobian is None:
        return None
    maps = keypoints.jacobian.detach().cpu().double().numpy()
    if name == "size":
        return np.asarray(np.sqrt(np.abs(np.linalg.det(maps))))
    turning = np.arctan2(maps[..., 1, 0] - maps[..., 0, 1], maps[..., 0, 0] + maps[..., 1, 1])
    return np.asarray(np.degrees(np.unwrap(turning, axis=0)))


Box = tuple[int, int, int, int]


def _panel(
    canvas: Drawing,
    box: Box,
    name: str,
    values: np.ndarray,
    faint: np.ndarray | None,
    shown: Sequence[int],
    marks: Marks,
    size: float,
) -> None:
    """One quantity within `box` (left, top, right, bottom)."""
    left, top, right, bottom = box
    drawn = values[:, shown]
    finite = drawn[np.isfinite(drawn)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if name == "confidence":
        low, high = min(low, 0.0), max(high, 1.0)
    least = 1.0 if name == "turning" else 0.02
    if high - low < least:
        middle = (low + high) / 2
        low, high = middle - least / 2, middle + least / 2

    def across(frame: float) -> float:
        return left + (right - left) * frame / max(1, len(values) - 1)

    def down(value: np.ndarray) -> np.ndarray:
        share = (value - low) / (high - low)
        return np.asarray((bottom - (bottom - top) * share) if name != "y" else (top + (bottom - top) * share))

    for start, count in marks.gaps:
        cv2.rectangle(
            canvas, (round(across(start - 0.5)), top), (round(across(start + count - 0.5)), bottom), GAP, cv2.FILLED
        )
    for level in np.linspace(low, high, 3):
        y = round(float(down(np.array(level))))
        cv2.line(canvas, (left, y), (right, y), GRID, 1)
        label = f"{level:.0f}" if name == "turning" else f"{level:.2f}"
        write_text(canvas, label, (left - text_width(label, size) - 0.5 * size, y + size / 2), size)
    for frame in marks.cuts:
        for y in range(top, bottom, 8):
            cv2.line(canvas, (round(across(frame - 0.5)), y), (round(across(frame - 0.5)), min(y + 4, bottom)), CUT, 1)
    if marks.anchor is not None:
        cv2.line(canvas, (round(across(marks.anchor)), top), (round(across(marks.anchor)), bottom), MARK, 1)
    colours = (keypoint_colours(values.shape[1]) * 255).round().int().tolist()
    for series, share in ((faint, FAINT), (values, 1.0)):
        if series is None or series.shape[1] != values.shape[1]:
            continue
        for number in shown:
            colour = [round(share * c + (1 - share) * ink) for c, ink in zip(colours[number], INK, strict=True)]
            x = np.array([across(frame) for frame in range(len(series))])
            path = np.stack((x, down(series[:, number])), 1)[np.isfinite(series[:, number])]
            fixed = np.rint(path.clip(-(1 << 15), 1 << 15) * 16).astype(np.int32)
            cv2.polylines(canvas, [fixed], False, colour, 1 if len(series) > 1 else 3, cv2.LINE_AA, 4)
            if len(fixed) == 1:
                cv2.circle(canvas, [int(c) for c in fixed[0]], 48, colour, -1, cv2.LINE_AA, 4)
    write_text(canvas, name, (left + 0.5 * size, top + 1.3 * size), size, outline=True)


def _frame_numbers(canvas: Drawing, left: int, right: int, height: int, frames: int, size: float) -> None:
    """Some round numbers of frames under the panels."""
    steps = [step * 10**power for power in range(7) for step in (1, 2, 5)]
    room = max(1.0, (right - left) / (7 * size))
    step = next((step for step in steps if frames / step <= room), frames)
    for frame in range(0, frames, step):
        x = left + (right - left) * frame / max(1, frames - 1)
        label = str(frame)
        place = min(x - text_width(label, size) / 2, canvas.shape[1] - text_width(label, size) - 1)
        write_text(canvas, label, (place, height - 0.7 * size), size)


def draw_parts(picture: Tensor, parts: Mapping[str, Tensor]) -> Tensor:
    """An image with areas laid over it in colours, outlined and named, [1, 3, H, W].

    Args:
        picture: [1, 3, H, W] in 0..1.
        parts: by name, how much of each place belongs to it, [h, w] in 0..1, of any size.

    Raises:
        ImageError: an image of another shape.
    """
    if picture.ndim != 4 or picture.shape[:2] != (1, 3):
        raise ImageError(f"expected one image [1, 3, H, W]; got {list(picture.shape)}")
    if not parts:
        return picture.clone()
    height, width = picture.shape[-2:]
    layers = torch.cat([resize_maps(part[None, None].float().cpu(), height, width)[0] for part in parts.values()])
    colours = keypoint_colours(len(layers))
    shade = (0.55 * layers).clamp(0, 0.55)
    result = picture.float().cpu()[0]
    for layer, colour in zip(shade, colours, strict=True):
        result = torch.lerp(result, colour[:, None, None].expand_as(result), layer)
    size = max(9.0, min(height, width) / 22)

    def draw(canvas: Drawing, frame: int) -> None:
        for layer, colour in zip(layers.numpy(), colours, strict=True):
            inside = (layer >= 0.5 * max(float(layer.max()), 1e-6)).astype(np.uint8)
            outlines, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            shown = [round(float(c) * 255) for c in colour]
            cv2.drawContours(canvas, outlines, -1, shown, max(1, round(size / 10)), cv2.LINE_AA)
        written: list[tuple[float, float, float]] = []
        for name, layer in zip(parts, layers.numpy(), strict=True):
            y, x = np.unravel_index(int(layer.argmax()), layer.shape)
            wide = text_width(name, size)
            left = min(max(float(x) - wide / 2, 2), width - wide - 2)
            low = min(max(float(y) + size / 2, size + 2), height - 3)
            while any(abs(low - at) < 1.3 * size and left < end and start < left + wide for start, end, at in written):
                low += 1.3 * size  # below what is written there already
            written.append((left, left + wide, low))
            write_text(canvas, name, (left, low), size, outline=True)

    return painted(result[None], draw).to(picture)


def check_sheet(
    source: Tensor, still: Keypoints, driving: Keypoints, check: DriveCheck, frames: Tensor | None = None
) -> Tensor:
    """What a `DriveCheck` found as one image, [1, 3, H, 4 H or so]: the source with its keypoints, the driver at the
    anchor, what would have to be invented where it is most, and the verdict in words.

    source: [1, 3, H, W]. still, driving: their keypoints. frames: [n, 3, H, W] of the driver, the anchor first.
    """
    height, width = source.shape[-2:]
    at = driving[check.anchor]
    beside = torch.full_like(source, 0.1) if frames is None else frames[:1].to(source)
    columns = [draw_keypoints(source, still), draw_keypoints(beside, at)]
    labels = ["source", f"driver, frame {check.anchor}"]
    if check.hidden is not None:
        worst = int(check.hidden.mean((1, 2, 3)).argmax())
        columns.append(occlusion_heat(1 - check.hidden[worst : worst + 1], height, width).to(source))
        labels.append(f"invented, frame {check.frames[worst]}")
    words = np.full((height, max(width, 2 * height), 3), INK, np.uint8)
    size = max(7.0, height / 26)
    y = 2 * size
    for line in check.report.splitlines():
        for piece in _wrapped(line, words.shape[1] - 2 * size, size):
            write_text(words, piece, (size, y), size)
            y += 1.9 * size
    columns.append(torch.from_numpy(words).permute(2, 0, 1)[None].float().to(source) / 255)
    return side_by_side(columns, [*labels, ""])


def _wrapped(line: str, room: float, size: float) -> list[str]:
    pieces = [""]
    for word in line.split():
        longer = f"{pieces[-1]} {word}".strip()
        if text_width(longer, size) > room and pieces[-1]:
            pieces.append(word)
        else:
            pieces[-1] = longer
    return pieces
