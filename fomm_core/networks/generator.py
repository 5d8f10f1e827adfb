"""From the source and a dense motion to a new frame (section 3.2 of the paper)."""

import torch
from torch import Tensor, nn

from ..config import GeneratorConfig
from ..geometry import Motion, resize_flow, resize_maps, warp
from .blocks import ConvBlock, DownBlock, ResidualBlock, UpBlock, at_least_float32


class OcclusionAwareGenerator(nn.Module):
    """Encodes the source, moves its features, hides what the source does not show, and paints the frame.

    `encode` needs no motion: for a clip it runs once, `decode` once a frame.
    """

    def __init__(self, config: GeneratorConfig, *, num_channels: int, align_corners: bool) -> None:
        super().__init__()
        self.align_corners = align_corners
        self.blend_source = config.blend_source
        levels = range(config.num_down_blocks)
        self.first = ConvBlock(num_channels, config.features(0), kernel_size=7)
        self.down = nn.ModuleList(DownBlock(config.features(i), config.features(i + 1)) for i in levels)
        self.bottleneck = nn.Sequential(
            *(ResidualBlock(config.features(config.num_down_blocks)) for _ in range(config.num_bottleneck_blocks))
        )
        self.up = nn.ModuleList(UpBlock(config.features(i + 1), config.features(i)) for i in reversed(levels))
        self.final: nn.Module = nn.Conv2d(config.block_expansion, num_channels, 7, padding=3)

    def encode(self, image: Tensor) -> Tensor:
        """Features of the source, [B, C, h, w]."""
        features = self.first(image.to(next(self.first.parameters()).dtype))
        for block in self.down:
            features = block(features)
        return features

    def move(self, features: Tensor, motion: Motion) -> Tensor:
        """Features [1 or B, C, h, w] where the motion takes them, dimmed where the source is occluded; [B, C, h, w]."""
        height, width = features.shape[-2:]
        flow = resize_flow(motion.flow, height, width, align_corners=self.blend_source)
        features = features.expand(len(motion), -1, -1, -1)
        features = warp(features, flow, align_corners=self.align_corners)
        if motion.occlusion is None:
            return features
        return features * resize_maps(motion.occlusion, height, width).to(features.dtype)

    def decode(self, features: Tensor) -> Tensor:
        """Moved features to a picture, [B, num_channels, H, W] in 0..1."""
        out = self.bottleneck(features.to(next(self.final.parameters()).dtype))
        for block in self.up:
            out = block(out)
        return torch.sigmoid(at_least_float32(self.final(out)))

    def warp_image(self, image: Tensor, motion: Motion, *, padding: str = "zeros") -> Tensor:
        """The picture itself moved by the flow, holes and all; [B, C, H, W]. padding: see `warp`."""
        flow = resize_flow(motion.flow, *image.shape[-2:], align_corners=self.blend_source)
        layers = image.expand(len(motion), -1, -1, -1)
        return warp(layers, flow, align_corners=self.align_corners, padding=padding)

    def blend(self, painted: Tensor, image: Tensor, motion: Motion) -> Tensor:
        """`painted` [B, C, H, W], with the warped `image` [1 or B, C, H, W] in its place where that is not occluded.

        o * warped + (1 - o) * painted with the occlusion map o, in models that learned it so (`blend_source`);
        `painted` itself in all others. The decoder is left with what the source does not show: a small one is enough.
        """
        if not self.blend_source or motion.occlusion is None:
            return painted
        shown = resize_maps(motion.occlusion, *painted.shape[-2:])
        return torch.lerp(painted, self.warp_image(image, motion), shown)

    def paint(self, features: Tensor, image: Tensor, motion: Motion) -> Tensor:
        """Frames [B, C, H, W] of a motion, from the picture [1 or B, C, H, W] and its features."""
        return self.blend(self.decode(self.move(features, motion)), image, motion)

    def forward(self, image: Tensor, motion: Motion | None) -> Tensor:
        features = self.encode(image)
        return self.decode(features) if motion is None else self.paint(features, image, motion)
