"""LPIPS in its shift-tolerant form (Ghildyal and Liu, ECCV 2022), with the weights of the package `stlpips-pytorch`."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from .base import Column, Metric, MetricMissing

WEIGHTS = "weights/vST0.0/alex_shift_tolerant.pth"
LAYERS = ("slice1.0", "slice2.5", "slice3.9", "slice4.11", "slice5.13")
SMALLEST = 1e-10


class PerceptualDistance(Metric):
    """lpips: distance of AlexNet features, weighted by what people found different.

    The network is LPIPS's AlexNet, begun at stride 1 and blurred before each reduction, so that an image that moves by
    a pixel is not another one. Its figures are not those of LPIPS proper: compare only like with like.

    Raises MetricMissing where the package is not installed. Its weights alone are read, none of its code is run.
    """

    columns: ClassVar[tuple[Column, ...]] = (Column("lpips", "LPIPS", higher_is_better=False, digits=4),)

    def __init__(self, device: torch.device | str = "cpu") -> None:
        state = torch.load(_weights_file(), map_location=device, weights_only=True)
        self._convolutions = [(state[f"net.{name}.weight"], state[f"net.{name}.bias"]) for name in LAYERS]
        self._shares = [state[f"lin{index}.model.1.weight"] for index in range(len(LAYERS))]
        self._shift, self._scale = state["scaling_layer.shift"], state["scaling_layer.scale"]

    @torch.inference_mode()
    def look(self, pictures: Tensor) -> list[Tensor]:
        """Features of each layer, of length 1 at each place."""
        x = (2 * pictures.to(self._shift) - 1 - self._shift) / self._scale
        features = []
        for index, (weight, bias) in enumerate(self._convolutions):
            if index in (1, 2):
                x = _blurred_half(F.max_pool2d(x, 3, 1))
            x = F.conv2d(x, weight, bias, padding=(2, 2, 1, 1, 1)[index])
            x = F.relu(_blurred_half(x) if index == 0 else x)
            features.append(x / (x.square().sum(1, keepdim=True).sqrt() + SMALLEST))
        return features

    @torch.inference_mode()
    def compare(self, result: list[Tensor], truth: list[Tensor]) -> dict[str, Tensor]:
        """See Metric."""
        distance = torch.zeros(len(truth[0]), device=truth[0].device)
        for ours, theirs, share in zip(result, truth, self._shares, strict=True):
            distance = distance + F.conv2d((ours - theirs).square(), share).mean((1, 2, 3))
        return {"lpips": distance.float().cpu()}


def _blurred_half(x: Tensor) -> Tensor:
    """Half as large, behind a 3x3 binomial filter; two pixels of mirrored border."""
    line = torch.tensor([0.25, 0.5, 0.25]).to(x)
    kernel = (line[:, None] * line).expand(x.shape[1], 1, 3, 3)
    return F.conv2d(F.pad(x, (2, 2, 2, 2), mode="reflect"), kernel, stride=2, groups=x.shape[1])


def _weights_file() -> Path:
    package = find_spec("stlpips_pytorch")
    for place in (package.submodule_search_locations or ()) if package is not None else ():
        if (path := Path(place) / WEIGHTS).is_file():
            return path
    raise MetricMissing(
        "LPIPS needs the package stlpips-pytorch, which brings its weights: pip install stlpips-pytorch"
    )
