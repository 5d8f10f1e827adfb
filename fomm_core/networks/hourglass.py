"""The U-Net under the keypoint detector and dense motion; its first half sees the background."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from ..config import HourglassConfig
from .blocks import DownBlock, UpBlock


class Contraction(nn.Module):
    """The way down: [B, in_features, H, W] -> the input and each level, the smallest last."""

    def __init__(self, config: HourglassConfig, in_features: int, *, instance: bool = False) -> None:
        super().__init__()
        widths = [in_features, *(config.features(i + 1) for i in range(config.num_blocks))]
        self.down = nn.ModuleList(DownBlock(*pair, instance=instance) for pair in pairwise(widths))

    def contract(self, x: Tensor) -> list[Tensor]:
        """[B, in_features, H, W] -> 1 + num_blocks maps."""
        levels = [x]
        for block in self.down:
            levels.append(block(levels[-1]))
        return levels

    def forward(self, x: Tensor) -> Tensor:
        return self.contract(x)[-1]


class Hourglass(Contraction):
    """[B, in_features, H, W] -> [B, out_features, H, W]; H and W must be multiples of 2**num_blocks.

    The input itself is the outermost skip connection, hence out_features = block_expansion + in_features.
    """

    def __init__(self, config: HourglassConfig, in_features: int, *, instance: bool = False) -> None:
        super().__init__(config, in_features, instance=instance)
        innermost = config.num_blocks - 1
        self.up = nn.ModuleList(
            UpBlock(config.features(i + 1) * (1 if i == innermost else 2), config.features(i), instance=instance)
            for i in reversed(range(config.num_blocks))
        )
        self.out_features = config.block_expansion + in_features

    def levels(self, x: Tensor) -> list[Tensor]:
        """What each block of the way up makes, with the way down's map of its size behind it; the largest last."""
        skips = self.contract(x)
        outs = [skips.pop()]
        for block in self.up:
            outs.append(torch.cat([block(outs[-1]), skips.pop()], dim=1))
        return outs[1:]

    def forward(self, x: Tensor) -> Tensor:
        return self.levels(x)[-1]
