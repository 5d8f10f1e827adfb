"""Small ImageNet networks as plain stacks of convolutions, frozen: what they see in an image, layer by layer.

Batch norm, being frozen, is folded into the convolutions. Only what comes before the last layer asked for is computed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ..errors import TrainingError

State = Mapping[str, Tensor]
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Backbone(nn.Module):
    """[B, 3, H, W] in 0..1 -> features of the first `layers` of `stages`, each continuing the one before.

    gain: what features are multiplied by when they come out, so that a loss weight means about the same for each.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        stages: Sequence[nn.Module],
        *,
        smallest_side: int,
        gain: float = 1.0,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
    ) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.smallest_side = smallest_side
        self.gain = gain
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)
        self.eval().requires_grad_(False)

    def forward(self, image: Tensor, layers: int) -> list[Tensor]:
        if layers > len(self.stages):
            raise TrainingError(
                f"expected at most {len(self.stages)} perceptual weights for this backbone; got {layers}."
            )
        if min(image.shape[-2:]) < self.smallest_side:
            raise TrainingError(
                f"expected images of at least {self.smallest_side} pixels at every scale of the perceptual loss; "
                f"got {image.shape[-1]}x{image.shape[-2]} (width x height). Train larger, or with fewer scales."
            )
        features = [(image - self.mean) / self.std]
        for stage in self.stages[:layers]:
            features.append(stage(features[-1]))
        return [self.gain * feature for feature in features[1:]] if self.gain != 1 else features[1:]


def vgg19(state: State) -> Backbone:
    """The five layers of the paper (relu1_1 to relu5_1) from torchvision's weights."""
    stages, place, depth = [], 0, 3
    # Convolutions (c) and poolings (p) between one layer of the paper and the next.
    for between in ("c", "cpc", "cpc", "cccpc", "cccpc"):
        stage: list[nn.Module] = []
        for kind in between:
            if kind == "p":
                stage.append(nn.MaxPool2d(2))
                place += 1
            else:
                width = len(state[f"features.{place}.bias"])
                conv, depth = nn.Conv2d(depth, width, 3, padding=1), width
                conv.load_state_dict({part: state[f"features.{place}.{part}"] for part in ("weight", "bias")})
                stage += [conv, nn.ReLU()]
                place += 2
        stages.append(nn.Sequential(*stage))
    return Backbone(stages, smallest_side=16)


class InvertedResidual(nn.Sequential):
    """Widen (not in the first block), look around channel by channel, narrow; added to the input where that fits."""

    def forward(self, x: Tensor) -> Tensor:
        out = super().forward(x)
        return x + out if out.shape == x.shape else out


def mobilenet_v2(state: State) -> Backbone:
    """Five layers of MobileNetV2, at 1/2 to 1/32 of the picture's size, from torchvision's weights."""
    places = [[("features.0.0", "features.0.1")]]
    for block in (f"features.{i}.conv" for i in range(1, 18)):
        inner = 0 if block == "features.1.conv" else 1
        places.append([(f"{block}.{i}.0", f"{block}.{i}.1") for i in range(inner + 1)])
        places[-1].append((f"{block}.{inner + 1}", f"{block}.{inner + 2}"))
    strides = (2, 1, *(2, 1), *(2, 1, 1), *(2, 1, 1, 1), *(1, 1, 1), *(2, 1, 1), 1)
    stages = inverted_residuals(state, places, strides, epsilon=1e-5)
    return Backbone(stages, smallest_side=1)


def efficientnet_lite0(state: State) -> Backbone:
    """Five layers of EfficientNet-Lite0, at 1/2 to 1/32 of the picture's size; padded evenly, not as in TensorFlow."""
    places = [[("_conv_stem", "_bn0")]]
    for block in (f"_blocks.{i}" for i in range(16)):
        inner = [("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")]
        if block != "_blocks.0":
            inner.insert(0, ("_expand_conv", "_bn0"))
        places.append([(f"{block}.{conv}", f"{block}.{norm}") for conv, norm in inner])
    strides = (2, 1, *(2, 1), *(2, 1), *(2, 1, 1), *(1, 1, 1), *(2, 1, 1, 1), 1)
    stages = inverted_residuals(state, places, strides, epsilon=1e-3)
    return Backbone(stages, smallest_side=1, gain=0.1, mean=(127 / 255,) * 3, std=(128 / 255,) * 3)


def inverted_residuals(
    state: State,
    places: Sequence[Sequence[tuple[str, str]]],
    strides: Sequence[int],
    *,
    epsilon: float,
) -> list[nn.Module]:
    """One stage for each size of the maps: halved (the last convolution but one has the stride), then worked on.

    places: of the stem and of each block, what `state` calls its convolutions and their batch norms, in order.
    """
    stages: list[list[nn.Module]] = []
    for block, stride in zip(places, strides, strict=True):
        if len(stages) == 0 or (stride == 2 and len(stages[-1]) > 0):
            stages.append([])
        halving = max(0, len(block) - 2)
        convs = [folded(state, *place, epsilon, stride if i == halving else 1) for i, place in enumerate(block)]
        if block is places[0]:
            stages[-1] += [*convs, nn.ReLU6()]
        else:
            active = [layer for conv in convs[:-1] for layer in (conv, nn.ReLU6())]
            stages[-1].append(InvertedResidual(*active, convs[-1]))
    return [nn.Sequential(*stage) for stage in stages]


def folded(state: State, conv_name: str, norm_name: str, epsilon: float, stride: int) -> nn.Conv2d:
    """A convolution with the batch norm behind it; channel by channel where the kernels are one channel deep."""
    weight = state[f"{conv_name}.weight"]
    factor = state[f"{norm_name}.weight"] / (state[f"{norm_name}.running_var"] + epsilon).sqrt()
    outputs, depth, size, _ = weight.shape
    groups = outputs if depth == 1 else 1
    conv = nn.Conv2d(depth * groups, outputs, size, stride=stride, padding=size // 2, groups=groups)
    bias = state[f"{norm_name}.bias"] - state[f"{norm_name}.running_mean"] * factor
    conv.load_state_dict({"weight": weight * factor.view(-1, 1, 1, 1), "bias": bias})
    return conv
