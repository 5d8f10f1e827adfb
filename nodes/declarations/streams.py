"""Clips as streams of core images, whatever they come from: IMAGE tensors or video files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

from torch import Tensor

from ...fomm_core.fitting import from_uint8
from ...fomm_core.video import Seconds, VideoReader, batches
from .border import images_from_graph

Sound = Callable[[], Path | BinaryIO | None]


def no_sound() -> None:
    """The sound of a clip that has none."""


class TensorStream:
    """An IMAGE batch [B, H, W, C] as a clip."""

    def __init__(self, images: Tensor, fps: float | Fraction, sound: Sound = no_sound, *, timed: bool = True) -> None:
        self.images = images
        self.fps = fps
        self.timed = timed
        self.length = len(images)
        self.sound = sound
        self.times: Sequence[float] | None = None

    def batches(self, size: int) -> Iterator[Tensor]:
        """Frames [n, 3, H, W] with n <= size."""
        for part in self.images.split(size):
            yield images_from_graph(part)


class FileStream:
    """A video file, or a part of it, as a clip; closed by `with`."""

    def __init__(
        self,
        source: str | Path | BinaryIO,
        start: int | Seconds = 0,
        length: int | Seconds | None = None,
        *,
        sound: Callable[[VideoReader], Path | BinaryIO | None] | None = None,
    ) -> None:
        """start, length: see `VideoReader`. sound: gives the sound of the part; the file itself where there is none."""
        self.source = source
        self.reader = VideoReader(source, start=start, length=length)
        self._sound = sound
        self.fps: float | Fraction = self.reader.info.fps
        self.timed = True
        self.length = self.reader.info.frame_count

    def sound(self) -> str | Path | BinaryIO | None:
        """The file itself, where it has a sound track, or the part's own sound."""
        if not self.reader.info.has_audio:
            return None
        return self.source if self._sound is None else self._sound(self.reader)

    @property
    def times(self) -> Sequence[float] | None:
        """Those of the reader."""
        return self.reader.times

    def batches(self, size: int) -> Iterator[Tensor]:
        """Frames [n, 3, H, W] with n <= size."""
        for part in batches(self.reader, size):
            yield from_uint8(part)

    def __enter__(self) -> FileStream:
        self.reader.__enter__()
        return self

    def __exit__(self, *problem: Any) -> None:
        self.reader.__exit__(*problem)
