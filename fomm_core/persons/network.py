"""The network that marks people: MediaPipe's selfie segmentation as a plain module, images channels first."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from ..faces.networks import SameConv2d

MASK_SIZE = 256


class Gate(nn.Module):
    """A weight for each channel, [B, C, 1, 1] in 0..1, from the means of all channels."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, inner, 1)
        self.excite = nn.Conv2d(inner, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        return self.excite(self.squeeze(features.mean((2, 3), keepdim=True)).relu()).sigmoid()


class Inverted(nn.Module):
    """An expansion, a depthwise convolution, a gate where `inner` is not 0, and a projection, beside a shortcut where
    sizes and channels stay.
    """

    def __init__(
        self, inputs: int, wide: int, outputs: int, kernel: int, stride: int, inner: int, act: type[nn.Module]
    ) -> None:
        super().__init__()
        self.expand = nn.Conv2d(inputs, wide, 1)
        self.depthwise = SameConv2d(wide, wide, kernel, stride, groups=wide)
        self.gate = Gate(wide, inner) if inner else None
        self.project = nn.Conv2d(wide, outputs, 1)
        self.act = act()
        self.adds = stride == 1 and inputs == outputs

    def forward(self, features: Tensor) -> Tensor:
        work = self.act(self.depthwise(self.act(self.expand(features))))
        work = self.project(work if self.gate is None else work * self.gate(work))
        return features + work if self.adds else work


class Joint(nn.Module):
    """Coarse features enlarged to finer ones, and both joined."""

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(coarse, fine, 1)
        self.gate = Gate(fine, fine)
        self.mix = nn.Conv2d(fine, fine, 1)
        self.depthwise = SameConv2d(fine, fine, 3, groups=fine)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        enlarged = F.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
        below = self.narrow(enlarged)
        mixed = self.mix(fine * self.gate(fine + below) + below).relu()
        return mixed + self.depthwise(mixed).relu()


class PersonMask(nn.Module):
    """Pictures [B, 3, 256, 256] in 0..1 to how surely each pixel shows a person, [B, 1, 256, 256] in 0..1."""

    def __init__(self) -> None:
        super().__init__()
        swish = nn.Hardswish
        self.stem = nn.Sequential(SameConv2d(3, 16, 3, 2), swish())
        self.fine = Inverted(16, 16, 16, 3, 2, 8, nn.ReLU)
        self.middle = nn.Sequential(Inverted(16, 72, 24, 3, 2, 0, nn.ReLU), Inverted(24, 88, 24, 3, 1, 0, nn.ReLU))
        self.coarse = nn.Sequential(
            Inverted(24, 96, 32, 5, 2, 24, swish),
            Inverted(32, 128, 32, 5, 1, 32, swish),
            Inverted(32, 128, 32, 5, 1, 32, swish),
            Inverted(32, 96, 32, 5, 1, 24, swish),
            Inverted(32, 96, 32, 5, 1, 24, swish),
        )
        self.head = nn.Conv2d(32, 128, 1)
        self.head_gate = nn.Conv2d(32, 128, 1)
        self.joints = nn.ModuleList([Joint(128, 24), Joint(24, 16), Joint(16, 16)])
        self.enlarge = nn.ConvTranspose2d(16, 1, 2, 2)

    def forward(self, pictures: Tensor) -> Tensor:
        stem = self.stem(pictures)
        fine = self.fine(stem)
        middle = self.middle(fine)
        coarse = self.coarse(middle)
        features = self.head(coarse).relu() * self.head_gate(coarse.mean((2, 3), keepdim=True)).sigmoid()
        for joint, finer in zip(self.joints, (middle, fine, stem), strict=True):
            features = joint(features, finer)
        return self.enlarge(features).sigmoid()
