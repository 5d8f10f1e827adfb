"""A performance seen in a mirror: what the left side did, the right side does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..errors import KeypointError
from ..geometry import Keypoints
from .checks import check_counts, check_single


def mirror(keypoints: Keypoints, partners: Sequence[int] | None = None) -> Keypoints:
    """Left and right exchanged: x becomes -x, and each keypoint does what its partner did.

    A jacobian or covariance J becomes M J M with M = diag(-1, 1). Mirrored twice, a performance is what it was, to the
    bit.

    Args:
        keypoints: T frames.
        partners: for each of the K keypoints the number of the one on the other side, its own for those in the middle;
            None finds them by `mirror_partners` in the first frame.

    Raises:
        KeypointError: partners that are not each other's.
    """
    order = list(mirror_partners(keypoints[0]) if partners is None else partners)
    count = keypoints.count
    if len(order) != count or any(not 0 <= other < count or order[other] != own for own, other in enumerate(order)):
        raise KeypointError(f"expected for each of {count} keypoints a partner whose partner it is; got {order}")
    signs = keypoints.position.new_tensor([-1.0, 1.0])
    swapped = keypoints.each(lambda values: values[:, order])
    maps = {
        name: value * (signs[:, None] * signs)
        for name in ("jacobian", "covariance")
        if (value := getattr(swapped, name)) is not None
    }
    return replace(swapped, position=swapped.position * signs, times=keypoints.times, **maps)


def mirror_partners(keypoints: Keypoints, flipped: Keypoints | None = None) -> tuple[int, ...]:
    """For each keypoint the number of its partner on the other side; its own where it lies in the middle.

    The network was never told of left and right, so partners are those whose places fit best when the frame is
    mirrored about the middle of its keypoints; every keypoint has one partner, and is its partner's.

    Args:
        keypoints: one frame, best of a face or body seen from the front.
        flipped: keypoints of the same image, flipped. Where the detector then puts keypoint j on what keypoint i
            marks, i and j are partners: surer than places alone.

    Raises:
        KeypointError: other than one frame, or different numbers of keypoints.
    """
    check_single("first", keypoints)
    position = keypoints.position[0].detach().double().cpu()
    if not position.isfinite().all():
        raise KeypointError("expected finite positions to find partners; got NaN or Inf: choose another frame")
    if flipped is None:
        other = position - position.mean(0)
        position = other
    else:
        check_single("flipped", flipped)
        check_counts("first", keypoints, "flipped", flipped)
        other = flipped.position[0].detach().double().cpu()
    seen = other * other.new_tensor([-1.0, 1.0])  # where each one lies when mirrored back
    cost = (position[:, None] - seen[None]).square().sum(-1)
    cost = (cost + cost.T) / 2
    alone = cost.diagonal()
    gain = alone[:, None] + alone[None] - 2 * cost  # of a pair over two that stay alone
    order = list(range(len(position)))
    free = set(order)
    pairs = [(float(gain[i, j]), i, j) for i in order for j in range(i + 1, len(order)) if gain[i, j] > 0]
    for _, i, j in sorted(pairs, key=lambda pair: (-pair[0], pair[1:])):
        if i in free and j in free:
            order[i], order[j] = j, i
            free -= {i, j}
    return tuple(order)
