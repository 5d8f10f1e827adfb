"""The frames of a clip on their way to the networks: cropped, fitted, grouped, repeated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import torch
from torch import Tensor

from .fitting import FitMode, fit_uint8
from .region import Cropper, Region
from .video import VideoReader


def fitted_frames(
    reader: VideoReader,
    size: tuple[int, int],
    mode: FitMode,
    shown: tuple[int, int] | None = None,
    region: Region | None = None,
) -> Iterator[Tensor]:
    """Each frame, or its square, as [1, 3, height, width]. shown: see `fit`."""
    if region is None:
        for frame in reader:
            yield fit_uint8(frame, *size, mode=mode, shown=shown)
        return
    cropper = Cropper(region, max(size))
    for index, stored in enumerate(reader.stored()):
        yield fit_uint8(cropper(stored, index), *size, mode=mode, shown=shown)


def grouped(frames: Iterable[Tensor], count: int) -> Iterator[Tensor]:
    """[1, ...] joined into [count, ...], the last one smaller."""
    left = iter(frames)
    while group := list(islice(left, count)):
        yield torch.cat(group)


def at_positions(frames: Iterable[Tensor], positions: Iterable[int]) -> Iterator[Tensor]:
    """The frames at rising positions; the last one stands still where the clip ends before."""
    left = enumerate(frames)
    index, frame = next(left)
    for position in positions:
        while index < position and (following := next(left, None)) is not None:
            index, frame = following
        yield frame
