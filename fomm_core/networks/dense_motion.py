"""From sparse keypoint motion to a dense flow and an occlusion map (section 3.2 of the paper)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import einsum, rearrange
from torch import Tensor, nn

from ..config import DenseMotionConfig
from ..errors import KeypointError
from ..geometry import (
    Keypoints,
    Motion,
    coordinate_grid,
    keypoint_gaussians,
    local_inverse,
    region_gaussians,
    upright,
    warp,
)
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
    """Source image + keypoints of source and driving -> Motion, at `scale_factor` of the picture's size."""

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
        self.deformed_source, self.revert_axes = config.deformed_source, config.revert_axes
        self.covariance_heatmaps = config.covariance_heatmaps
        self.downsample = Downsample(num_channels, config.scale_factor) if config.scale_factor != 1 else None
        candidates = num_keypoints // config.points_per_motion + 1
        seen = num_keypoints + 1 + candidates * num_channels * config.deformed_source
        self.hourglass = Hourglass(config, seen, instance=config.instance_norm)
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
        at_driving, at_source = (self._gaussians(keypoints, height, width) for keypoints in (driving, source))
        return F.pad(at_driving - at_source, (0, 0, 0, 0, 1, 0))

    def _gaussians(self, keypoints: Keypoints, height: int, width: int) -> Tensor:
        if not self.covariance_heatmaps:
            return keypoint_gaussians(keypoints.position, height, width, self.kp_variance)
        if keypoints.covariance is None:
            raise KeypointError(
                "expected regions with covariances, as the model's detector finds them; got keypoints without: they "
                "are of a model of another family. Detect them with this model."
            )
        return region_gaussians(keypoints.position, keypoints.covariance, height, width)

    def flows(
        self, source: Keypoints, driving: Keypoints, height: int, width: int, background: Tensor | None = None
    ) -> Tensor:
        """The candidates, [B, K + 1, h, w, 2]: the background's (`background_flow`), then each keypoint's."""
        still = background_flow(background, height, width, like=driving.position)
        moved = self.moved(source, driving, height, width)
        return torch.cat([still.expand(len(moved), -1, -1, -1, -1), moved], dim=1)

    def moved(self, source: Keypoints, driving: Keypoints, height: int, width: int) -> Tensor:
        """The candidates besides the background's, [B, K, h, w, 2]."""
        return local_flows(source, driving, height, width, revert_axes=self.revert_axes)

    def candidates(
        self, small: Tensor, source: Keypoints, driving: Keypoints, background: Tensor | None = None
    ) -> SparseMotion:
        """Every candidate motion applied to the reduced source `small` ([1 or B, C, h, w])."""
        height, width = small.shape[-2:]
        flows = self.flows(source, driving, height, width, background)
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
        inputs = sparse.heatmaps
        if self.deformed_source:
            both = torch.cat([sparse.heatmaps.unsqueeze(2), sparse.warped], dim=2)
            inputs = rearrange(both, "b k c h w -> b (k c) h w")
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

    def forward(self, small: Tensor, source: Keypoints, driving: Keypoints, background: Tensor | None = None) -> Motion:
        """`small` is `reduce(image)`: one source ([1, C, h, w]) for all frames, or one for each.

        background: [B, 3, 3], how the camera moved, from driving to source positions; None where it stood.
        """
        return self.weigh(self.candidates(small, source, driving, background))


def local_flows(source: Keypoints, driving: Keypoints, height: int, width: int, *, revert_axes: bool = False) -> Tensor:
    """Eq. 4: T(z) = p_source + J_source J_driving^-1 (z - p_driving), [B, K, h, w, 2]."""
    grid = coordinate_grid(height, width, like=driving.position)
    offset = grid - rearrange(driving.position, "b k xy -> b k 1 1 xy")
    if source.jacobian is not None and driving.jacobian is not None:
        with without_autocast(offset):
            source_from_driving = source.jacobian @ local_inverse(driving)
            if revert_axes:
                source_from_driving = upright(source_from_driving)
            offset = einsum(source_from_driving, offset, "b k i j, b k h w j -> b k h w i")
    return offset + rearrange(source.position, "b k xy -> b k 1 1 xy")


def background_flow(matrix: Tensor | None, height: int, width: int, *, like: Tensor) -> Tensor:
    """Where homogeneous [B, 3, 3] maps take the picture's positions, [B, 1, h, w, 2]; None moves nothing."""
    grid = coordinate_grid(height, width, like=like)
    if matrix is None:
        return grid[None, None]
    moved = einsum(matrix, F.pad(grid, (0, 1), value=1), "b i j, h w j -> b h w i").unsqueeze(1)
    return moved[..., :2] / moved[..., 2:]
