"""The three small networks that find faces: MediaPipe's architectures as plain modules, images channels first.

Strided convolutions pad one pixel more at the right and the bottom than at the left and the top, as TensorFlow's
"same" does on even sizes; a network therefore takes the one size that it was trained at.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

DETECTOR_SIZE = 256
MESH_SIZE = 192
EYE_SIZE = 64
MESH_POINTS = 468
LID_POINTS = 71
IRIS_POINTS = 5


class SameConv2d(nn.Conv2d):
    """A convolution whose output has 1/stride of the input's size, for input sizes that the stride divides."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        before, after = (kernel - stride) // 2, (kernel - stride + 1) // 2
        super().__init__(inputs, outputs, kernel, stride, before if before == after else 0, groups=groups)
        self.uneven = (before, after, before, after) if before != after else None

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input if self.uneven is None else F.pad(input, self.uneven))


def _shortcut(features: Tensor, outputs: int, stride: int) -> Tensor:
    """What a block adds its own work to: pooled where it halves the size, with channels of zeros where it has more."""
    if stride == 2:
        features = F.max_pool2d(features, 2)
    missing = outputs - features.shape[1]
    return F.pad(features, (0, 0, 0, 0, 0, missing)) if missing else features


class BlazeBlock(nn.Module):
    """A depthwise and a pointwise convolution beside a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, *, rectifier: type[nn.Module] = nn.PReLU) -> None:
        super().__init__()
        self.outputs, self.stride = outputs, stride
        self.depthwise = SameConv2d(inputs, inputs, 3, stride, groups=inputs)
        self.pointwise = nn.Conv2d(inputs, outputs, 1)
        self.rectify = nn.PReLU(outputs) if rectifier is nn.PReLU else rectifier()

    def forward(self, features: Tensor) -> Tensor:
        work = self.pointwise(self.depthwise(features))
        return self.rectify(_shortcut(features, self.outputs, self.stride) + work)


class Bottleneck(nn.Module):
    """A squeeze to fewer channels (halving the size where stride is 2), a depthwise convolution and an expansion."""

    def __init__(self, inputs: int, squeezed: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.outputs, self.stride = outputs, stride
        self.squeeze = nn.Conv2d(inputs, squeezed, stride, stride)
        self.rectify_squeezed = nn.PReLU(squeezed)
        self.depthwise = SameConv2d(squeezed, squeezed, 3, groups=squeezed)
        self.expand = nn.Conv2d(squeezed, outputs, 1)
        self.rectify = nn.PReLU(outputs)

    def forward(self, features: Tensor) -> Tensor:
        work = self.expand(self.depthwise(self.rectify_squeezed(self.squeeze(features))))
        return self.rectify(_shortcut(features, self.outputs, self.stride) + work)


class FaceDetector(nn.Module):
    """BlazeFace for the back camera: images [B, 3, 256, 256] in -1..1 to 896 candidates each.

    Returns boxes [B, 896, 16] (see `detect.decode`) and scores [B, 896] before the sigmoid: of 16x16 cells two each,
    then of 8x8 cells six each.
    """

    def __init__(self) -> None:
        super().__init__()

        def stage(inputs: int, outputs: int, stride: int, blocks: int) -> list[nn.Module]:
            sizes = [(inputs, outputs, stride)] + [(outputs, outputs, 1)] * blocks
            return [BlazeBlock(*size, rectifier=nn.ReLU) for size in sizes]

        self.stem = nn.Sequential(SameConv2d(3, 24, 5, 2), nn.ReLU())
        self.fine = nn.Sequential(
            *stage(24, 24, 1, 6), *stage(24, 24, 2, 7), *stage(24, 48, 2, 7), *stage(48, 96, 2, 7)
        )
        self.fine_boxes = nn.Conv2d(96, 2 * 16, 1)
        self.coarse = nn.Sequential(SameConv2d(96, 96, 3, 2, groups=96), nn.Conv2d(96, 96, 1), nn.ReLU())
        self.coarse_boxes = nn.Conv2d(96, 6 * 16, 1)
        self.fine_scores = nn.Conv2d(96, 2, 1)
        self.coarse_scores = nn.Conv2d(96, 6, 1)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        fine = self.fine(self.stem(pictures))
        coarse = self.coarse(fine)
        boxes = [
            rearrange(maps, "b (n values) h w -> b (h w n) values", values=16)
            for maps in (self.fine_boxes(fine), self.coarse_boxes(coarse))
        ]
        scores = [
            rearrange(maps, "b n h w -> b (h w n)") for maps in (self.fine_scores(fine), self.coarse_scores(coarse))
        ]
        return torch.cat(boxes, 1), torch.cat(scores, 1)


class FaceMesh(nn.Module):
    """The 468-point mesh: images of one face [B, 3, 192, 192] in 0..1.

    Returns points [B, 468, 3] in pixels of the image (z on the scale of x, smaller is nearer) and presence [B], the
    certainty that there is a face, before the sigmoid.
    """

    def __init__(self) -> None:
        super().__init__()
        blocks: list[nn.Module] = [SameConv2d(3, 16, 3, 2), nn.PReLU(16), BlazeBlock(16, 16), BlazeBlock(16, 16)]
        for inputs, outputs in ((16, 32), (32, 64), (64, 128), (128, 128)):
            blocks += [BlazeBlock(inputs, outputs, 2), BlazeBlock(outputs, outputs), BlazeBlock(outputs, outputs)]
        self.trunk = nn.Sequential(*blocks)
        self.points = self._head(3 * MESH_POINTS, blocks=2)
        self.presence = self._head(1, blocks=0)

    @staticmethod
    def _head(outputs: int, *, blocks: int) -> nn.Sequential:
        return nn.Sequential(
            BlazeBlock(128, 128, 2),
            *(BlazeBlock(128, 128) for _ in range(blocks)),
            nn.Conv2d(128, 32, 1),
            nn.PReLU(32),
            BlazeBlock(32, 32),
            nn.Conv2d(32, outputs, 3),
        )

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        features = self.trunk(pictures)
        points = rearrange(self.points(features), "b (n xyz) 1 1 -> b n xyz", xyz=3)
        return points, rearrange(self.presence(features), "b 1 1 1 -> b")


class EyeContours(nn.Module):
    """Lids and iris of one left eye (a right one mirrored): images [B, 3, 64, 64] in 0..1.

    Returns lids and brow [B, 71, 3] and iris [B, 5, 3], in pixels of the image.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            SameConv2d(3, 64, 3, 2),
            nn.PReLU(64),
            *(Bottleneck(64, 32, 64) for _ in range(4)),
            Bottleneck(64, 64, 128, 2),
            *(Bottleneck(128, 64, 128) for _ in range(4)),
            Bottleneck(128, 64, 128, 2),
        )
        self.lids = self._head(3 * LID_POINTS)
        self.iris = self._head(3 * IRIS_POINTS)

    @staticmethod
    def _head(outputs: int) -> nn.Sequential:
        strides = (1, 1, 2, 1, 1, 2, 1, 1)
        return nn.Sequential(*(Bottleneck(128, 64, 128, stride) for stride in strides), nn.Conv2d(128, outputs, 2))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        features = self.trunk(pictures)
        lids, iris = (rearrange(head(features), "b (n xyz) 1 1 -> b n xyz", xyz=3) for head in (self.lids, self.iris))
        return lids, iris
