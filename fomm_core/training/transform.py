"""The random deformation that keypoints have to follow (section 3.3 of the paper, equivariance)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from einops import rearrange
from torch import Tensor

from ..geometry import control_points, coordinate_grid, thin_plate_gradient, thin_plate_offset, warp
from ..networks import without_autocast
from .config import TransformConfig


@dataclass(frozen=True, eq=False)
class RandomTransform:
    """B deformations of the plane, each an affine map and a thin plate: where a place of the new frame is taken from.

    theta: [B, 2, 3]. control: [K, 2] and weights: [B, K] of the thin plate; None without one. euclidean: its distances
    are (TPS), see `thin_plate_offset`; it then has no jacobian.
    """

    theta: Tensor
    control: Tensor | None = None
    weights: Tensor | None = None
    euclidean: bool = False

    @staticmethod
    def sample(
        config: TransformConfig, generators: Sequence[torch.Generator], *, euclidean: bool = False
    ) -> RandomTransform:
        """One deformation of each generator (see `seeds.generator_at`), on the CPU."""
        identity = torch.eye(2, 3)
        noise = torch.stack([torch.randn(2, 3, generator=generator) for generator in generators])
        theta = identity + config.sigma_affine * noise
        if config.sigma_tps is None or config.points_tps is None:
            return RandomTransform(theta, euclidean=euclidean)
        control = control_points(config.points_tps, like=theta)
        weights = torch.stack([torch.randn(len(control), generator=generator) for generator in generators])
        return RandomTransform(theta, control, config.sigma_tps * weights, euclidean)

    def __len__(self) -> int:
        return len(self.theta)

    def to(self, device: torch.device | str) -> RandomTransform:
        """The same deformations on `device`."""
        if self.control is None or self.weights is None:
            return replace(self, theta=self.theta.to(device))
        return replace(
            self, theta=self.theta.to(device), control=self.control.to(device), weights=self.weights.to(device)
        )

    def points(self, points: Tensor) -> Tensor:
        """Where [B or 1, N, 2] points of the transformed frame lie in the frame, [B, N, 2]."""
        with without_autocast(points):
            moved = points @ self.theta[:, :, :2].mT + self.theta[:, None, :, 2]
            if self.control is None or self.weights is None:
                return moved
            offset = thin_plate_offset(points, self.control, self.weights, euclidean=self.euclidean)
            return moved + offset.unsqueeze(-1)

    def jacobian(self, points: Tensor) -> Tensor:
        """Derivative of `points` at [B or 1, N, 2], in closed form; [B, N, 2, 2]."""
        assert not self.euclidean
        affine = self.theta[:, None, :, :2].expand(-1, points.shape[1], -1, -1)
        if self.control is None or self.weights is None:
            return affine
        with without_autocast(points):
            return affine + thin_plate_gradient(points, self.control, self.weights).unsqueeze(-2)

    def frame(self, images: Tensor, *, align_corners: bool) -> Tensor:
        """[B, C, H, W] deformed; what lies outside mirrors what lies inside. For `align_corners` see `warp`."""
        height, width = images.shape[-2:]
        grid = rearrange(coordinate_grid(height, width, like=self.theta), "h w xy -> 1 (h w) xy")
        flow = rearrange(self.points(grid), "b (h w) xy -> b h w xy", h=height)
        return warp(images, flow, align_corners=align_corners, padding="reflection")
