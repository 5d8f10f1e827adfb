"""From sparse keypoint motion to a dense flow and an occlusion map (section 3.2 of the paper)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import einsum, rearrange
from torch import Tensor, nn

from ..config import DenseMotionConfig
from ..geometry import Keypoints, Motion, coordinate_grid, inverse, keypoint_gaussians, warp
from .blocks import Downsample, at_least_float32, conv_pair, without_autocast
from .hourglass import Hourglass


@dataclass(frozen=True, eq=False)
class SparseMotion:
    """What the K + 1 candidate motions (background first) propose, before the network weighs them.

    heatmaps: [B, K + 1, h, w], eq. 6. flows: [B, K + 1, h, w, 2], eq. 4. warped: [B, K + 1, C, h, w], eq. 7.
    """

    heatmaps: Tensor
    flows: Tensor
    warped: Tensor


class DenseMotionNetwork(nn.Module):
    """Source picture + keypoints of source and driving -> Motion, at `scale_factor` of the picture's size."""

    def __init__(
        self,
        config: DenseMotionConfig,
        *,
        num_keypoints: int,
        num_channels: int,
        estimate_occlusion_map: bool,
        align_corners: bool,
    ) -> None:
        super().__init__()
        self.kp_variance = config.kp_variance
        self.align_corners = align_corners
        self.downsample = Downsample(num_channels, config.scale_factor) if config.scale_factor != 1 else None
        candidates = num_keypoints + 1
        self.hourglass = Hourglass(config, candidates * (1 + num_channels))
        self.mask_head = nn.Conv2d(self.hourglass.out_features, candidates, 7, padding=3)
        self.occlusion_head = (
            nn.Conv2d(self.hourglass.out_features, 1, 7, padding=3) if estimate_occlusion_map else None
        )

    def reduce(self, image: Tensor) -> Tensor:
        """The small float32 copy of the source that this network works on; the same for every frame of a clip."""
        image = at_least_float32(image)
        with without_autocast(image):
            return image if self.downsample is None else self.downsample(image)

    def heatmaps(self, source: Keypoints, driving: Keypoints, height: int, width: int) -> Tensor:
        """Eq. 6: gaussians at the driving keypoints minus those at the source's; zero for the background."""
        at_driving = keypoint_gaussians(driving.position, height, width, self.kp_variance)
        at_source = keypoint_gaussians(source.position, height, width, self.kp_variance)
        return F.pad(at_driving - at_source, (0, 0, 0, 0, 1, 0))

    @staticmethod
    def flows(source: Keypoints, driving: Keypoints, height: int, width: int) -> Tensor:
        """Eq. 4: T(z) = p_source + J_source J_driving^-1 (z - p_driving); identity for the background."""
        grid = coordinate_grid(height, width, like=driving.position)
        offset = grid - rearrange(driving.position, "b k xy -> b k 1 1 xy")
        if source.jacobian is not None and driving.jacobian is not None:
            with without_autocast(offset):
                source_from_driving = source.jacobian @ inverse(driving.jacobian)
                offset = einsum(source_from_driving, offset, "b k i j, b k h w j -> b k h w i")
        moved = offset + rearrange(source.position, "b k xy -> b k 1 1 xy")
        background = grid.expand(len(moved), 1, height, width, 2)
        return torch.cat([background, moved], dim=1)

    def candidates(self, small: Tensor, source: Keypoints, driving: Keypoints) -> SparseMotion:
        """Every candidate motion applied to the reduced source `small` ([1 or B, C, h, w])."""
        height, width = small.shape[-2:]
        flows = self.flows(source, driving, height, width)
        frames, count = flows.shape[:2]
        if len(small) == 1:
            stacked = rearrange(flows, "b k h w xy -> 1 (b k h) w xy")
        else:
            stacked = rearrange(flows, "b k h w xy -> b (k h) w xy")
        warped = warp(small, stacked, align_corners=self.align_corners)
        if len(small) == 1:
            warped = rearrange(warped, "1 c (b k h) w -> b k c h w", b=frames, k=count)
        else:
            warped = rearrange(warped, "b c (k h) w -> b k c h w", k=count)
        return SparseMotion(self.heatmaps(source, driving, height, width), flows, warped)

    def weigh(self, sparse: SparseMotion) -> Motion:
        """Eq. 8: the network's softmax over the candidates gives one flow; a second head sees what is hidden."""
        inputs = torch.cat([sparse.heatmaps.unsqueeze(2), sparse.warped], dim=2)
        inputs = rearrange(inputs, "b k c h w -> b (k c) h w")
        features = self.hourglass(inputs.to(self.mask_head.weight.dtype))
        occlusion = None
        if self.occlusion_head is None:
            logits = self.mask_head(features)
        else:
            logits, hidden = conv_pair(features, self.mask_head, self.occlusion_head)
            occlusion = torch.sigmoid(at_least_float32(hidden))
        mask = F.softmax(at_least_float32(logits), dim=1)
        with without_autocast(mask):
            flow = einsum(sparse.flows, mask, "b k h w xy, b k h w -> b h w xy")
        return Motion(flow, occlusion, mask)

    def forward(self, small: Tensor, source: Keypoints, driving: Keypoints) -> Motion:
        """`small` is `reduce(image)`: one source ([1, C, h, w]) for all frames, or one for each."""
        return self.weigh(self.candidates(small, source, driving))
