"""From the source and a dense motion to a new frame (section 3.2 of the paper)."""

from collections.abc import Sequence
from itertools import pairwise

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
        self.align_corners, self.aligned_maps = align_corners, config.aligned_maps
        self.aligned_flow = config.blend_source or config.aligned_maps
        self.skips = config.skips
        self.blend_source = config.blend_source or config.skips or config.every_level
        widths, instance = [config.features(i) for i in range(config.num_down_blocks + 1)], config.instance_norm
        self.first = ConvBlock(num_channels, widths[0], kernel_size=7, instance=instance)
        self.down = nn.ModuleList(DownBlock(*pair, instance=instance) for pair in pairwise(widths))
        stages = [width * (2 if config.every_level and i else 1) for i, width in enumerate(reversed(widths[1:]))]
        residual = stages if config.every_level else widths[-1:]
        self.bottleneck = nn.Sequential(
            *(ResidualBlock(w, instance=instance) for w in residual for _ in range(config.num_bottleneck_blocks))
        )
        self.up = nn.ModuleList(
            UpBlock(wide, narrow, instance=instance) for wide, narrow in zip(stages, reversed(widths[:-1]), strict=True)
        )
        self.arrange: nn.Module = nn.Identity()  # of a number's place in memory; see `lowering`
        self.final: nn.Module = nn.Conv2d(config.block_expansion, num_channels, 7, padding=3)

    def levels(self, image: Tensor) -> tuple[Tensor, ...]:
        """Features of the source at each level, [B, C, h, w] each, the smallest last."""
        found = [self.first(image.to(next(self.first.parameters()).dtype))]
        for block in self.down:
            found.append(block(found[-1]))
        return tuple(found)

    def encode(self, image: Tensor) -> tuple[Tensor, ...]:
        """What `paint` needs of the source: the smallest features, [B, C, h, w], or all levels where it has skips."""
        return self.levels(image) if self.skips else self.levels(image)[-1:]

    def move(self, features: Tensor, motion: Motion) -> Tensor:
        """Features [1 or B, C, h, w] where the motion takes them, dimmed where the source is occluded; [B, C, h, w]."""
        return self.dimmed(features, motion, motion.occlusion)

    def dimmed(self, features: Tensor, motion: Motion, occlusion: Tensor | None) -> Tensor:
        """The same with another occlusion map, [B, 1, h, w]; None hides nothing."""
        moved = self.warp_image(features, motion)
        return moved if occlusion is None else moved * self.shown(occlusion, moved)

    def shown(self, occlusion: Tensor, like: Tensor) -> Tensor:
        """An occlusion map at the size, and in the number format, of an image or of features."""
        return resize_maps(occlusion, *like.shape[-2:], align_corners=self.aligned_maps).to(like.dtype)

    def decode(self, features: Tensor) -> Tensor:
        """Moved features, the smallest, to an image, [B, num_channels, H, W] in 0..1."""
        out = self.bottleneck(self.arrange(features.to(next(self.final.parameters()).dtype)))
        for block in self.up:
            out = block(out)
        return torch.sigmoid(at_least_float32(self.final(out)))

    def warp_image(self, image: Tensor, motion: Motion, *, padding: str = "zeros") -> Tensor:
        """The image itself moved by the flow, holes and all; [B, C, H, W]. padding: see `warp`."""
        flow = resize_flow(motion.flow, *image.shape[-2:], align_corners=self.aligned_flow)
        layers = image.expand(len(motion), -1, -1, -1)
        return warp(layers, flow, align_corners=self.align_corners, padding=padding)

    def blend(self, painted: Tensor, image: Tensor, motion: Motion) -> Tensor:
        """`painted` [B, C, H, W], with the warped `image` [1 or B, C, H, W] in its place where that is not occluded.

        o * warped + (1 - o) * painted with the occlusion map o, in models that learned it so (`blend_source`);
        `painted` itself in all others. The decoder is left with what the source does not show: a small one is enough.
        """
        if not self.blend_source or motion.occlusion is None:
            return painted
        moved = self.arrange(self.warp_image(image, motion).to(painted.dtype))
        return torch.lerp(painted, moved, self.shown(motion.occlusion, painted))

    def paint(self, features: Sequence[Tensor], image: Tensor, motion: Motion) -> Tensor:
        """Frames [B, C, H, W] of a motion, from the image [1 or B, C, H, W] and what `encode` made of it."""
        out = self.move(features[-1], motion)
        if not self.skips:
            return self.blend(self.decode(out), image, motion)
        out = self.bottleneck(self.arrange(out.to(next(self.final.parameters()).dtype)))
        for block, level in zip(self.up, reversed(features), strict=False):
            out = block(self.blend(out, level, motion))
        out = self.final(self.blend(out, features[0], motion))
        return self.blend(torch.sigmoid(at_least_float32(out)), image, motion)

    def forward(self, image: Tensor, motion: Motion | None) -> Tensor:
        features = self.encode(image)
        return self.decode(features[-1]) if motion is None else self.paint(features, image, motion)
