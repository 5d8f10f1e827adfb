"""The signs of regions' local maps: a map and its negative say the same, since principal axes have none.

What averages maps has to choose signs that agree first, or a map and its negative would make nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor


def like_signs(maps: Tensor, others: Tensor) -> Tensor:
    """Maps [..., 2, 2] with the signs that bring each nearest to its counterpart."""
    return maps * _agreement(maps, others)[..., None, None]


def steady_signs(maps: Tensor) -> Tensor:
    """Signs, 1 or -1, [T, K, 1, 1], with which the maps [T, K, 2, 2] of a clip turn round between no two frames."""
    flips = _agreement(maps[1:], maps[:-1])
    signs = torch.cat((torch.ones_like(flips[:1]) if len(maps) > 1 else maps.new_ones(len(maps), maps.shape[1]), flips))
    return signs.cumprod(0)[..., None, None]


def _agreement(maps: Tensor, others: Tensor) -> Tensor:
    """1 or -1, [...]: the sign of the maps' inner product; 1 where they are at right angles."""
    product = (maps * others).sum((-1, -2))
    return torch.where(product < 0, -torch.ones_like(product), torch.ones_like(product))
