"""What a rebuilt frame and its keypoints are measured by. Pure functions; none is weighted unless it says so."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..geometry import Keypoints, identity_like, local_inverse, upright
from ..networks import Verdict, at_least_float32, without_autocast
from .transform import RandomTransform

APART = 0.3
"""What `crowding` takes for far enough, where a picture's side is 2."""


def mean_difference(a: Tensor, b: Tensor) -> Tensor:
    """Mean of |a - b|, in float32 at least; a scalar."""
    return at_least_float32(a - b).abs().mean()


def weighted_difference(a: Tensor, b: Tensor, weights: Tensor) -> Tensor:
    """Mean of weights * |a - b|, in float32 at least; a scalar. weights: anything that goes with [B, C, H, W]."""
    return (weights * at_least_float32(a - b).abs()).mean()


def layer_differences(generated: Sequence[Tensor], real: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Sum over layers of weight * mean |generated - real|, a scalar; layers of weight 0 are left out.

    Perceptual loss at one scale where the layers are a backbone's, feature matching where they are a discriminator's
    blocks. `generated` and `real` may have fewer layers than there are weights only where those weights are 0.
    """
    used = [i for i, weight in enumerate(weights) if weight]
    return torch.stack([weights[i] * mean_difference(generated[i], real[i]) for i in used]).sum()


def generator_gan(generated: Sequence[Verdict]) -> Tensor:
    """Least squares: mean (1 - D(generated))^2, summed over the discriminator's scales."""
    return torch.stack([(1 - at_least_float32(verdict.scores)).square().mean() for verdict in generated]).sum()


def discriminator_gan(generated: Sequence[Verdict], real: Sequence[Verdict]) -> Tensor:
    """Least squares: mean (1 - D(real))^2 + D(generated)^2, summed over the discriminator's scales."""
    terms = [
        ((1 - at_least_float32(right.scores)).square() + at_least_float32(wrong.scores).square()).mean()
        for right, wrong in zip(real, generated, strict=True)
    ]
    return torch.stack(terms).sum()


def crowding(keypoints: Keypoints) -> Tensor:
    """Mean over pairs of keypoints of how much nearer they are than APART, as a share of it: 0 where all are apart.

    Keypoints begin in one place, the middle, and with local affine maps they may stay there, explaining a head's turn
    but no mouth. This pushes them out; which parts they then hold on to is left to the other losses.
    """
    distances = torch.cdist(keypoints.position, keypoints.position)
    first, second = torch.triu_indices(keypoints.count, keypoints.count, offset=1)
    return at_least_float32(1 - distances[:, first, second] / APART).clamp(min=0).mean()


def equivariance_value(driving: Keypoints, transformed: Keypoints, transform: RandomTransform) -> Tensor:
    """Mean |p - T(p')|: keypoints p' of the deformed frame, put back, are the frame's (section 3.3 of the paper)."""
    return mean_difference(driving.position, transform.points(transformed.position))


def equivariance_jacobian(
    driving: Keypoints, transformed: Keypoints, transform: RandomTransform, *, revert_axes: bool = False
) -> Tensor:
    """Mean |1 - J^-1 T'(p') J'|: the same for local affine maps, by the chain rule (ibid.). revert_axes: where local
    maps have no sign (MRAA), what turns a region round is turned back.
    """
    assert driving.jacobian is not None
    assert transformed.jacobian is not None
    with without_autocast(driving.jacobian):
        around = local_inverse(driving) @ transform.jacobian(transformed.position) @ transformed.jacobian
        around = upright(around) if revert_axes else around
    return mean_difference(identity_like(around), around)
