"""What a weights file holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ..config import MotionModelConfig
from .keys import State
from .recognise import matching_presets


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A weights file, read and renamed but not yet a model.

    kind: 'published' or 'safetensors'. state: every tensor in our key names. config: stored, or recognised.
    metadata: strings stored beside the weights. left_out: what the file holds besides weights (optimizers).
    """

    path: Path
    kind: str
    state: State
    config: MotionModelConfig
    epoch: int | None
    metadata: dict[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()

    @property
    def presets(self) -> tuple[str, ...]:
        """Names of the presets that these weights fit."""
        return matching_presets(self.state)

    @property
    def has_discriminator(self) -> bool:
        """Whether the file holds a discriminator, needed only to go on training."""
        return any(key.startswith("discriminator.") for key in self.state)

    @property
    def num_parameters(self) -> dict[str, int]:
        """Numbers in each network, without running statistics and fixed kernels."""
        counts: dict[str, int] = {}
        for key, tensor in self.state.items():
            fixed = ("running_mean", "running_var", "num_batches_tracked", "kernel", "weight_u", "weight_v")
            if not key.endswith(fixed):
                network = key.partition(".")[0]
                counts[network] = counts.get(network, 0) + tensor.numel()
        return counts
