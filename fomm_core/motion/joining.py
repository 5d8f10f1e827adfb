"""Performances that run into each other: loops and joins with a crossfade."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import KeypointError
from ..geometry import Keypoints
from .checks import check_counts, check_frames
from .order import untimed
from .signs import like_signs


def eased(share: Tensor) -> Tensor:
    """0..1 to 0..1, at rest at both ends: 10 s^3 - 15 s^4 + 6 s^5, speed and acceleration 0 there (minimum jerk)."""
    return share**3 * (10 + share * (6 * share - 15))


def loop(keypoints: Keypoints, crossfade: int) -> Keypoints:
    """A performance whose last frame leads into its first: the last `crossfade` frames are faded into the first ones.

    T frames become T - crossfade. Positions and jacobians are mixed as `blend` does it, by an eased weight, so that the
    step over the seam is one of the performance's own. 0 changes nothing. Untimed.

    Raises KeypointError for a crossfade below 0, or of more than half the frames.
    """
    check_frames("performance", keypoints)
    length = len(keypoints)
    if not 0 <= crossfade <= length // 2:
        raise KeypointError(
            f"expected a crossfade of 0 to {length // 2} frames, half of the performance's {length}; got {crossfade}"
        )
    if crossfade == 0:
        return keypoints
    keypoints = untimed(keypoints)
    faded = _faded(keypoints[length - crossfade :], keypoints[:crossfade])
    return Keypoints.cat([faded, keypoints[crossfade : length - crossfade]])


def join(parts: Sequence[Keypoints], crossfade: int = 0) -> Keypoints:
    """Performances one after the other; over `crossfade` frames one fades out while the next fades in.

    The result has the sum of their frames, less `crossfade` for each seam. Times stay where all have them and nothing
    is faded.

    Raises KeypointError where there is none, keypoints or jacobians differ, or a part is too short for its fades.
    """
    if not parts:
        raise KeypointError("expected at least one performance to join; got none")
    for number, part in enumerate(parts):
        check_frames(f"performance {number + 1}", part)
        check_counts("first performance", parts[0], f"performance {number + 1}", part)
        inner = 0 < number < len(parts) - 1
        least = crossfade * (2 if inner else 1) if len(parts) > 1 else 0
        if not crossfade >= 0 or len(part) < max(1, least):
            raise KeypointError(
                f"expected a crossfade of at least 0 frames, and of no more than each performance has (half of that "
                f"for those in the middle); got {crossfade} for performance {number + 1} of {len(part)} frames"
            )
    if crossfade == 0 or len(parts) == 1:
        return Keypoints.cat(list(parts))
    done: list[Keypoints] = []
    last = untimed(parts[0])
    for part in parts[1:]:
        keep = len(last) - crossfade
        done += [last[:keep], _faded(last[keep:], untimed(part)[:crossfade])]
        last = untimed(part)[crossfade:]
    return Keypoints.cat([*done, last])


def _faded(leaving: Keypoints, coming: Keypoints) -> Keypoints:
    """N frames of each to n frames that begin as the one and end as the other, neither reached."""
    kinds = [(part.jacobian is None, part.covariance is None) for part in (leaving, coming)]
    if kinds[0] != kinds[1]:
        raise KeypointError(
            "expected jacobians and covariances in all performances or in none; got a mixture: detect with one model"
        )
    count = len(leaving)
    share = eased(torch.arange(1, count + 1, dtype=torch.float64) / (count + 1))

    def mixed(a: Tensor, b: Tensor) -> Tensor:
        return torch.lerp(a, b, share.reshape(-1, *[1] * (a.ndim - 1)).to(a))

    jacobian = confidence = covariance = None
    if leaving.jacobian is not None and coming.jacobian is not None:
        signed = coming.jacobian if coming.covariance is None else like_signs(coming.jacobian, leaving.jacobian)
        jacobian = mixed(leaving.jacobian, signed)
    if leaving.confidence is not None and coming.confidence is not None:
        confidence = mixed(leaving.confidence, coming.confidence)
    if leaving.covariance is not None and coming.covariance is not None:
        covariance = mixed(leaving.covariance, coming.covariance)
    return Keypoints(mixed(leaving.position, coming.position), jacobian, None, confidence, covariance)
