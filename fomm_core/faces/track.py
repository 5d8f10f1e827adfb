"""Track: one face through a clip, as a few numbers a frame, and the region that follows from it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import RegionError
from ..region import Framing, Region, bridged, framed

ROBUST = 0.02
"""Share of the frames at either end that may reach out of a fixed square: a stray mesh does not widen it."""
ROOM = 1.2
"""A fixed square holds each frame's face with this much around it."""
PLACE_SECONDS, SIZE_SECONDS = 0.12, 0.4
"""How far smoothing reaches (one standard deviation) when a region follows: the place, and size and angle."""
USUAL_RATE = 25.0


@dataclass(frozen=True, eq=False)
class Track:
    """One face through T frames; CPU, float32 (times float64). Where `found` is False, all other numbers are NaN.

    found:    [T] bool.
    square:   [T, 3], centre x, y and side of the square around the face, as `Face.box`.
    roll:     [T] radians, positive clockwise.
    turn:     [T], -1..1, how far the head is turned aside.
    mouth:    [T], the gap between the lips over the mouth's width.
    eyes:     [T, 2], the gap between the lids over the eye's width; None where eyes were not looked at.
    presence: [T], the mesh's certainty.
    height, width: the size of the whole image.
    shots:    the first frame of each shot, 0 first.
    times:    [T] seconds; None where not known.
    """

    found: Tensor
    square: Tensor
    roll: Tensor
    turn: Tensor
    mouth: Tensor
    eyes: Tensor | None
    presence: Tensor
    height: int
    width: int
    shots: tuple[int, ...] = (0,)
    times: Tensor | None = None

    def __len__(self) -> int:
        return self.found.shape[0]

    def region(self, framing: Framing, *, follow: bool = False, level: bool = False) -> Region:
        """The squares in which the face lies as `framing` says.

        By default the square is fixed for each shot, as the model needs the head to move inside of it: the framing of
        the median face, larger and moved where the head would leave it. One shot gives a region of one square, several
        give one for each frame.

        follow: one square for each frame, that keeps the face in its place, smoothed over time within each shot.
        level: turned so that the eyes are level: by the median angle of a shot, or with the head where it follows.

        Frames without the face are bridged within their shot; a shot without it takes the squares of those around.

        Raises:
            RegionError: the face was found in no frame.
        """
        if not bool(self.found.any()):
            raise RegionError("expected a clip with a face; it was found in no frame. Choose the region by hand.")
        rows = torch.cat((self.square, self.roll[:, None]), 1).double()
        if not level:
            rows[:, 3] = torch.where(self.found, 0.0, rows[:, 3])
        parts: list[Tensor] = []
        for start, end in self._spans():
            shot = rows[start:end]
            if not bool(self.found[start:end].any()):
                parts.append(torch.full_like(shot, torch.nan))
            elif follow:
                parts.append(self._followed(bridged(shot), start, end))
            else:
                parts.append(self._fixed(shot[self.found[start:end]], framing).expand(end - start, 4))
        squares = _held(torch.cat(parts), parts)
        single = not follow and len(parts) == 1
        region = Region(
            squares[:1, :2] if single else squares[:, :2],
            squares[:1, 2] if single else squares[:, 2],
            squares[:1, 3] if single else squares[:, 3],
            self.height,
            self.width,
            None if single else self.times,
        )
        return framed(region, framing) if follow else region

    def _spans(self) -> list[tuple[int, int]]:
        ends = [*self.shots[1:], len(self)]
        return [(start, end) for start, end in zip(self.shots, ends, strict=True) if end > start]

    def _fixed(self, rows: Tensor, framing: Framing) -> Tensor:
        """The one square [1, 4] of a shot, from the rows in which the face was found."""
        middle = rows.median(0).values
        angle = middle[3]
        # in the square's own axes, around the median centre
        away = rows[:, :2] - middle[:2]
        turned = torch.stack((angle.cos(), angle.sin())), torch.stack((-angle.sin(), angle.cos()))
        local = torch.stack([away @ axis for axis in turned], 1)
        half = rows[:, 2:3] * ROOM / 2
        low = (local - half).quantile(ROBUST, 0)
        high = (local + half).quantile(1 - ROBUST, 0)
        side = torch.maximum(middle[2] / framing.share, (high - low).max())
        place = torch.tensor([0.5 - framing.x, 0.5 - framing.y], dtype=rows.dtype) * side
        place = torch.maximum(torch.minimum(place, low + side / 2), high - side / 2)
        centre = middle[:2] + place[0] * turned[0] + place[1] * turned[1]
        return torch.cat((centre, side[None], angle[None]))[None]

    def _followed(self, rows: Tensor, start: int, end: int) -> Tensor:
        rate = USUAL_RATE
        if self.times is not None and end - start > 1:
            rate = (end - start - 1) / max(float(self.times[end - 1] - self.times[start]), 1e-6)
        place = smoothed(rows[:, :2], PLACE_SECONDS * rate)
        size = smoothed(rows[:, 2:3].log(), SIZE_SECONDS * rate).exp()
        return torch.cat((place, size, smoothed(_unwrapped(rows[:, 3:]), SIZE_SECONDS * rate)), 1)


def smoothed(rows: Tensor, sigma: float) -> Tensor:
    """[T, N] averaged over time by a Gaussian of `sigma` frames; at the ends the rows go on as a mirror image through
    the last point, so that a steady movement stays what it is.
    """
    reach = min(math.ceil(3 * sigma), len(rows) - 1)
    if reach < 1:
        return rows
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=rows.dtype) / sigma) ** 2)
    before = 2 * rows[:1] - rows[1 : reach + 1].flip(0)
    after = 2 * rows[-1:] - rows[-reach - 1 : -1].flip(0)
    padded = torch.cat((before, rows, after))
    return F.conv1d(padded.T[:, None], (weights / weights.sum())[None, None])[:, 0].T


def _unwrapped(angles: Tensor) -> Tensor:
    """Angles [T, 1] without the jump from half a turn to minus half a turn."""
    steps = angles.diff(dim=0)
    return torch.cat((angles[:1], angles[:1] + torch.atan2(steps.sin(), steps.cos()).cumsum(0)))


def _held(rows: Tensor, parts: list[Tensor]) -> Tensor:
    """Shots without the face take the last square of the shot before, or the first of the one after."""
    known = [i for i, part in enumerate(parts) if bool(part.isfinite().all())]
    filled = []
    for i, part in enumerate(parts):
        if i not in known:
            before = [other for other in known if other < i]
            row = parts[before[-1]][-1:] if before else parts[known[0]][:1]
            part = row.expand_as(part)
        filled.append(part)
    return torch.cat(filled) if filled else rows


def with_shots(track: Track, shots: tuple[int, ...]) -> Track:
    """The same track, cut into other shots."""
    return replace(track, shots=shots)
