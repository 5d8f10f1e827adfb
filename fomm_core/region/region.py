"""Region: which square of a whole image, or of each frame of a clip, is meant."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..errors import RegionError


@dataclass(frozen=True, eq=False)
class Region:
    """A square of an image, [1, ...], or one for each frame of a clip, [T, ...]; CPU, float64.

    Lengths are pixels of the whole image, edge-aligned: pixel i covers [i, i + 1), so its centre lies at i + 0.5 and
    the whole reaches from 0 to its width and height. A square may reach over the picture's border, but not lie
    outside.

    centre: [T, 2], (x, y).
    side:   [T], above 0.
    angle:  [T], radians: the square's own x axis points along (cos, sin); positive is clockwise on a screen.
    height, width: the size of the whole image.
    times:  [T] rising seconds of the frames; None where they are not known, and for a still.

    Raises:
        RegionError: shapes that do not fit, numbers that are not finite, no side, a square outside the image.
    """

    centre: Tensor
    side: Tensor
    angle: Tensor
    height: int
    width: int
    times: Tensor | None = None

    def __post_init__(self) -> None:
        for name in ("centre", "side", "angle", "times"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, torch.as_tensor(value).detach().to("cpu", torch.float64))
        if self.height < 1 or self.width < 1:
            raise RegionError(f"expected a whole image of 1x1 or more pixels; got {self.width}x{self.height}")
        frames = self.centre.shape[0] if self.centre.ndim else 0
        expected = {"centre": (frames, 2), "side": (frames,), "angle": (frames,), "times": (frames,)}
        for name, shape in expected.items():
            value = getattr(self, name)
            if value is not None and (tuple(value.shape) != shape or frames == 0):
                raise RegionError(
                    f"expected a region of T >= 1 squares: centre [T, 2], side, angle and times [T]; got a {name} of "
                    f"shape {list(value.shape)}"
                )
            if value is not None and not value.isfinite().all():
                frame = int((~value.isfinite()).nonzero()[0, 0])
                raise RegionError(f"expected a finite {name}; got NaN or Inf in frame {frame}")
        if (self.side <= 0).any():
            frame = int((self.side <= 0).nonzero()[0, 0])
            raise RegionError(f"expected a side above 0; got {float(self.side[frame]):g} in frame {frame}")
        outside = self._outside()
        if outside.any():
            frame = int(outside.nonzero()[0, 0])
            x, y = self.centre[frame].tolist()
            raise RegionError(
                f"expected a square that shows some of the {self.width}x{self.height} image; in frame {frame} it "
                f"lies outside, with its centre at ({x:g}, {y:g}) and a side of {float(self.side[frame]):g}"
            )
        if self.times is not None and (self.times.diff() <= 0).any():
            raise RegionError("expected times that rise from frame to frame; got some that do not")

    def _outside(self) -> Tensor:
        """[T]: whether a square and the image touch nowhere, by the axes of both."""
        low, high = self.bounds()[:, :2], self.bounds()[:, 2:]
        size = torch.tensor([self.width, self.height], dtype=torch.float64)
        apart = ((high <= 0) | (low >= size)).any(1)
        if bool(((self.centre >= 0) & (self.centre <= size)).all()):
            return apart
        corners = torch.tensor([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=torch.float64) * size - self.centre[:, None]
        cos, sin = self.angle.cos()[:, None], self.angle.sin()[:, None]
        for along in (corners[..., 0] * cos + corners[..., 1] * sin, corners[..., 1] * cos - corners[..., 0] * sin):
            apart |= (along.amax(1) <= -self.side / 2) | (along.amin(1) >= self.side / 2)
        return apart

    def __len__(self) -> int:
        return self.centre.shape[0]

    def __getitem__(self, frames: int | slice) -> Region:
        """The region of one frame or of a slice of frames; the time axis stays. IndexError outside the clip."""
        if not isinstance(frames, slice):
            frame = range(len(self))[frames]
            frames = slice(frame, frame + 1)
        if 0 in (part := self.centre[frames]).shape:
            raise IndexError(f"expected one or more of the {len(self)} frames; got {frames}")
        region = object.__new__(Region)  # part of what has been checked: frame by frame, checks cost more than crops
        for name in ("side", "angle", "height", "width", "times"):
            value = getattr(self, name)
            object.__setattr__(region, name, value[frames] if isinstance(value, Tensor) else value)
        object.__setattr__(region, "centre", part)
        return region

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the whole image."""
        return self.height, self.width

    def corners(self) -> Tensor:
        """[T, 4, 2]: top left, top right, bottom right, bottom left of each square in its own orientation."""
        half = self.side[:, None] / 2
        along = torch.stack((self.angle.cos(), self.angle.sin()), -1) * half
        down = torch.stack((-self.angle.sin(), self.angle.cos()), -1) * half
        steps = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
        return torch.stack([self.centre + x * along + y * down for x, y in steps], 1)

    def bounds(self) -> Tensor:
        """[T, 4]: left, top, right, bottom of the upright box around each square; may reach over the border."""
        corners = self.corners()
        return torch.cat((corners.amin(1), corners.amax(1)), 1)

    def frames(self, count: int) -> Region:
        """The region for a clip of `count` frames: a fixed square is repeated.

        Raises RegionError where it is neither one square nor `count`.
        """
        if len(self) == count:
            return self
        if len(self) != 1:
            raise RegionError(
                f"expected a region of one square or of {count}, as many as there are frames; it has {len(self)}. "
                "Find it in the same clip, or take one of its frames."
            )
        return replace(
            self,
            centre=self.centre.expand(count, -1),
            side=self.side.expand(count),
            angle=self.angle.expand(count),
            times=None,
        )

    def check_size(self, height: int, width: int) -> None:
        """Raises RegionError where the whole image is not `height` x `width` (see `resized`)."""
        if (height, width) != self.size:
            raise RegionError(
                f"expected the image that the region was made for, {self.width}x{self.height}; got {width}x{height}. "
                "Find the region in this image, or resize it with the image."
            )

    def resized(self, height: int, width: int) -> Region:
        """The same part of the whole at another size; squares stay squares where the aspect changes a little."""
        by = torch.tensor([width / self.width, height / self.height], dtype=torch.float64)
        scale = math.sqrt(float(by.prod()))
        return replace(self, centre=self.centre * by, side=self.side * scale, height=height, width=width)

    def scaled(self, factor: float) -> Region:
        """Sides `factor` times as long, around the same centres."""
        return replace(self, side=self.side * factor)

    def upright(self) -> Region:
        """The same squares, not turned."""
        return replace(self, angle=torch.zeros_like(self.angle))

    def snapped(self, multiple: int = 2) -> Region:
        """Upright squares with sides of a multiple of `multiple` whole pixels (the nearest, at least one multiple) and
        corners on whole pixels: crops of that size are plain slices, and pasting them back loses nothing.

        The side is rounded first and then the corner, so that a square of constant side keeps one size as it moves.
        Turned squares stay as they are.
        """
        side = (self.side / multiple).round().clamp(min=1) * multiple
        corner = (self.centre - side[:, None] / 2 + 0.5).floor()
        still = self.angle == 0
        centre = torch.where(still[:, None], corner + side[:, None] / 2, self.centre)
        return replace(self, centre=centre, side=torch.where(still, side, self.side))

    @staticmethod
    def cat(parts: Sequence[Region]) -> Region:
        """Join in time; times stay where every part has them. RegionError for images of different sizes."""
        for part in parts[1:]:
            parts[0].check_size(*part.size)
        times = [part.times for part in parts if part.times is not None]
        return replace(
            parts[0],
            centre=torch.cat([part.centre for part in parts]),
            side=torch.cat([part.side for part in parts]),
            angle=torch.cat([part.angle for part in parts]),
            times=torch.cat(times) if len(times) == len(parts) else None,
        )
