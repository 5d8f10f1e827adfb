"""Metrics by name, as far as their packages are installed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from ...errors import DataError
from .acting import Acting
from .base import Metric, MetricMissing
from .faces import Faces
from .perceptual import PerceptualDistance
from .pixels import PixelDistance

METRICS: dict[str, Callable[[torch.device], Metric]] = {
    "pixels": lambda device: PixelDistance(),
    "lpips": PerceptualDistance,
    "faces": lambda device: Faces(),
    "acting": Acting,
}
"""pixels: L1, PSNR, SSIM. lpips: LPIPS. faces: AKD, MKR, AED. acting: mouth, eyes, blinks, and the mesh."""


def build_metrics(
    names: Sequence[str] | None = None, *, device: torch.device | str = "cpu"
) -> tuple[list[Metric], list[str]]:
    """The metrics of these names of `METRICS`, and why others are left out. None takes all that can be had.

    Raises DataError for an unknown name, MetricMissing where one that was asked for lacks its package.
    """
    if unknown := set(names or ()) - set(METRICS):
        raise DataError(f"expected metrics out of {', '.join(METRICS)}; got {', '.join(sorted(unknown))}.")
    built: list[Metric] = []
    left_out: list[str] = []
    for name in names if names is not None else METRICS:
        try:
            built.append(METRICS[name](torch.device(device)))
        except MetricMissing as problem:
            if names is not None:
                raise
            left_out.append(str(problem))
    return built, left_out
