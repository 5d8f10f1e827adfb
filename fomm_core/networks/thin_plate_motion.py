"""What the Thin-Plate-Spline Motion Model (Zhao & Zhang, CVPR 2022) has of its own: detector, motion, painter."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from einops import einsum, rearrange
from torch import Tensor, nn

from ..config import DenseMotionConfig, PointDetectorConfig
from ..geometry import Keypoints, Motion, coordinate_grid, spline_at, spline_through
from .blocks import Downsample, UpBlock, at_least_float32, without_autocast
from .dense_motion import DenseMotionNetwork, SparseMotion
from .generator import OcclusionAwareGenerator
from .resnet import ResNet18


class PointDetector(nn.Module):
    """[B, C, H, W] -> Keypoints of B frames, positions alone: regressed, not averaged under heat maps."""

    def __init__(self, config: PointDetectorConfig, *, num_keypoints: int, num_channels: int) -> None:
        super().__init__()
        self.downsample = Downsample(num_channels, config.scale_factor) if config.scale_factor != 1 else None
        self.encoder = ResNet18(num_channels, 2 * num_keypoints)

    def forward(self, image: Tensor, *, confidence: bool = False) -> Keypoints:
        """confidence: is not known of points that are regressed, and stays None."""
        if self.downsample is not None:
            image = self.downsample(image)
        numbers = at_least_float32(self.encoder(image.to(self.encoder.fc.weight.dtype)))
        return Keypoints(rearrange(2 * torch.sigmoid(numbers) - 1, "b (k xy) -> b k xy", xy=2))


class ThinPlateMotionNetwork(DenseMotionNetwork):
    """Each candidate is a thin-plate spline through five points; one occlusion map for each level of the painter."""

    def __init__(
        self,
        config: DenseMotionConfig,
        *,
        num_keypoints: int,
        num_channels: int,
        estimate_occlusion_map: bool,
        align_corners: bool,
    ) -> None:
        super().__init__(
            config,
            num_keypoints=num_keypoints,
            num_channels=num_channels,
            estimate_occlusion_map=False,
            align_corners=align_corners,
        )
        self.points = config.points_per_motion
        last = self.hourglass.out_features
        widths = [last // 2**i for i in range(max(1, config.occlusion_levels - 1))]
        self.up = nn.ModuleList(UpBlock(*pair, instance=config.instance_norm) for pair in pairwise(widths))
        if config.occlusion_levels > 1:
            widths.insert(0, 2 * config.features(1))
        self.occlusion_heads = nn.ModuleList(nn.Conv2d(width, 1, 7, padding=3) for width in widths)

    def moved(self, source: Keypoints, driving: Keypoints, height: int, width: int) -> Tensor:
        """T(z) = theta (z, 1) + sum_i U(|z - d_i|^2) w_i through each five driving points d_i, [B, K, h, w, 2]."""
        with without_autocast(driving.position):
            at_driving, at_source = (
                rearrange(keypoints.position, "b (k i) xy -> b k i xy", i=self.points)
                for keypoints in (driving, source)
            )
            grid = coordinate_grid(height, width, like=driving.position).flatten(0, 1)
            moved = spline_at(grid, at_driving, *spline_through(at_driving, at_source))
        return rearrange(moved, "b k (h w) xy -> b k h w xy", h=height)

    def weigh(self, sparse: SparseMotion, kept: Tensor | None = None) -> Motion:
        """One flow of the candidates, and the occlusion maps. kept: [B, K + 1], 1 or 0, see `softmax_of_kept`."""
        inputs = torch.cat([sparse.heatmaps, sparse.warped.flatten(1, 2)], dim=1)
        inner, *_ = levels = self.hourglass.levels(inputs.to(self.mask_head.weight.dtype))[-2:]
        logits = at_least_float32(self.mask_head(levels[-1]))
        mask = F.softmax(logits, dim=1) if kept is None else softmax_of_kept(logits, kept)
        with without_autocast(mask):
            flow = einsum(sparse.flows, mask, "b k h w xy, b k h w -> b h w xy")
        seen = [inner] if len(self.occlusion_heads) > 1 else []
        seen.append(levels[-1])
        for block in self.up:
            seen.append(block(seen[-1]))
        maps = [
            torch.sigmoid(at_least_float32(head(features)))
            for head, features in zip(self.occlusion_heads, seen, strict=True)
        ]
        return Motion(flow, maps[-1], mask, tuple(maps[:-1]))


def softmax_of_kept(logits: Tensor, kept: Tensor) -> Tensor:
    """Softmax over those candidates [B, K + 1, h, w] that are kept, 1 in [B, K + 1]; in training, others drop out.

    As published, nothing is rescaled, and the largest of all candidates, dropped ones too, is what is subtracted.
    """
    weights = torch.exp(logits - logits.amax(1, keepdim=True)) * kept[:, :, None, None]
    return weights / (weights.sum(1, keepdim=True) + 1e-6)


class LevelGenerator(OcclusionAwareGenerator):
    """TPS's inpainting network: what each level paints is completed by what the encoder's level shows, moved."""

    def encode(self, image: Tensor) -> tuple[Tensor, ...]:
        """Features of the source at each level, the smallest last."""
        return self.levels(image)

    def paint(self, features: Sequence[Tensor], image: Tensor, motion: Motion) -> Tensor:
        """Frames [B, C, H, W] of a motion, from the image [1 or B, C, H, W] and what `encode` made of it."""
        kind, count = next(self.final.parameters()).dtype, len(self.bottleneck) // len(self.up)
        assert motion.occlusion is not None
        maps = (*motion.levels, motion.occlusion) if motion.levels else (motion.occlusion,) * len(features)
        out = self.arrange(self.dimmed(features[-1], motion, maps[0]).to(kind))
        for number, block in enumerate(self.up):
            out = block(self.bottleneck[count * number : count * (number + 1)](out))
            level = len(features) - 2 - number
            if level:
                shown = self.dimmed(features[level], motion, maps[number + 1])
                out = torch.cat([out, self.arrange(shown.to(kind))], dim=1)
        out = self.final(self.blend(out, features[0], motion))
        return self.blend(torch.sigmoid(at_least_float32(out)), image, motion)
