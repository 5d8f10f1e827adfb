"""The optimisers of a run, as published: Adam with betas (0.5, 0.999), the rates multiplied at milestones."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.optim import Adam
from torch.optim.lr_scheduler import MultiStepLR

from .config import TrainingConfig
from .step import TrainingNetworks

BETAS = (0.5, 0.999)


@dataclass(frozen=True, eq=False)
class Optimizers:
    """generator: of generator, dense motion and detector (a group of its own). discriminator: None without one."""

    generator: Adam
    discriminator: Adam | None

    def schedules(self, config: TrainingConfig) -> list[MultiStepLR]:
        """One for each optimiser, to be advanced after every step."""
        return [
            MultiStepLR(optimizer, list(config.milestones), gamma=config.decay)
            for optimizer in (self.generator, self.discriminator)
            if optimizer is not None
        ]


def build_optimizers(networks: TrainingNetworks, config: TrainingConfig) -> Optimizers:
    """Adam for what learns: a frozen detector has no group."""
    model = networks.model
    detector = list(model.detector.parameters())
    others = {id(parameter) for parameter in detector}
    groups = [{"params": [p for p in model.parameters() if id(p) not in others], "lr": config.lr_generator}]
    if not config.freeze_detector:
        groups.append({"params": detector, "lr": config.lr_detector})
    discriminator = networks.discriminator
    return Optimizers(
        torch.optim.Adam(groups, betas=BETAS, fused=True),
        None
        if discriminator is None
        else torch.optim.Adam(discriminator.parameters(), lr=config.lr_discriminator, betas=BETAS, fused=True),
    )
