"""Cropping and pasting on a CPU by OpenCV: the same maps as for tensors, and only the square is touched."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Protocol, TypeVar, runtime_checkable

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import RegionError
from .cover import Cover, mixed
from .feather import DEFAULT_FEATHER, check_feather, coverage
from .region import Region
from .resampling import Sampling, check_crop_size, crop_sampling, paste_sampling

Pixels = NDArray[np.uint8]
Numbers = NDArray[np.float32]
Picture = TypeVar("Picture", Pixels, Numbers)


class Frame(Protocol):
    """Bytes [H, W, C] of which parts can be had: an array, or a frame that is not turned into colours yet."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W, C)"""
        ...

    def __getitem__(self, where: tuple[slice, slice], /) -> Pixels: ...


@runtime_checkable
class Shrinking(Protocol):
    """A frame that gives parts of it shrunk by area at less cost than all their pixels.

    grid: where parts begin, in pixels.
    """

    grid: int

    def shrunk(self, left: int, top: int, right: int, bottom: int, height: int, width: int) -> Pixels:
        """A part as bytes [height, width, C]."""
        ...


def crop_pixels(frame: Frame, region: Region, size: int) -> Pixels:
    """One square of a frame uint8 [H, W, C] as a crop [size, size, C]; `tensors.crop` says how.

    Both agree within 1/255 with OpenCV 5; OpenCV 4 rounds positions to 1/32 pixel, which shows at sharp edges.

    Raises:
        RegionError: the region is not one square, was made for another size, or `size` is below 1.
    """
    _check(frame, region)
    check_crop_size(size)
    return _sample_crop(frame, crop_sampling(region, size, grid=_grid(frame)), size)


class Cropper:
    """Crops the frames of a clip, one after the other: uint8 [H, W, C] to [size, size, C].

    What a fixed square needs is worked out once.
    """

    def __init__(self, region: Region, size: int) -> None:
        check_crop_size(size)
        self.region, self.size = region, size
        self._fixed: tuple[int, Sampling] | None = None

    def __call__(self, frame: Frame, index: int = 0) -> Pixels:
        """The crop of frame number `index`. Raises RegionError for a frame of another size or beyond the region."""
        self.region.check_size(*frame.shape[:2])
        grid = _grid(frame)
        if self._fixed is not None and self._fixed[0] == grid:
            return _sample_crop(frame, self._fixed[1], self.size)
        sampling = crop_sampling(_at(self.region, index), self.size, grid=grid)
        if len(self.region) == 1:
            self._fixed = grid, sampling
        return _sample_crop(frame, sampling, self.size)


class Paster:
    """Lays crops back onto the frames of a clip, one after the other; `tensors.paste` says how.

    Frames and crops are bytes, or float32 in 0..1 (those of a frame may lie beyond). What a fixed square needs is
    worked out once. Agreement with tensors is that of `crop_pixels`.

    Raises:
        RegionError: a feather outside 0..0.5.
    """

    def __init__(self, region: Region, *, feather: float = DEFAULT_FEATHER, linear: bool = False) -> None:
        check_feather(feather)
        self.region, self.feather, self.linear = region, feather, linear
        self._fixed: tuple[int, Sampling, Cover] | None = None

    def __call__(
        self,
        frame: Picture,
        crop: Picture,
        index: int = 0,
        *,
        mask: Numbers | None = None,
        in_place: bool = False,
    ) -> Picture:
        """`crop` [n, n, C] over frame number `index` [H, W, C]; returns a new frame, or the same one changed in place.

        mask: [n, n] float32 in 0..1 limits the paste further.

        Raises RegionError for shapes that do not fit, or a frame beyond the region.
        """
        self.region.check_size(*frame.shape[:2])
        size = crop.shape[0]
        if crop.ndim != frame.ndim or crop.shape != (size, size, *frame.shape[2:]) or size < 1:
            raise RegionError(f"expected a square crop with the frame's channels; got {list(crop.shape)}")
        if crop.dtype != frame.dtype or frame.dtype not in (np.uint8, np.float32):
            raise RegionError(
                f"expected frame and crop both as bytes or both as float32; got {frame.dtype}, {crop.dtype}"
            )
        if mask is not None and mask.shape != (size, size):
            raise RegionError(f"expected a mask of the crop's size, {size}x{size}; got {list(mask.shape)}")
        sampling, cover = self._geometry(index, size)
        if mask is not None:
            limits = np.clip(_sample_paste(mask.astype(np.float32), sampling, smooth=False), 0, 1)
            cover = Cover.of(cover.share * limits)
        left, top, right, bottom = sampling.box
        result = frame if in_place else frame.copy()
        old: Any = result[top:bottom, left:right]
        new = _sample_paste(crop, sampling, smooth=True)
        if frame.dtype == np.float32:
            result[top:bottom, left:right] = mixed(old, np.clip(new, 0, 1), cover, linear=self.linear)
        else:
            result[top:bottom, left:right] = (
                _linear_blend(old, new, cover.share) if self.linear else _blend(old, new, cover)
            )
        return result

    def _geometry(self, index: int, size: int) -> tuple[Sampling, Cover]:
        if self._fixed is not None and self._fixed[0] == size:
            return self._fixed[1:]
        square = _at(self.region, index)
        sampling, cover = paste_sampling(square, size), Cover.of(coverage(square, self.feather)[1].numpy())
        if len(self.region) == 1:
            self._fixed = (size, sampling, cover)
        return sampling, cover


