"""ResNet-18 (He et al., Deep Residual Learning for Image Recognition, CVPR 2016), with the key names of torchvision."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTHS = (64, 128, 256, 512)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions without bias, added to the input, which a 1x1 convolution fits where the shape changes."""

    def __init__(self, in_features: int, out_features: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_features, out_features, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_features)
        self.conv2 = nn.Conv2d(out_features, out_features, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_features)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or in_features != out_features:
            fitting = nn.Conv2d(in_features, out_features, 1, stride, bias=False)
            self.downsample = nn.Sequential(fitting, nn.BatchNorm2d(out_features))

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(out + (x if self.downsample is None else self.downsample(x)))


class ResNet18(nn.Module):
    """[B, channels, H, W] of any size -> [B, outputs]."""

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, WIDTHS[0], 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTHS[0])
        for number, width in enumerate(WIDTHS, 1):
            inward, stride = (width, 1) if number == 1 else (width // 2, 2)
            layer = nn.Sequential(BasicBlock(inward, width, stride), BasicBlock(width, width, 1))
            setattr(self, f"layer{number}", layer)
        self.fc = nn.Linear(WIDTHS[-1], outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, padding=1)
        for number in range(1, len(WIDTHS) + 1):
            x = getattr(self, f"layer{number}")(x)
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))
