"""The U-Net under both the keypoint detector and the dense-motion network."""

import torch
from torch import Tensor, nn

from ..config import HourglassConfig
from .blocks import DownBlock, UpBlock


class Hourglass(nn.Module):
    """[B, in_features, H, W] -> [B, out_features, H, W]; H and W must be multiples of 2**num_blocks.

    The input itself is the outermost skip connection, hence out_features = block_expansion + in_features.
    """

    def __init__(self, config: HourglassConfig, in_features: int) -> None:
        super().__init__()
        levels = range(config.num_blocks)
        self.down = nn.ModuleList(
            DownBlock(config.features(i) if i else in_features, config.features(i + 1)) for i in levels
        )
        innermost = config.num_blocks - 1
        self.up = nn.ModuleList(
            UpBlock(config.features(i + 1) * (1 if i == innermost else 2), config.features(i)) for i in reversed(levels)
        )
        self.out_features = config.block_expansion + in_features

    def forward(self, x: Tensor) -> Tensor:
        skips = [x]
        for block in self.down:
            skips.append(block(skips[-1]))
        out = skips.pop()
        for block in self.up:
            out = torch.cat([block(out), skips.pop()], dim=1)
        return out
