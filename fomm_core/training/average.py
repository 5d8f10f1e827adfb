"""Averaged weights: steadier than the last ones, and what a run hands out."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from ..model import MotionModel


def averaged(model: MotionModel, decay: float) -> AveragedModel:
    """An exponential moving average of a model's weights and running statistics; `update_parameters(model)` adds one.

    decay: share of the average that stays at each update. At the n-th one it is (1 + n) / (10 + n) at most, so that
    short runs are not ruled by the weights that they began with.
    """

    @torch.no_grad()
    def mix(average: Sequence[Tensor], current: Sequence[Tensor], updates: Tensor | int) -> None:
        count = int(updates)
        share = 1 - min(decay, (1 + count) / (10 + count))
        for old, new in zip(average, current, strict=True):
            if old.is_floating_point():
                old.lerp_(new, share)
            else:  # counters of batches
                old.copy_(new)

    return AveragedModel(model, multi_avg_fn=mix, use_buffers=True).requires_grad_(False)
