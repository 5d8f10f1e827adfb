"""The few layers that all networks are built from."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..geometry import antialias_kernel, downsample


def at_least_float32(x: Tensor) -> Tensor:
    """Half precision is fine for features, not for positions, softmaxes over positions and jacobians."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def without_autocast(like: Tensor) -> torch.autocast:
    """A block in which `torch.autocast`, as used in training, lowers no precision: for positions and jacobians."""
    return torch.autocast(like.device.type, enabled=False)


def conv_pair(x: Tensor, first: nn.Conv2d, second: nn.Conv2d) -> tuple[Tensor, Tensor]:
    """Two convolutions of one kernel size and padding that read the same features, as one: wide ones cost less."""
    weight, bias = torch.cat([first.weight, second.weight]), None
    if first.bias is not None and second.bias is not None:
        bias = torch.cat([first.bias, second.bias])
    out = F.conv2d(x, weight, bias, padding=first.padding)
    return out[:, : first.out_channels], out[:, first.out_channels :]


def normalisation(features: int, *, instance: bool) -> nn.Module:
    """Of a batch with running statistics, or of each image for itself."""
    return nn.InstanceNorm2d(features, affine=True) if instance else nn.BatchNorm2d(features)


class ConvBlock(nn.Module):
    """Convolution, normalisation, ReLU; the size stays."""

    def __init__(self, in_features: int, out_features: int, kernel_size: int = 3, *, instance: bool = False) -> None:
        super().__init__()
        self.conv: nn.Module = nn.Conv2d(in_features, out_features, kernel_size, padding=kernel_size // 2)
        self.norm = normalisation(out_features, instance=instance)
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.norm(self.conv(x)))


class DownBlock(ConvBlock):
    """A ConvBlock, then the mean of each 2x2 square."""

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(super().forward(x), 2)


class UpBlock(nn.Module):
    """Every pixel becomes a 2x2 square, then a ConvBlock."""

    def __init__(self, in_features: int, out_features: int, *, instance: bool = False) -> None:
        super().__init__()
        self.upsample: nn.Module = nn.Upsample(scale_factor=2, mode="nearest")
        self.conv: nn.Module = nn.Conv2d(in_features, out_features, 3, padding=1)
        self.norm = normalisation(out_features, instance=instance)
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.norm(self.conv(self.upsample(x))))


class ResidualBlock(nn.Module):
    """Two times normalisation, ReLU, convolution; added to the input."""

    def __init__(self, features: int, *, instance: bool = False) -> None:
        super().__init__()
        self.norm1 = normalisation(features, instance=instance)
        self.conv1: nn.Module = nn.Conv2d(features, features, 3, padding=1)
        self.norm2 = normalisation(features, instance=instance)
        self.conv2: nn.Module = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv1(F.relu(self.norm1(x)))
        out = self.conv2(F.relu(self.norm2(out)))
        return x + out


class Downsample(nn.Module):
    """Shrinks an image to `scale` (1/n) without aliasing. Published checkpoints hold the kernel, so do ours."""

    kernel: Tensor

    def __init__(self, channels: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        kernel = antialias_kernel(scale)
        self.register_buffer("kernel", kernel.expand(channels, 1, *kernel.shape).clone())

    def forward(self, image: Tensor) -> Tensor:
        return downsample(image, self.kernel, self.scale)
