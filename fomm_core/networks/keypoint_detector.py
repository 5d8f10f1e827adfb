"""From images to keypoints with a local affine map each (section 3.1 of the paper)."""

from dataclasses import replace

import torch
import torch.nn.functional as F
from einops import einsum, rearrange
from torch import Tensor, nn

from ..config import HEAD_SIZE, KeypointDetectorConfig
from ..geometry import Keypoints, axes_map, coordinate_grid
from .blocks import Downsample, at_least_float32, conv_pair, without_autocast
from .hourglass import Hourglass


class KeypointDetector(nn.Module):
    """[B, C, H, W] -> Keypoints of B frames: soft-argmax positions, and jacobians averaged under the same heat map."""

    def __init__(
        self, config: KeypointDetectorConfig, *, num_keypoints: int, num_channels: int, estimate_jacobian: bool
    ) -> None:
        super().__init__()
        self.temperature = config.temperature
        self.downsample = Downsample(num_channels, config.scale_factor) if config.scale_factor != 1 else None
        self.hourglass = Hourglass(config, num_channels)
        features = self.hourglass.out_features
        self.heatmap_head = nn.Conv2d(features, num_keypoints, HEAD_SIZE, padding=config.pad)
        self.covariance = config.covariance
        self.segmentation_head: nn.Conv2d | None = None
        if config.segments:
            self.segmentation_head = nn.Conv2d(features, num_keypoints + 1, HEAD_SIZE, padding=config.pad)
        self.jacobian_head: nn.Conv2d | None = None
        if estimate_jacobian and config.covariance != "heatmap":
            maps = 1 if config.single_jacobian_map else num_keypoints
            self.jacobian_head = nn.Conv2d(features, 4 * maps, HEAD_SIZE, padding=config.pad)
            self._start_as_identity(self.jacobian_head)

    @staticmethod
    def _start_as_identity(head: nn.Conv2d) -> None:
        assert head.bias is not None
        nn.init.zeros_(head.weight)
        with torch.no_grad():
            head.bias.copy_(torch.eye(2, device="cpu").flatten().repeat(head.out_channels // 4))

    def features(self, image: Tensor) -> Tensor:
        """What the two heads read, [B, out_features, h, w]."""
        if self.downsample is not None:
            image = self.downsample(image)
        return self.hourglass(image.to(self.heatmap_head.weight.dtype))

    def heads(self, features: Tensor) -> tuple[Tensor, Tensor | None]:
        """Heat maps, [B, K, h, w], each summing to 1; maps of jacobians, [B, K or 1, 4, h, w], for models with them."""
        if self.jacobian_head is None:
            return self._normalised(self.heatmap_head(features)), None
        logits, maps = conv_pair(features, self.heatmap_head, self.jacobian_head)
        return self._normalised(logits), rearrange(at_least_float32(maps), "b (k ij) h w -> b k ij h w", ij=4)

    def _normalised(self, logits: Tensor) -> Tensor:
        logits = at_least_float32(logits) / self.temperature
        height, width = logits.shape[-2:]
        return rearrange(F.softmax(rearrange(logits, "b k h w -> b k (h w)"), -1), "b k (h w) -> b k h w", h=height)

    def parts(self, image: Tensor) -> tuple[Keypoints, Tensor]:
        """Part swap: keypoints, and soft masks [B, K + 1, h, w] of the background (0) and of each part."""
        assert self.segmentation_head is not None
        features = self.features(image)
        masks = F.softmax(at_least_float32(self.segmentation_head(features)), dim=1)
        return self.keypoints(*self.heads(features)), masks

    def forward(self, image: Tensor, *, confidence: bool = False) -> Keypoints:
        """confidence: measure that too (`heatmap_confidence`)."""
        heatmap, maps = self.heads(self.features(image))
        found = self.keypoints(heatmap, maps)
        return replace(found, confidence=heatmap_confidence(heatmap, found.position)) if confidence else found

    def keypoints(self, heatmap: Tensor, maps: Tensor | None) -> Keypoints:
        """Averages under the heat maps, of what `heads` gives."""
        with without_autocast(heatmap):
            grid = coordinate_grid(*heatmap.shape[-2:], like=heatmap)
            position = einsum(heatmap, grid, "b k h w, h w xy -> b k xy")
            if self.covariance == "heatmap":
                offset = grid - rearrange(position, "b k xy -> b k 1 1 xy")
                covariance = einsum(heatmap, offset, offset, "b k h w, b k h w i, b k h w j -> b k i j")
                return Keypoints(position, axes_map(covariance), covariance=covariance)
            if maps is None:
                return Keypoints(position)
            maps = maps.expand(-1, heatmap.shape[1], -1, -1, -1)
            jacobian = einsum(heatmap, maps, "b k h w, b k ij h w -> b k ij")
            jacobian = rearrange(jacobian, "b k (i j) -> b k i j", i=2)
            return Keypoints(
                position, jacobian, covariance=jacobian @ jacobian.mT if self.covariance == "affine" else None
            )


CONFIDENCE_RADIUS = 0.2
"""A tenth of the picture: twice the deviation that dense motion gives a keypoint (`kp_variance` 0.01)."""


def heatmap_confidence(heatmap: Tensor, position: Tensor) -> Tensor:
    """How sure a keypoint is, [B, K] in 0..1: the share of its heat within a tenth of the image around its position.

    A map that is spread has little there, and so has one of two peaks, between which the position lies; one sharp peak
    has all of it. heatmap: [B, K, h, w], each summing to 1. position: [B, K, 2].
    """
    with without_autocast(heatmap):
        grid = coordinate_grid(*heatmap.shape[-2:], like=heatmap)
        away = (grid - rearrange(position, "b k xy -> b k 1 1 xy")).square().sum(-1)
        return (heatmap * (away <= CONFIDENCE_RADIUS**2)).sum((-2, -1)).clamp(0, 1)
