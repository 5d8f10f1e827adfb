"""Real or generated, patch by patch, at one or more scales (the adversarial stage of training)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import spectral_norm

from ..config import DiscriminatorConfig
from ..errors import KeypointError
from ..geometry import Keypoints, keypoint_gaussians


@dataclass(frozen=True, eq=False)
class Verdict:
    """What one discriminator says: `features` of each block (to be matched), and patch `scores` [B, 1, h, w]."""

    features: list[Tensor]
    scores: Tensor


class DiscriminatorBlock(nn.Module):
    """4x4 convolution without padding, instance norm (not in the first), leaky ReLU, halving (not in the last)."""

    def __init__(self, in_features: int, out_features: int, *, normalise: bool, halve: bool, spectral: bool) -> None:
        super().__init__()
        conv = nn.Conv2d(in_features, out_features, 4)
        self.conv = spectral_norm(conv) if spectral else conv
        self.norm = nn.InstanceNorm2d(out_features, affine=True) if normalise else None
        self.halve = halve

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv(x)
        if self.norm is not None:
            out = self.norm(out)
        out = F.leaky_relu(out, 0.2)
        return F.avg_pool2d(out, 2) if self.halve else out


class PatchDiscriminator(nn.Module):
    """One scale: [B, C, H, W] (and keypoints, where it was built to see them) -> Verdict."""

    def __init__(self, config: DiscriminatorConfig, *, num_channels: int, num_keypoints: int) -> None:
        super().__init__()
        self.kp_variance = config.kp_variance
        self.use_keypoints = config.use_keypoints
        in_features = num_channels + (num_keypoints if config.use_keypoints else 0)
        self.blocks = nn.ModuleList(
            DiscriminatorBlock(
                config.features(i) if i else in_features,
                config.features(i + 1),
                normalise=i != 0,
                halve=i != config.num_blocks - 1,
                spectral=config.spectral_norm,
            )
            for i in range(config.num_blocks)
        )
        scores = nn.Conv2d(config.features(config.num_blocks), 1, 1)
        self.scores = spectral_norm(scores) if config.spectral_norm else scores

    def forward(self, image: Tensor, keypoints: Keypoints | None = None) -> Verdict:
        out = image
        if self.use_keypoints:
            if keypoints is None:
                raise KeypointError("expected keypoints for a discriminator that was built to see them; got None")
            height, width = image.shape[-2:]
            gaussians = keypoint_gaussians(keypoints.position, height, width, self.kp_variance)
            out = torch.cat([image, gaussians], dim=1)
        features = []
        for block in self.blocks:
            out = block(out)
            features.append(out)
        return Verdict(features, self.scores(out))


class MultiScaleDiscriminator(nn.Module):
    """One PatchDiscriminator for each scale; `pyramid[i]` is the image at `scales[i]` of its size."""

    def __init__(self, config: DiscriminatorConfig, *, num_channels: int, num_keypoints: int) -> None:
        super().__init__()
        self.scales = config.scales
        self.at_scale = nn.ModuleList(
            PatchDiscriminator(config, num_channels=num_channels, num_keypoints=num_keypoints) for _ in config.scales
        )

    def forward(self, pyramid: list[Tensor], keypoints: Keypoints | None = None) -> list[Verdict]:
        return [judge(image, keypoints) for judge, image in zip(self.at_scale, pyramid, strict=True)]
