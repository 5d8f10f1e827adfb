"""Pictures of what happens inside: keypoints, flow, occlusion, masks; and images side by side.

Every function takes any image size and any batch, and returns float images [B, 3, H, W] RGB 0..1 on the device of
its input. Keypoint k has the same colour everywhere (`keypoint_colours`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from .errors import ImageError, KeypointError
from .geometry import Keypoints, Motion, identity_flow, resize_flow, resize_maps, warp

Drawing = np.ndarray
"""[H, W, 3] uint8 RGB, drawn upon in place."""
Colour = tuple[int, int, int]

INK: Colour = (16, 18, 24)
PAPER: Colour = (250, 250, 250)
BACKGROUND_SHADE = 0.13
SMALLEST_MAXIMUM = 0.01
"""The automatic maximum of `flow_colours` stays above this, so that rounding noise is not shown as movement."""
SUBPIXEL_BITS = 4
LABELLED_HEIGHT = 96
"""Comparisons of smaller images go without labels, which would hide the heads."""


def _rgb(hue_saturation_value: Tensor) -> Tensor:
    from kornia.color import hsv_to_rgb  # a fifth of a second to import: whoever draws nothing need not wait for it

    return hsv_to_rgb(hue_saturation_value)


def keypoint_colours(count: int) -> Tensor:
    """`count` distinct colours around the hue wheel, [count, 3] RGB 0..1; neighbours differ in lightness as well."""
    index = torch.arange(count, dtype=torch.float32)
    hue = index / max(count, 1) * 2 * math.pi
    saturation = 0.62 + 0.33 * (index % 2)
    value = 1 - 0.05 * (index % 2)
    return _rgb(torch.stack((hue, saturation, value))[None, :, :, None])[0, :, :, 0].T


def draw_keypoints(
    images: Tensor,
    keypoints: Keypoints,
    *,
    radius: float | None = None,
    jacobians: bool = False,
    numbers: bool = False,
) -> Tensor:
    """Keypoints as coloured discs upon `images` [B, 3, H, W].

    Args:
        images: images; one is repeated for all frames of the keypoints.
        keypoints: B frames, or one for all images. Those outside the image or not finite are left out.
        radius: of a disc, in pixels; None takes one that fits the picture's size.
        jacobians: also show where each local map sends a small circle and its two axes (x solid, y in white).
        numbers: also write each keypoint's index beside it.

    Raises:
        ImageError: images of another shape.
        KeypointError: another number of frames, a radius that is not above 0, or no jacobians where they are asked for.
    """
    _check_images("images", images)
    frames = _common_length(("images", len(images)), ("frames of keypoints", len(keypoints)))
    if radius is not None and not 0 < radius < math.inf:
        raise KeypointError(f"expected a radius above 0 pixels, or None; got {radius}")
    if jacobians and keypoints.jacobian is None:
        raise KeypointError("expected keypoints with jacobians to draw them; got positions only: turn jacobians off")
    height, width = images.shape[-2:]
    radius = radius or max(1.5, 0.016 * min(height, width))
    images, keypoints = images.expand(frames, -1, -1, -1), keypoints.to("cpu").expand(frames)
    colours = [_as_bytes(colour) for colour in keypoint_colours(keypoints.count)]
    half = np.array([width - 1, height - 1]) / 2
    centres = (keypoints.position.detach().double().numpy() + 1) * half  # [B, K, 2] pixels
    shown = np.asarray(np.isfinite(centres).all(-1))
    shapes = None
    if jacobians and keypoints.jacobian is not None:
        shapes = keypoints.jacobian.detach().double().numpy() * half[:, None] / np.maximum(half, 0.5)
        shown &= np.isfinite(shapes).all((-2, -1))

    def draw(canvas: Drawing, frame: int) -> None:
        visible = [index for index in range(keypoints.count) if shown[frame, index]]
        if shapes is not None:
            for index in visible:
                _draw_local_map(canvas, centres[frame, index], shapes[frame, index], colours[index], radius)
        for index in visible:
            _draw_disc(canvas, centres[frame, index], colours[index], radius)
        if numbers:
            size = max(7.0, 2.4 * radius)
            for index in visible:
                corner = centres[frame, index] + (1.3 * radius, -0.5 * radius)
                write_text(canvas, str(index), _inside(canvas, str(index), corner, size), size, outline=True)

    return painted(images, draw)


def flow_colours(motion: Motion | Tensor, height: int, width: int, *, maximum: float | None = None) -> Tensor:
    """A colour wheel of where each pixel is taken from, [B, 3, height, width].

    Hue is the direction from a pixel to the place in the source that it shows (right: red, down: green-yellow, left:
    cyan, up: violet), saturation the distance; white moves nothing.

    Args:
        motion: motion, or its flow [B, h, w, 2].
        height: of the images.
        width: of the images.
        maximum: the distance of full saturation, in halves of the shorter side (the unit of -1..1 coordinates). None
            takes the largest in this batch; give a number to keep colours alike over several batches.

    Raises:
        KeypointError: a flow of another shape, or a maximum that is not above 0.
    """
    flow = _flow_of(motion)
    if maximum is not None and not 0 < maximum < math.inf:
        raise KeypointError(f"expected a maximum distance above 0, or None; got {maximum}")
    shift = torch.nan_to_num(resize_flow(displacement(flow, height, width), height, width))
    distance = shift.norm(dim=-1)
    if maximum is None:
        maximum = max(float(distance.max()) if distance.numel() else 0.0, SMALLEST_MAXIMUM)
    hue = torch.atan2(shift[..., 1], shift[..., 0]) % (2 * math.pi)
    saturation = (distance / maximum).clamp(0, 1)
    return _rgb(torch.stack((hue, saturation, 1 - 0.15 * saturation), 1))


def displacement(flow: Tensor, height: int, width: int) -> Tensor:
    """How far each place of a flow [B, h, w, 2] is from where it points, in the same shape: (x, y) in halves of the
    shorter side of a height x width image.
    """
    extent = torch.tensor([width - 1, height - 1]).to(flow) / max(min(height, width) - 1, 1)
    return (flow - identity_flow(len(flow), *flow.shape[1:3], like=flow)) * extent


def occlusion_heat(occlusion: Tensor, height: int, width: int) -> Tensor:
    """A heat map of what must be invented, [B, 3, height, width]: dark where the source shows it, bright where not.

    `occlusion` is [B, 1, h, w] as in `Motion.occlusion`, 1 = visible; raises ImageError for another shape.
    """
    if occlusion.ndim != 4 or occlusion.shape[1] != 1:
        raise ImageError(f"expected an occlusion map of shape [B, 1, h, w]; got {list(occlusion.shape)}")
    missing = 1 - resize_maps(torch.nan_to_num(occlusion.float()), height, width)[:, 0].clamp(0, 1)
    index = (missing * 255).round().long()  # [B, H, W]
    ramp = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_INFERNO)[:, 0, ::-1]
    table = torch.from_numpy(ramp.astype(np.float32) / 255).to(occlusion.device)
    return table[index].permute(0, 3, 1, 2).contiguous()


def warped_grid(flow: Motion | Tensor, height: int, width: int, *, align_corners: bool = True) -> Tensor:
    """A chequered sheet moved as the source is, [B, 3, height, width]; black where the flow leaves the image.

    Colours tell which part of the source a place comes from: left to right and top to bottom in the undistorted sheet.
    `flow` is [B, h, w, 2] or a Motion; `align_corners` as for `geometry.warp`.
    """
    flow = _flow_of(flow)
    sheet = _sheet(height, width).to(flow).expand(len(flow), -1, -1, -1)
    return warp(sheet, resize_flow(flow, height, width), align_corners=align_corners).clamp(0, 1)


def mask_colours(mask: Tensor, height: int, width: int) -> Tensor:
    """Which keypoint moves each pixel, [B, 3, height, width]: the keypoints' colours, mixed by their shares.

    `mask` is [B, K + 1, h, w] as in `Motion.mask`; its index 0, the background, is dark grey. Raises ImageError for
    another shape.
    """
    if mask.ndim != 4 or mask.shape[1] < 1:
        raise ImageError(f"expected a mask of shape [B, K + 1, h, w]; got {list(mask.shape)}")
    colours = torch.cat((torch.full((1, 3), BACKGROUND_SHADE), keypoint_colours(mask.shape[1] - 1))).to(mask.device)
    shares = resize_maps(torch.nan_to_num(mask.float()), height, width)
    return torch.einsum("bkhw,kc->bchw", shares, colours).clamp(0, 1)


def side_by_side(columns: Sequence[Tensor], labels: Sequence[str] | None = None) -> Tensor:
    """Pictures [B, 3, H, W] of one height in a row, [B, 3, H, sum of the widths].

    A column of one image is repeated for all. Labels are written small into the upper left corners; an empty one
    leaves its column as it is.

    Raises:
        ImageError: no columns, other shapes, different heights or numbers of images, or not one label per column.
    """
    if not columns:
        raise ImageError("expected at least one column of images; got none")
    for index, column in enumerate(columns):
        _check_images(f"column {index}", column)
    heights = [column.shape[-2] for column in columns]
    if len(set(heights)) > 1:
        raise ImageError(f"expected columns of one height; got {heights}: resize them first")
    if labels is not None and len(labels) != len(columns):
        raise ImageError(f"expected {len(columns)} labels, one for each column; got {len(labels)}")
    frames = _common_length(*((f"images in column {index}", len(column)) for index, column in enumerate(columns)))
    titled = [_titled(column, label) for column, label in zip(columns, labels or [""] * len(columns), strict=True)]
    like = columns[0]
    return torch.cat([column.to(like).expand(frames, -1, -1, -1) for column in titled], -1)


def _titled(images: Tensor, label: str) -> Tensor:
    height, width = images.shape[-2:]
    size = min(max(9.0, height / 18), 28.0)
    margin = 0.45 * size
    room = width - 4 * margin
    wide = text_width(label, size)
    if wide > room > 0:
        size *= room / wide
    if not label or size < 5 or height < 2 * size:  # too small to be read: leave the image alone
        return images
    bottom, right = math.ceil(size + 2 * margin), math.ceil(text_width(label, size) + 3 * margin)

    def draw(canvas: Drawing, frame: int) -> None:
        canvas[:] = (0.25 * canvas + 0.75 * np.array(INK)).round().astype(np.uint8)
        write_text(canvas, label, (1.5 * margin, margin + size), size)

    titled = images.clone()
    titled[..., :bottom, :right] = painted(images[..., :bottom, :right], draw)
    return titled


def painted(images: Tensor, draw: Callable[[Drawing, int], None]) -> Tensor:
    """Draw with 8-bit anti-aliasing upon copies; pixels that were not touched keep their exact values."""
    result = images.detach().float().cpu().clone(memory_format=torch.contiguous_format)
    for frame, image in enumerate(result):
        before = (torch.nan_to_num(image).clamp(0, 1) * 255).round().byte().permute(1, 2, 0).contiguous().numpy()
        canvas = before.copy()
        draw(canvas, frame)
        touched = torch.from_numpy((canvas != before).any(-1))
        drawn = torch.from_numpy(canvas).permute(2, 0, 1).float() / 255
        result[frame] = torch.where(touched, drawn, image)
    return result.to(images)


def _draw_disc(canvas: Drawing, centre: np.ndarray, colour: Colour, radius: float) -> None:
    rim = max(0.8, 0.28 * radius)
    for size, shade in ((radius + rim, INK), (radius, PAPER), (radius - 0.6 * rim, colour)):
        cv2.circle(canvas, _fixed(canvas, centre), max(_fixed_length(size), 1), shade, -1, cv2.LINE_AA, SUBPIXEL_BITS)


def _draw_local_map(canvas: Drawing, centre: np.ndarray, shape: np.ndarray, colour: Colour, radius: float) -> None:
    """The circle of 3.5 radii around a keypoint of the reference and its axes, as `shape` [2, 2] (pixels) maps them."""
    angle = np.linspace(0, 2 * np.pi, 49)[:-1]
    reach = 3.5 * radius
    outline = centre + reach * (shape @ np.stack((np.cos(angle), np.sin(angle)))).T
    thickness = max(1, round(radius / 3))
    strokes = [
        (outline, True, colour),
        (np.stack((centre - reach * shape[:, 1], centre + reach * shape[:, 1])), False, PAPER),
        (np.stack((centre - reach * shape[:, 0], centre + reach * shape[:, 0])), False, colour),
    ]
    for line_width, shade in ((thickness + (1 if radius < 6 else 2), INK), (thickness, None)):
        for points, closed, own in strokes:
            path = np.array([_fixed(canvas, point) for point in points], np.int32)
            cv2.polylines(canvas, [path], closed, shade or own, line_width, cv2.LINE_AA, SUBPIXEL_BITS)


def _fixed(canvas: Drawing, point: np.ndarray) -> tuple[int, int]:
    """A point in the fixed-point units of the drawing functions, kept within reach of the image."""
    reach = 4 * max(canvas.shape[:2]) + 64
    x, y = np.rint(np.clip(point, -reach, reach) * (1 << SUBPIXEL_BITS))
    return int(x), int(y)


def _fixed_length(length: float) -> int:
    return round(length * (1 << SUBPIXEL_BITS))


FONT = cv2.FONT_HERSHEY_SIMPLEX
FONT_HEIGHT = 22.0  # of a capital letter at scale 1


def text_width(text: str, size: float) -> float:
    """Of a text with capitals `size` pixels high, in pixels."""
    return float(cv2.getTextSize(text, FONT, size / FONT_HEIGHT, max(1, round(size / 12)))[0][0])


def write_text(canvas: Drawing, text: str, corner: tuple[float, float], size: float, *, outline: bool = False) -> None:
    """Text with capitals `size` pixels high; `corner` is its lower left (x, y)."""
    thickness = max(1, round(size / 12))
    place = (round(corner[0]), round(corner[1]))
    if outline:
        for x, y in ((-1, -1), (0, -1), (1, -1), (-1, 0), (1, 0), (-1, 1), (0, 1), (1, 1)):
            spot = (place[0] + x * thickness, place[1] + y * thickness)
            cv2.putText(canvas, text, spot, FONT, size / FONT_HEIGHT, INK, thickness, cv2.LINE_AA)
    cv2.putText(canvas, text, place, FONT, size / FONT_HEIGHT, PAPER, thickness, cv2.LINE_AA)


def _inside(canvas: Drawing, text: str, corner: np.ndarray, size: float) -> tuple[float, float]:
    """`corner` moved so that the text does not leave the image."""
    height, width = canvas.shape[:2]
    x = min(float(corner[0]), width - 1 - text_width(text, size))
    return max(x, 1.0), min(max(float(corner[1]), size + 1), height - 2.0)


def _sheet(height: int, width: int) -> Tensor:
    """The undistorted sheet of `warped_grid`, [1, 3, height, width]: about twelve squares along the shorter side."""
    square = max(min(height, width) / 12, 2.0)
    y = torch.arange(height, dtype=torch.float32)[:, None].expand(height, width)
    x = torch.arange(width, dtype=torch.float32)[None].expand(height, width)
    dark = ((y / square).floor() + (x / square).floor()) % 2
    across, down = x / max(width - 1, 1), y / max(height - 1, 1)
    corner_colours = torch.tensor([[[0.95, 0.75, 0.30], [0.90, 0.35, 0.40]], [[0.25, 0.70, 0.65], [0.35, 0.40, 0.85]]])
    (top_left, top_right), (bottom_left, bottom_right) = corner_colours[..., None, None]
    colour = (top_left * (1 - across) + top_right * across) * (1 - down)
    colour = colour + (bottom_left * (1 - across) + bottom_right * across) * down
    return (colour * (1 - 0.45 * dark))[None]


def _flow_of(motion: Motion | Tensor) -> Tensor:
    return (motion if isinstance(motion, Motion) else Motion(motion)).flow.float()


def _as_bytes(colour: Tensor) -> Colour:
    red, green, blue = (colour * 255).round().int().tolist()
    return red, green, blue


def _check_images(name: str, images: Tensor) -> None:
    if images.ndim != 4 or images.shape[1] != 3 or 0 in images.shape[-2:]:
        raise ImageError(f"expected {name} of shape [B, 3, H, W]; got {list(images.shape)}")


def _common_length(*lengths: tuple[str, int]) -> int:
    """The length that all share, where 1 fits any; raises ImageError otherwise."""
    longest = max(length for _, length in lengths)
    if any(length not in (1, longest) for _, length in lengths):
        stated = ", ".join(f"{length} {name}" for name, length in lengths)
        raise ImageError(f"expected the same number of frames everywhere, or one for all; got {stated}")
    return longest
