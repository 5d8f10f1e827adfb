"""The optimisers of a run, as published: Adam with betas (0.5, 0.999), the rates multiplied at milestones."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.optim import Adam, Optimizer

from .config import TrainingConfig
from .step import TrainingNetworks

BETAS = (0.5, 0.999)


@dataclass(frozen=True, eq=False)
class Optimizers:
    """generator: of generator, dense motion and detector (a group of its own). discriminator: None without one."""

    generator: Adam
    discriminator: Adam | None

    def set_learning_rates(self, config: TrainingConfig, step: int) -> None:
        """The rates of a step (from 0): as published, multiplied by `decay` at each milestone.

        They follow from the step alone, so that a resumed run needs no memory of them.
        """
        factor = config.decay ** sum(step >= milestone for milestone in config.milestones)
        for group, rate in zip(self.generator.param_groups, (config.lr_generator, config.lr_detector), strict=False):
            group["lr"] = rate * factor
        if self.discriminator is not None:
            self.discriminator.param_groups[0]["lr"] = config.lr_discriminator * factor


def build_optimizers(networks: TrainingNetworks, config: TrainingConfig, *, fused: bool = True) -> Optimizers:
    """Adam for what learns: a frozen detector has no group. fused: torch's fastest form, not for float16."""
    model = networks.model
    detector = list(model.detector.parameters())
    others = {id(parameter) for parameter in detector}
    learning = model.parameters() if config.phase == "motion" or model.avd is None else model.avd.parameters()
    groups = [{"params": [p for p in learning if id(p) not in others], "lr": config.lr_generator}]
    if not config.freeze_detector:
        groups.append({"params": detector, "lr": config.lr_detector})
    discriminator = networks.discriminator
    return Optimizers(
        torch.optim.Adam(groups, betas=BETAS, weight_decay=config.weight_decay, fused=fused),
        None
        if discriminator is None
        else torch.optim.Adam(discriminator.parameters(), lr=config.lr_discriminator, betas=BETAS, fused=fused),
    )


def lay_out_as_parameters(optimizer: Optimizer) -> None:
    """Give what an optimiser remembers of each parameter that parameter's order in memory.

    Fused Adam reads both front to back and does not ask; states that were written on another device may differ.
    """
    for parameter, remembered in optimizer.state.items():
        for name, tensor in remembered.items():
            if tensor.shape == parameter.shape and tensor.stride() != parameter.stride():
                remembered[name] = torch.empty_like(parameter, dtype=tensor.dtype).copy_(tensor)
