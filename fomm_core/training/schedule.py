"""A length of training as published files state it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class EpochSchedule:
    """A length of training as published files state it: passes over the data set.

    An epoch takes each clip `repeats` times (each identity, where clips are drawn by identity), a batch that is not
    full left out. milestones: epochs after which learning rates fall.
    """

    epochs: int
    repeats: int
    milestones: tuple[int, ...]

    def in_steps(self, clips: int, batch_size: int) -> tuple[int, tuple[int, ...]]:
        """(steps, milestones in steps) for a data set of so many clips."""
        steps = max(1, clips * self.repeats // batch_size)
        return self.epochs * steps, tuple(epoch * steps for epoch in self.milestones)