def _at(region: Region, index: int) -> Region:
    if len(region) == 1:
        return region
    if not 0 <= index < len(region):
        raise RegionError(
            f"expected a region for frame {index}; it has {len(region)} frames. Find it in the same clip."
        )
    return region[index]


def _check(frame: Frame, region: Region) -> None:
    if len(region) != 1:
        raise RegionError(f"expected the square of one frame; got {len(region)}")
    region.check_size(*frame.shape[:2])


def _sample_crop(frame: Frame, sampling: Sampling, size: int) -> Pixels:
    left, top, right, bottom = sampling.box
    height, width = sampling.shrunk
    if isinstance(frame, Shrinking) and 2 * height <= bottom - top and 2 * width <= right - left:
        source = frame.shrunk(left, top, right, bottom, height, width)
    else:
        source = _shrink(frame[top:bottom, left:right], height, width)
    return _affine(source, sampling, size, size, cv2.INTER_LINEAR)


def _grid(frame: Frame) -> int:
    return frame.grid if isinstance(frame, Shrinking) else 1


def _sample_paste(crop: NDArray, sampling: Sampling, *, smooth: bool) -> NDArray:
    left, top, right, bottom = sampling.box
    how = cv2.INTER_CUBIC if smooth and sampling.enlarges else cv2.INTER_LINEAR
    return _affine(_shrink(crop, *sampling.shrunk), sampling, bottom - top, right - left, how)


def _shrink(picture: NDArray, height: int, width: int) -> NDArray:
    if picture.shape[:2] == (height, width):
        return picture
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA).reshape(height, width, *picture.shape[2:])


def _affine(picture: NDArray, sampling: Sampling, height: int, width: int, how: int) -> NDArray:
    if sampling.matrix is None:
        return np.ascontiguousarray(picture)
    if sampling.only_scales(picture.shape[:2], (height, width)) and how == cv2.INTER_CUBIC:
        scaled = cv2.resize(picture, (width, height), interpolation=how)  # the same at a tenth of the cost
        return scaled.reshape(height, width, *picture.shape[2:])
    matrix = sampling.matrix[:2].numpy()
    warped = cv2.warpAffine(picture, matrix, (width, height), flags=how, borderMode=cv2.BORDER_REPLICATE)
    return warped.reshape(height, width, *picture.shape[2:])


def _blend(old: Pixels, new: Pixels, cover: Cover) -> Pixels:
    result = new.copy()
    for where in cover.strips:
        part = old[where]
        laid = cv2.blendLinear(part, new[where], cover.rest[where], cover.share[where])
        result[where] = laid.reshape(part.shape)
    return result


def _linear_blend(old: Pixels, new: Pixels, cover: Numbers) -> Pixels:
    """Only the ramp is mixed; elsewhere one of both is taken as it is."""
    result = np.where((cover >= 1).reshape(*cover.shape, *(1,) * (old.ndim - 2)), new, old)
    ramp = (cover > 0) & (cover < 1)
    light = _light_of_bytes()
    share = cover[ramp].reshape(-1, *(1,) * (old.ndim - 2))
    light_there = light[old[ramp]] * (1 - share) + light[new[ramp]] * share
    result[ramp] = _bytes_of_light()[(light_there * LIGHT_STEPS + 0.5).astype(np.int32)]
    return result


LIGHT_STEPS = 65535


@lru_cache(maxsize=1)
def _light_of_bytes() -> Numbers:
    """[256]: linear light in 0..1 of each sRGB byte (IEC 61966-2-1)."""
    value = np.arange(256) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(np.float32)


@lru_cache(maxsize=1)
def _bytes_of_light() -> Pixels:
    """[LIGHT_STEPS + 1]: the sRGB byte of each linear light."""
    light = np.arange(LIGHT_STEPS + 1) / LIGHT_STEPS
    value = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return (value * 255 + 0.5).astype(np.uint8)
