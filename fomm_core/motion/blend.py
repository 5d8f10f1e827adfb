"""Mix two performances."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import KeypointError
from ..geometry import Keypoints
from .checks import check_counts, check_frames
from .signs import like_signs


def blend(
    first: Keypoints,
    second: Keypoints,
    weight: float | Sequence[float] | Tensor = 0.5,
    *,
    select: Sequence[bool] | None = None,
    turning: float | Sequence[float] | Tensor | None = None,
) -> Keypoints:
    """(1 - weight) first + weight second, frame by frame, on positions and jacobians; exact at 0 and 1.

    The result has the times of the first, or those of the second where the first has none or is held.

    Args:
        first: T frames, or one frame that is held.
        second: T frames, or one frame that is held.
        weight: 0..1, the share of `second`; one number, one for each of the K keypoints, or, as [T, 1] or [T, K], one
            for each frame.
        select: one bool for each of the K keypoints; where False, that keypoint stays as in `first`.
        turning: 0..1, the share of the second's jacobians where it is another than that of its positions.

    Raises:
        KeypointError: different counts of keypoints, lengths that are neither equal nor 1, jacobians in one of the two
            only, or weights that do not fit.
    """
    check_frames("first", first)
    check_frames("second", second)
    check_counts("first", first, "second", second)
    frames = max(len(first), len(second))
    if len(first) != len(second) and 1 not in (len(first), len(second)):
        raise KeypointError(
            f"expected two performances of the same length, or one of a single frame; got {len(first)} and "
            f"{len(second)} frames: cut both to the shorter with keypoints[:{min(len(first), len(second))}], or see "
            "`matched`"
        )
    if (first.covariance is None) != (second.covariance is None):
        raise KeypointError(
            "expected two performances of one family of models; got regions with covariances in only one of them: "
            "detect both with the same model"
        )
    if (first.jacobian is None) != (second.jacobian is None):
        having = "second" if first.jacobian is None else "first"
        raise KeypointError(
            f"expected jacobians in both performances or in neither; got them only in the {having}: "
            "use without_jacobian() on it, or detect both with the same model"
        )
    share = _shares(weight, select, first, frames)
    first, second = first.expand(frames), second.expand(frames)
    times = second.times if first.times is None else first.times
    jacobian, covariance, confidence = None, None, None
    if first.jacobian is not None and second.jacobian is not None:
        turned = share if turning is None else _shares(turning, select, first, frames)
        mixed = second.jacobian if first.covariance is None else like_signs(second.jacobian, first.jacobian)
        jacobian = torch.lerp(first.jacobian, mixed, turned[..., None, None])
    if first.confidence is not None and second.confidence is not None:
        confidence = torch.lerp(first.confidence, second.confidence, share)
    if first.covariance is not None and second.covariance is not None:
        covariance = torch.lerp(first.covariance, second.covariance, share[..., None, None])
    position = torch.lerp(first.position, second.position, share[..., None])
    return Keypoints(position, jacobian, times, confidence, covariance)


def _shares(
    weight: float | Sequence[float] | Tensor, select: Sequence[bool] | None, like: Keypoints, frames: int
) -> Tensor:
    """The share of the second performance for each keypoint, [K] or [T, K]."""
    share = torch.as_tensor(weight).to(like.position)
    if tuple(share.shape) not in {(), (like.count,), (frames, 1), (frames, like.count)}:
        raise KeypointError(
            f"expected one weight, one for each of {like.count} keypoints, or one for each of {frames} frames as "
            f"[{frames}, 1]; got {list(share.shape)}"
        )
    if not ((share >= 0) & (share <= 1)).all():
        wrong = share[~((share >= 0) & (share <= 1))].flatten()
        raise KeypointError(f"expected weights of 0 to 1; got {wrong[0].item():g}")
    share = share.expand(*share.shape[:-1], like.count)
    if select is None:
        return share
    chosen = torch.as_tensor(select, device=share.device)
    if tuple(chosen.shape) != (like.count,) or chosen.dtype != torch.bool:
        raise KeypointError(
            f"expected select to hold one bool for each of {like.count} keypoints; "
            f"got {list(chosen.shape)} of {str(chosen.dtype).removeprefix('torch.')}"
        )
    return torch.where(chosen, share, torch.zeros_like(share))
