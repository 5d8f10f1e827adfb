"""Animation via disentanglement: the driver's pose and the source's shape as one motion (MRAA and TPS)."""

from __future__ import annotations

from itertools import pairwise

import torch
from einops import pack, rearrange, unpack
from torch import Tensor, nn

from ..config import AvdConfig
from ..geometry import Keypoints, local_inverse

WIDTHS = (256, 512, 1024)


def perceptron(*widths: int) -> nn.Sequential:
    """Linear layers with batch norm and ReLU between them."""
    layers: list[nn.Module] = []
    for inward, outward in pairwise(widths[:-1]):
        layers += [nn.Linear(inward, outward), nn.BatchNorm1d(outward), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-2], widths[-1]))


class AvdNetwork(nn.Module):
    """Keypoints of the source and of T driving frames -> those of T frames: the source's shape in the driver's pose.

    motion_size: numbers of a frame's keypoints (see `MotionModelConfig.motion_size`). revert_axes: as in dense motion.
    """

    def __init__(self, config: AvdConfig, *, motion_size: int, revert_axes: bool) -> None:
        super().__init__()
        self.revert_axes = revert_axes
        self.id_encoder = perceptron(motion_size, *WIDTHS, config.id_bottle_size)
        self.pose_encoder = perceptron(motion_size, *WIDTHS, config.pose_bottle_size)
        bottle = config.pose_bottle_size + config.id_bottle_size
        self.decoder = perceptron(bottle, *reversed(WIDTHS), motion_size)
        self.straight = nn.Linear(2 * motion_size, motion_size) if config.straight else None
        if self.straight is not None:  # before it has learned anything, the driver's keypoints come out as they are
            for values in (*self.straight.parameters(), *self.decoder[-1].parameters()):
                nn.init.zeros_(values)
            self.straight.weight.data[:, motion_size:].fill_diagonal_(1)

    def forward(self, source: Keypoints, driving: Keypoints) -> Keypoints:
        source = source.expand(len(driving))
        jacobian = source.jacobian
        if self.revert_axes and jacobian is not None:
            first = (jacobian @ local_inverse(driving))[..., :1, :1]
            jacobian = torch.where(first < 0, -jacobian, jacobian)
        still, moving = _numbers(source.position, jacobian), _numbers(driving.position, driving.jacobian)
        numbers = self.decoder(torch.cat([self.pose_encoder(moving), self.id_encoder(still)], dim=1))
        if self.straight is not None:
            numbers = numbers + self.straight(torch.cat([still, moving], dim=1))
        made = rearrange(numbers, "t (k n) -> t k n", k=source.count)
        if jacobian is None:
            return Keypoints(made, times=driving.times)
        position, local = unpack(made, [[2], [2, 2]], "t k *")
        covariance = None if driving.covariance is None else local @ local.mT
        return Keypoints(position, local, driving.times, covariance=covariance)


def _numbers(position: Tensor, jacobian: Tensor | None) -> Tensor:
    """[T, N], keypoint by keypoint: x, y, and the jacobian row by row."""
    parts = [position] if jacobian is None else [position, jacobian]
    return pack(parts, "t k *")[0].flatten(1)
