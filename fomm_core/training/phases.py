"""One pass forwards of a step, whichever phase of training it is of (see `config.PHASES`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

import torch
from torch import Tensor

from ..errors import TrainingError
from .avd import AvdPass, PosePairs, PoseSource, avd_losses
from .config import TrainingConfig
from .data import PairSource
from .family import Draws
from .seeds import generator_at
from .step import GeneratorPass, TrainingNetworks, generator_losses
from .transform import RandomTransform


class Pairs(Protocol):
    """Two frames of one clip each, [n, 3, H, W] in 0..1; points: see `data.Pairs`."""

    @property
    def source(self) -> Tensor: ...  # noqa: D102
    @property
    def driving(self) -> Tensor: ...  # noqa: D102
    @property
    def points(self) -> Tensor | None: ...  # noqa: D102


class Source(Protocol):
    """Where pairs come from; `data.PairSource` is one. The same step and places give the same pairs, always."""

    def to(self, device: torch.device) -> Source: ...  # noqa: D102
    def batch(self, step: int, indices: Sequence[int]) -> Pairs | PosePairs: ...  # noqa: D102


Pass: TypeAlias = GeneratorPass | AvdPass


def source_of(pairs: Source, networks: TrainingNetworks, config: TrainingConfig, device: torch.device) -> Source:
    """Where a phase's pairs come from: the frames of `pairs`, or their keypoints."""
    if config.phase != "avd":
        return pairs.to(device)
    if not isinstance(pairs, PairSource):
        raise TrainingError("expected clips (a PairSource) for the phase 'avd'; got pairs of another kind.")
    return PoseSource(pairs, networks.model, scale=config.avd_scale, device=device)


def take_pass(
    networks: TrainingNetworks,
    batch: Pairs | PosePairs,
    config: TrainingConfig,
    place: tuple[int, int, Sequence[int]],
    device: torch.device,
) -> Pass:
    """One pass. place: (seed, step, places in the global batch), from which all that is random follows."""
    if isinstance(batch, PosePairs):
        assert networks.model.avd is not None
        return avd_losses(networks.model.avd, batch)
    seed, step, places = place
    source, driving = (_on_device(images, device) for images in (batch.source, batch.driving))
    points = None if batch.points is None else batch.points.to(device)
    euclidean = networks.model.config.family == "tps"
    generators = [generator_at(seed, step, index, "transform") for index in places]
    transform = RandomTransform.sample(config.transform, generators, euclidean=euclidean).to(device)
    generators = [generator_at(seed, step, index, "dropout") for index in places] if config.dropout is not None else []
    draws = Draws.sample(config, networks.model, step, generators)
    return generator_losses(networks, source, driving, transform, config, points, draws)


def _on_device(images: Tensor, device: torch.device) -> Tensor:
    return images.to(device, non_blocking=True, memory_format=torch.channels_last)
