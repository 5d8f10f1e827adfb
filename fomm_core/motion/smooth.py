"""Take jitter out of keypoints over time."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from ..geometry import Keypoints
from .checks import check_number

Filter = Callable[[Tensor], Tensor]


def smooth_one_euro(
    keypoints: Keypoints,
    *,
    fps: float | Fraction = 25.0,
    min_cutoff: float = 1.0,
    beta: float = 10.0,
    derivative_cutoff: float = 1.0,
) -> Keypoints:
    """One-Euro filter: steady where little moves, quick where much does (Casiez et al., CHI 2012).

    Causal: a frame depends on itself and those before it; the first stays as it is. Each coordinate of each position
    and jacobian is filtered on its own, with a cut-off frequency of `min_cutoff + beta * |speed|`.

    Args:
        keypoints: T frames.
        fps: frames per second of the clip, so that the same settings serve any frame rate.
        min_cutoff: Hz, above 0: the cut-off at rest. Lower removes more jitter.
        beta: Hz per (unit per second), units being those of -1..1 coordinates: how quickly the cut-off rises with
            speed. Higher follows faster; at the default, a head that crosses a quarter of the picture in a second
            (speed 0.5) is filtered at 6 Hz or more and lags less than a frame at 25 fps.
        derivative_cutoff: Hz, above 0: the cut-off of the speed estimate itself.

    Raises:
        KeypointError: for a setting outside its range.
    """
    check_number("fps", fps, 0, above=True)
    check_number("min_cutoff (Hz)", min_cutoff, 0, above=True)
    check_number("beta", beta, 0)
    check_number("derivative_cutoff (Hz)", derivative_cutoff, 0, above=True)
    rate = float(fps)
    return _each_signal(keypoints, lambda signal: _one_euro(signal, rate, min_cutoff, beta, derivative_cutoff))


def smooth_gaussian(keypoints: Keypoints, *, sigma: float) -> Keypoints:
    """Gaussian over time, on positions and jacobians; sees the future, so that nothing lags.

    The clip is continued by its mirror image at both ends, so that the ends are not drawn towards zero; any length
    will do.

    Args:
        keypoints: T frames.
        sigma: standard deviation in frames; 0 returns the keypoints as they are.

    Raises:
        KeypointError: for a negative or infinite sigma.
    """
    check_number("sigma (frames)", sigma, 0)
    if sigma == 0 or len(keypoints) < 2:
        return keypoints
    return _each_signal(keypoints, lambda signal: _gaussian(signal, float(sigma)))


def _each_signal(keypoints: Keypoints, smooth: Filter) -> Keypoints:
    """Apply a filter of float64 signals [T, N] to the positions and to the jacobians."""

    def apply(values: Tensor) -> Tensor:
        signal = values.detach().cpu().double().flatten(1)
        return smooth(signal).reshape(values.shape).to(values)

    if len(keypoints) == 0:
        return keypoints
    jacobian = None if keypoints.jacobian is None else apply(keypoints.jacobian)
    return Keypoints(apply(keypoints.position), jacobian)


def _gaussian(signal: Tensor, sigma: float) -> Tensor:
    period = 2 * len(signal)  # half-sample mirror: 2 1 0 | 0 1 2 | 2 1 0
    radius = min(math.ceil(4 * sigma), 2 * period)  # beyond that, every frame weighs the same
    offset = torch.arange(-radius, radius + 1)
    weight = torch.exp(-0.5 * (offset.to(signal) / sigma).square())
    kernel = signal.new_zeros(period).index_add(0, offset % period, weight / weight.sum())
    mirrored = torch.cat((signal, signal.flip(0)))
    smoothed = torch.fft.irfft(torch.fft.rfft(mirrored, dim=0) * torch.fft.rfft(kernel)[:, None], n=period, dim=0)
    return smoothed[: len(signal)]


def _one_euro(signal: Tensor, fps: float, min_cutoff: float, beta: float, derivative_cutoff: float) -> Tensor:
    values = signal.numpy()
    result = np.empty_like(values)
    level, speed = values[0], np.zeros_like(values[0])
    result[0] = level
    speed_gain = _gain(derivative_cutoff, fps)
    for frame in range(1, len(values)):
        step = values[frame] - level
        speed = speed + speed_gain * (step * fps - speed)
        level = level + _gain(min_cutoff + beta * np.abs(speed), fps) * step
        result[frame] = level
    return torch.from_numpy(result)


def _gain(cutoff: float | np.ndarray, fps: float) -> float | np.ndarray:
    """Share of the new value in a first-order low pass with `cutoff` in Hz."""
    return 1 / (1 + fps / (2 * math.pi * cutoff))
