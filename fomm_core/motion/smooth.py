"""Take jitter out of keypoints over time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from ..geometry import Keypoints
from .checks import check_number
from .signs import steady_signs
from .timing import UNTIMED_RATE, common_rate

Filter = Callable[[Tensor], Tensor]

MIN_CUTOFF, BETA = 1.0, 10.0
"""Of the One-Euro filter where nothing else is asked for; see `smooth_one_euro`."""


def smooth_one_euro(
    keypoints: Keypoints,
    *,
    fps: float | Fraction = UNTIMED_RATE,
    min_cutoff: float = MIN_CUTOFF,
    beta: float = BETA,
    derivative_cutoff: float = 1.0,
) -> Keypoints:
    """One-Euro filter: steady where little moves, quick where much does (Casiez et al., CHI 2012).

    Causal: a frame depends on itself and those before it; the first stays as it is. Each coordinate of each position
    and jacobian is filtered on its own, with a cut-off frequency of `min_cutoff + beta * |speed|`.

    Args:
        keypoints: T frames; timed ones are filtered by the true time between them.
        fps: frames per second of an untimed clip, so that the same settings serve any frame rate.
        min_cutoff: Hz, above 0: the cut-off at rest. Lower removes more jitter.
        beta: Hz per (unit per second), units being those of -1..1 coordinates: how quickly the cut-off rises with
            speed. Higher follows faster; at the default, a head that crosses a quarter of the image in a second
            (speed 0.5) is filtered at 6 Hz or more and lags less than a frame at 25 fps.
        derivative_cutoff: Hz, above 0: the cut-off of the speed estimate itself.

    Raises:
        KeypointError: for a setting outside its range.
    """
    check_number("fps", fps, 0, above=True)
    check_number("min_cutoff (Hz)", min_cutoff, 0, above=True)
    check_number("beta", beta, 0)
    check_number("derivative_cutoff (Hz)", derivative_cutoff, 0, above=True)
    if keypoints.times is None:
        rates = np.full(len(keypoints), float(fps))
    else:
        rates = 1 / np.diff(keypoints.times.numpy(), prepend=-1)[:-1]  # the first is not used
    return _each_signal(keypoints, lambda signal: _one_euro(signal, rates, min_cutoff, beta, derivative_cutoff))


def smooth_gaussian(keypoints: Keypoints, *, sigma: float) -> Keypoints:
    """Gaussian over time, on positions and jacobians; sees the future, so that nothing lags.

    The clip is continued by its mirror image at both ends, so that the ends are not drawn towards zero; any length
    will do.

    Args:
        keypoints: T frames. Of timed ones, a frame that stands longer than is usual counts for all that time.
        sigma: standard deviation in frames, of timed ones in usual frames (`common_rate`); 0 returns the keypoints as
            they are.

    Raises:
        KeypointError: for a negative or infinite sigma.
    """
    check_number("sigma (frames)", sigma, 0)
    if sigma == 0 or len(keypoints) < 2:
        return keypoints
    if keypoints.times is None:
        return _each_signal(keypoints, lambda signal: _gaussian(signal, float(sigma)))
    edges = keypoints.times.numpy()
    gap = float(1 / common_rate(edges.tolist()))
    return _each_signal(keypoints, lambda signal: _gaussian_by_time(signal, edges - edges[0], gap, float(sigma)))


def _each_signal(keypoints: Keypoints, smooth: Filter) -> Keypoints:
    """Apply a filter of float64 signals [T, N] to positions, jacobians and covariances."""

    def apply(values: Tensor) -> Tensor:
        signal = values.detach().cpu().double().flatten(1)
        return smooth(signal).reshape(values.shape).to(values)

    if len(keypoints) == 0:
        return keypoints
    signs = torch.ones(())
    if keypoints.covariance is not None and keypoints.jacobian is not None:
        signs = steady_signs(keypoints.jacobian)
    jacobian = None if keypoints.jacobian is None else apply(keypoints.jacobian * signs) * signs
    covariance = None if keypoints.covariance is None else apply(keypoints.covariance)
    return replace(keypoints, position=apply(keypoints.position), jacobian=jacobian, covariance=covariance)


def _gaussian_by_time(signal: Tensor, edges: np.ndarray, gap: float, sigma: float) -> Tensor:
    """edges: [T + 1] seconds from 0. A frame is taken as often as usual frames fit into its time."""
    lengths = np.diff(edges)
    copies = np.minimum(np.maximum(1, np.rint(lengths / gap)), math.ceil(8 * sigma) + 1).astype(int)
    owner = np.repeat(np.arange(len(lengths)), copies)
    places = np.arange(len(owner)) - np.repeat(np.cumsum(copies) - copies, copies)
    # The copies of a very long stand lie at both its ends; what is in between is too far from all else to count.
    share = lengths[owner] / copies[owner]
    weights = np.minimum(share, gap)
    near_end = (share > gap) & (places * 2 >= copies[owner])
    centres = np.where(
        near_end, edges[owner + 1] - (copies[owner] - places - 0.5) * weights, edges[owner] + (places + 0.5) * weights
    )
    values = signal.numpy()
    ends = np.concatenate((-centres[::-1], centres, 2 * edges[-1] - centres[::-1]))
    owners = np.concatenate((owner[::-1], owner, owner[::-1]))
    masses = np.concatenate((weights[::-1], weights, weights[::-1]))
    width = sigma * gap
    result = np.empty_like(values)
    for frame, centre in enumerate(edges[:-1] + np.minimum(lengths, gap) / 2):
        low, high = np.searchsorted(ends, (centre - 4 * width - gap, centre + 4 * width + gap))
        weight = masses[low:high] * np.exp(-0.5 * np.square((ends[low:high] - centre) / width))
        result[frame] = weight @ values[owners[low:high]] / weight.sum()
    return torch.from_numpy(result)


def _gaussian(signal: Tensor, sigma: float) -> Tensor:
    period = 2 * len(signal)  # half-sample mirror: 2 1 0 | 0 1 2 | 2 1 0
    radius = min(math.ceil(4 * sigma), 2 * period)  # beyond that, every frame weighs the same
    offset = torch.arange(-radius, radius + 1)
    weight = torch.exp(-0.5 * (offset.to(signal) / sigma).square())
    kernel = signal.new_zeros(period).index_add(0, offset % period, weight / weight.sum())
    mirrored = torch.cat((signal, signal.flip(0)))
    smoothed = torch.fft.irfft(torch.fft.rfft(mirrored, dim=0) * torch.fft.rfft(kernel)[:, None], n=period, dim=0)
    return smoothed[: len(signal)]


def _one_euro(signal: Tensor, rates: np.ndarray, min_cutoff: float, beta: float, derivative_cutoff: float) -> Tensor:
    """rates: [T], 1 / seconds between each frame and the one before."""
    values = signal.numpy()
    result = np.empty_like(values)
    level, speed = values[0], np.zeros_like(values[0])
    result[0] = level
    for frame in range(1, len(values)):
        fps = float(rates[frame])
        step = values[frame] - level
        speed = speed + _gain(derivative_cutoff, fps) * (step * fps - speed)
        level = level + _gain(min_cutoff + beta * np.abs(speed), fps) * step
        result[frame] = level
    return torch.from_numpy(result)


def _gain(cutoff: float | np.ndarray, fps: float) -> float | np.ndarray:
    """Share of the new value in a first-order low pass with `cutoff` in Hz."""
    return 1 / (1 + fps / (2 * math.pi * cutoff))
