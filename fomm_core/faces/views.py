"""Small images of parts of a frame, as the networks take them: of bytes by OpenCV, of tensors where they are."""

from __future__ import annotations

import math
from typing import TypeAlias

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..errors import ImageError
from ..region import Region, crop, crop_pixels
from ..region.matrices import crop_from_whole, index_matrix, scaling
from ..region.resampling import touched
from ..video import StoredFrame

Frame: TypeAlias = "NDArray[np.uint8] | StoredFrame | Tensor"
"""One whole image in RGB: uint8 [H, W, 3], as decoded, or a float tensor [3, H, W] or [1, 3, H, W] in 0..1."""

Tile = tuple[int, int, int]
"""Left, top and side of a square of whole pixels; it may reach over the picture's border."""


def as_frame(image: Frame) -> Frame:
    """The same image, checked; a tensor without its batch axis. Raises ImageError for anything else."""
    if isinstance(image, Tensor):
        frame = image[0] if image.ndim == 4 and len(image) == 1 else image
        if frame.ndim == 3 and frame.shape[0] == 3 and 0 not in frame.shape and frame.is_floating_point():
            return frame
        raise ImageError(
            f"expected one image as floats [3, H, W] in 0..1; got {str(image.dtype).removeprefix('torch.')} "
            f"{list(image.shape)}. Give images of a batch one by one."
        )
    if isinstance(image, StoredFrame):
        return image
    if not isinstance(image, np.ndarray):
        what = type(image).__name__
    elif image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8 and 0 not in image.shape:
        return image
    else:
        what = f"{image.dtype} {list(image.shape)}"
    raise ImageError(f"expected one image as uint8 [H, W, 3] or as float tensor [3, H, W]; got {what}.")


def frame_size(frame: Frame) -> tuple[int, int]:
    """(height, width)."""
    height, width = frame.shape[-2:] if isinstance(frame, Tensor) else frame.shape[:2]
    return int(height), int(width)


def squares(frame: Frame, region: Region, size: int, device: torch.device) -> Tensor:
    """Each square of `region` in one frame, as [n, 3, size, size] float32 in 0..1 on `device`."""
    parts = [region] if len(region) == 1 else [region[i] for i in range(len(region))]
    if isinstance(frame, Tensor):
        whole = frame[None].float()
        return _contiguous(torch.cat([crop(whole, part, size) for part in parts]).to(device))
    return _from_bytes([_crop_halved(frame, part, size) for part in parts], device)


def _crop_halved(frame: NDArray[np.uint8] | StoredFrame, region: Region, size: int) -> NDArray[np.uint8]:
    """About what `crop_pixels` gives, at a quarter of its cost for large squares: halved until they are less than twice
    as large as the crop, and sampled bilinearly from there.
    """
    side = float(region.side[0])
    if side < 2 * size:
        return crop_pixels(frame, region, size)
    if isinstance(frame, StoredFrame):
        left, top, right, bottom = touched(region, margin=0, grid=frame.grid)
        by = 2 ** math.floor(math.log2(side / size))
        height, width = -(-(bottom - top) // by), -(-(right - left) // by)
        part = frame.shrunk(left, top, right, bottom, height, width)
        part_from_whole = scaling(width / (right - left), height / (bottom - top), left, top)
    else:
        left, top, right, bottom = touched(region, margin=0)
        part, halvings = frame[top:bottom, left:right], 0
        while side >= 2 * size and min(part.shape[:2]) > 1:
            height, width = (length // 2 for length in part.shape[:2])
            even = part[: 2 * height, : 2 * width]
            part = np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
            side, halvings = side / 2, halvings + 1
        part_from_whole = scaling(0.5**halvings, 0.5**halvings, left, top)
    matrix = index_matrix(crop_from_whole(region, size)[0] @ torch.linalg.inv(part_from_whole))[:2].numpy()
    crop = cv2.warpAffine(part, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(crop, np.uint8)


def tiles(frame: Frame, wanted: list[Tile], size: int, device: torch.device) -> Tensor:
    """Tiles of one frame, black outside of it, as [n, 3, size, size] float32 in 0..1 on `device`."""
    height, width = frame_size(frame)
    pictures: list[Tensor] | list[NDArray[np.uint8]] = []
    for left, top, side in wanted:
        x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + side, width), min(top + side, height)
        edges = [round(edge * size / side) for edge in (x0 - left, y0 - top, x1 - left, y1 - top)]
        u0, v0 = min(edges[0], size - 1), min(edges[1], size - 1)
        u1, v1 = max(edges[2], u0 + 1), max(edges[3], v0 + 1)
        if isinstance(frame, Tensor):
            part = frame[None, :, y0:y1, x0:x1].float()
            small = F.interpolate(part, size=(v1 - v0, u1 - u0), mode="bilinear", antialias=True, align_corners=False)
            pictures.append(F.pad(small, (u0, size - u1, v0, size - v1)))  # type: ignore[arg-type]
        else:
            how = cv2.INTER_AREA if side >= size else cv2.INTER_LINEAR
            canvas = np.zeros((size, size, 3), np.uint8)
            canvas[v0:v1, u0:u1] = cv2.resize(frame[y0:y1, x0:x1], (u1 - u0, v1 - v0), interpolation=how)
            pictures.append(canvas)  # type: ignore[arg-type]
    if isinstance(frame, Tensor):
        return _contiguous(torch.cat(pictures).to(device))  # type: ignore[arg-type]
    return _from_bytes(pictures, device)  # type: ignore[arg-type]


def _from_bytes(pictures: list[NDArray[np.uint8]], device: torch.device) -> Tensor:
    return torch.from_numpy(np.stack(pictures)).to(device).permute(0, 3, 1, 2).float().div_(255)  # channels last


def _contiguous(pictures: Tensor) -> Tensor:
    return pictures.contiguous(memory_format=torch.channels_last)
