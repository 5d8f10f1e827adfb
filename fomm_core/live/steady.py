"""Jitter out of keypoints as they come: `motion.smooth_one_euro`, one frame at a time."""

from __future__ import annotations

import torch
from torch import Tensor

from ..geometry import Keypoints
from ..motion import BETA, MIN_CUTOFF, smooth_one_euro

SLOWEST = 1.0
"""Seconds without a frame after which the filter begins anew."""


class OneEuro:
    """Frame by frame what `smooth_one_euro` makes of the whole clip, since that is causal.

    The filter's state is two numbers for each coordinate: its level and its speed.
    """

    def __init__(self, *, min_cutoff: float = MIN_CUTOFF, beta: float = BETA, derivative_cutoff: float = 1.0) -> None:
        still = Keypoints(torch.zeros(1, 1, 2))
        smooth_one_euro(still, min_cutoff=min_cutoff, beta=beta, derivative_cutoff=derivative_cutoff)  # checks
        self.min_cutoff, self.beta, self.derivative_cutoff = min_cutoff, beta, derivative_cutoff
        self._level: Tensor | None = None
        self._speed: Tensor | None = None
        self._time = 0.0

    def restart(self) -> None:
        """Forget all frames."""
        self._level = self._speed = None

    def __call__(self, keypoints: Keypoints, seconds: float) -> Keypoints:
        """The next frame, which is shown from `seconds` on; times rise."""
        values = _flat(keypoints)
        gap = seconds - self._time
        known = self._level is not None and self._level.shape == values.shape
        if not known or not 0 < gap <= SLOWEST or self._level is None or self._speed is None:
            self._level, self._speed = values, torch.zeros_like(values)
        else:
            step = values - self._level
            cutoff = torch.full_like(values, self.derivative_cutoff)
            self._speed = self._speed + _gain(cutoff, gap) * (step / gap - self._speed)
            self._level = self._level + _gain(self.min_cutoff + self.beta * self._speed.abs(), gap) * step
        self._time = seconds
        return _unflat(self._level, keypoints)


def _gain(cutoff: Tensor, gap: float) -> Tensor:
    """Share of the new value in a first-order low pass with `cutoff` in Hz."""
    return 1 / (1 + 1 / (gap * 2 * torch.pi * cutoff))


def _flat(keypoints: Keypoints) -> Tensor:
    return torch.cat([part.detach().cpu().double().flatten() for part in _parts(keypoints).values()])


def _unflat(values: Tensor, like: Keypoints) -> Keypoints:
    parts = _parts(like)
    each = values.split([part.numel() for part in parts.values()])
    return Keypoints(
        **{name: new.reshape(old.shape).to(old) for (name, old), new in zip(parts.items(), each, strict=True)}
    )


def _parts(keypoints: Keypoints) -> dict[str, Tensor]:
    named = {name: getattr(keypoints, name) for name in ("position", "jacobian", "covariance")}
    return {name: value for name, value in named.items() if value is not None}
