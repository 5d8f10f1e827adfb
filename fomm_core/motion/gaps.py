"""Frames in which the detector was lost: found by its confidence, and bridged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby

import torch
from torch import Tensor

from ..errors import KeypointError
from ..geometry import Keypoints
from .checks import check_frames, check_number

USUAL_QUANTILE = 0.75
"""Of a keypoint's confidence over the clip: what it is when all is well, even where half of the clip is lost."""
LEAST = 0.8
"""Share of its usual confidence below which a keypoint is lost. On real talking heads with frames of other things cut
in, frames with a face had 0.85 and more of it on average, others 0.8 and less."""
PATIENCE = 25
"""Frames up to which a gap is bridged; movement over a longer one would be invented."""


def doubtful(keypoints: Keypoints, least: float = LEAST) -> Tensor:
    """Which frames are lost, [T] bool: their mean confidence is below `least` of what is usual in the clip.

    Raises KeypointError for keypoints without confidence, or a share outside 0..1.
    """
    check_frames("performance", keypoints)
    check_number("a least confidence", least, 0, 1)
    if keypoints.confidence is None:
        raise KeypointError(
            "expected keypoints with a confidence; got none: detect them anew, older files don't have it"
        )
    mean = keypoints.confidence.detach().float().cpu().mean(1)
    return mean < least * mean.quantile(USUAL_QUANTILE)


def fill_gaps(
    keypoints: Keypoints, bad: Tensor | None = None, *, least: float = LEAST, longest: int = PATIENCE
) -> tuple[Keypoints, list[tuple[int, int]]]:
    """Lost frames replaced by a movement from the last good one to the next, and the gaps as (first frame, frames).

    The bridge is a cubic that leaves and arrives at the speed there was, as far as it overshoots little; a gap at
    either end of the clip, or of more than `longest` frames, is held by its good neighbours instead, half each.
    Confidence stays what it was, so that it still shows where frames were bridged.

    Args:
        keypoints: T frames; of timed ones, movement follows the times.
        bad: [T] bool, the lost frames; None finds them by `doubtful` with `least`.

    Raises:
        KeypointError: no good frame at all, no confidence where it is needed, or another number of flags.
    """
    lost = doubtful(keypoints, least) if bad is None else torch.as_tensor(bad, dtype=torch.bool).cpu()
    check_frames("performance", keypoints)
    if tuple(lost.shape) != (len(keypoints),):
        raise KeypointError(f"expected a flag for each of {len(keypoints)} frames; got {list(lost.shape)}")
    if longest < 0:
        raise KeypointError(f"expected a longest gap of at least 0 frames; got {longest}")
    if lost.all():
        raise KeypointError(
            "expected at least one good frame; the keypoints of all are doubtful: is this the right model and clip?"
        )
    gaps = list(_runs(lost.tolist()))
    if not gaps:
        return keypoints, []
    when = torch.arange(len(keypoints), dtype=torch.float64)
    if keypoints.times is not None:
        when = keypoints.times[:-1]

    def bridged(values: Tensor) -> Tensor:
        result = values.clone()
        for start, count in gaps:
            result[start : start + count] = _bridge(values, lost, when, start, count, longest)
        return result

    jacobian = None if keypoints.jacobian is None else bridged(keypoints.jacobian)
    return replace(keypoints, position=bridged(keypoints.position), jacobian=jacobian), gaps


def _runs(flags: list[bool]) -> Iterator[tuple[int, int]]:
    frame = 0
    for flag, group in groupby(flags):
        count = len(list(group))
        if flag:
            yield frame, count
        frame += count


def _bridge(values: Tensor, lost: Tensor, when: Tensor, start: int, count: int, longest: int) -> Tensor:
    """[count, ...] in place of the frames from `start` on."""
    before, after = start - 1, start + count
    if before < 0:
        return values[after].expand(count, *values.shape[1:])
    if after == len(values):
        return values[before].expand(count, *values.shape[1:])
    if count > longest:
        halves = [before] * (count - count // 2) + [after] * (count // 2)
        return values[halves]
    span = float(when[after] - when[before])
    share = ((when[start:after] - when[before]) / span).reshape(-1, *[1] * (values.ndim - 1)).to(values)
    a, b = values[before], values[after]
    leave = _speed(values, lost, when, before - 1, before) * span
    arrive = _speed(values, lost, when, after, after + 1) * span
    reach = (b - a).norm(dim=-1, keepdim=True)
    leave, arrive = (_no_longer(slope, 3 * reach) for slope in (leave, arrive))
    square, cube = share**2, share**3
    return (
        (2 * cube - 3 * square + 1) * a
        + (cube - 2 * square + share) * leave
        + (3 * square - 2 * cube) * b
        + (cube - square) * arrive
    )


def _speed(values: Tensor, lost: Tensor, when: Tensor, first: int, second: int) -> Tensor:
    """Per second or frame, between two good frames; 0 where one of them is not there or lost."""
    if first < 0 or second >= len(values) or lost[first] or lost[second]:
        return torch.zeros_like(values[0])
    return (values[second] - values[first]) / float(when[second] - when[first])


def _no_longer(slope: Tensor, reach: Tensor) -> Tensor:
    """The slope, shortened where it would carry further than the gap is wide: a cubic stays monotonous up to 3."""
    length = slope.norm(dim=-1, keepdim=True)
    return slope * (reach / length.clamp(min=1e-12)).clamp(max=1)
