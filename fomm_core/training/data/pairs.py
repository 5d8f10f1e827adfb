"""Pairs of frames for training, without a hidden stream of random numbers: a place in the run decides what it sees."""

from __future__ import annotations

import copy
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from ...errors import DataError, ImageError
from ...video.pixels import Pixels
from ..config import AugmentationConfig
from ..seeds import generator_at, seed_at
from .augment import Augmentation, augment, augment_points
from .clips import Clip, ClipSet
from .points import COUNT, Points, openings

log = logging.getLogger("fomm.data")

ATTEMPTS = 8
"""Clips that are tried for one pair before the data set is given up."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Two frames each of n clips: source and driving [n, 3, H, W] float32 in 0..1, varied alike.

    points: [n, 2, 64, 2] float32, where mouth and eyes are in both, in -1..1 (see `points`); NaN for a clip that does
    not tell; None where none does.
    """

    source: Tensor
    driving: Tensor
    points: Tensor | None = None

    def __len__(self) -> int:
        return len(self.source)


class PairSource:
    """Hands out the pairs of each step.

    A sample's clip, frames and augmentation follow from the seed, the step and the sample's index in the step's global
    batch alone: any number of processes, accumulation and a resumed run see the same pairs bit for bit. Clips are drawn
    without replacement, epoch by epoch; a batch may be larger than the set. Frames of a clip are drawn uniformly, two
    different ones, in the order of time; see `AugmentationConfig.choices`.

    clips: the set. size: (height, width) of the frames. augmentation: None leaves them as they are. seed: of the run.
    batch_size: samples of a step over all processes. by_identity: an epoch shows one clip of each identity, as the
    published training on VoxCeleb does. device: where pairs are varied and returned.

    It holds no state between calls, so that a thread may read ahead.
    """

    def __init__(
        self,
        clips: ClipSet,
        size: tuple[int, int],
        augmentation: AugmentationConfig | None,
        seed: int,
        *,
        batch_size: int,
        by_identity: bool = False,
        device: torch.device | str = "cpu",
    ) -> None:
        if batch_size < 1:
            raise DataError(f"expected a batch of at least one pair; got {batch_size}.")
        self.clips = clips
        self.size = size
        self.augmentation = augmentation
        self.seed = seed
        self.batch_size = batch_size
        self.device = torch.device(device)
        members: dict[str | int, list[Clip]] = {}
        for index, clip in enumerate(clips):
            members.setdefault(clip.identity if by_identity else index, []).append(clip)
        self._members = list(members.values())
        self._order = lru_cache(maxsize=2)(self._permutation)
        self._points = lru_cache(maxsize=None)(self._read_points)
        self._complained: set[str] = set()

    def to(self, device: torch.device | str) -> PairSource:
        """The same pairs, varied and returned on `device`."""
        moved = copy.copy(self)
        moved.device = torch.device(device)
        return moved

    @property
    def epoch_length(self) -> int:
        """Pairs in an epoch."""
        return len(self._members)

    def batch(self, step: int, indices: Sequence[int]) -> Pairs:
        """The pairs at some `indices` (0 to batch_size - 1) of the global batch of `step`.

        A clip that can't be read is reported once, and another takes its place. Raises DataError where several in turn
        can't be read.
        """
        if not all(0 <= index < self.batch_size for index in indices):
            raise DataError(f"expected places 0 to {self.batch_size - 1} of the batch; got {list(indices)}.")
        drawn = [self._drawn(step, index) for index in indices]
        frames = torch.from_numpy(np.stack([pictures for pictures, _ in drawn]))  # [n, 2, H, W, 3]
        points = self._stacked([known for _, known in drawn])
        pairs = rearrange(frames.to(self.device), "n t h w c -> n t c h w").float() / 255
        if self.augmentation is not None:
            changes = [
                Augmentation.draw(self.augmentation, seed_at(self.seed, "augmentation", step, index))
                for index in indices
            ]
            pairs = augment(pairs, changes, self.augmentation)
            points = None if points is None else augment_points(points, changes, self.size)
        return Pairs(pairs[:, 0].contiguous(), pairs[:, 1].contiguous(), points)

    def _drawn(self, step: int, index: int) -> tuple[Pixels, Points | None]:
        """Two frames, uint8 [2, H, W, 3], and the points in them, [2, 64, 2]."""
        draw = random.Random(seed_at(self.seed, "pair", step, index))
        epoch, place = divmod(step * self.batch_size + index, len(self._members))
        clip = draw.choice(self._members[self._order(epoch)[place]])
        for _ in range(ATTEMPTS):
            try:
                points = self._points(clip)
                places = self._places(draw, len(clip), points)
                return clip.read(places, self.size), None if points is None else points[places]
            except (ImageError, OSError) as problem:
                self._complain(clip, problem)
            clip = draw.choice(draw.choice(self._members))
        raise DataError(f"expected clips that can be read; {ATTEMPTS} in turn could not be, {clip.name} among them.")

    def _places(self, draw: random.Random, count: int, points: Points | None) -> list[int]:
        choices = 1 if self.augmentation is None or points is None else self.augmentation.choices
        first, *others = draw.sample(range(count), min(1 + choices, count))
        if points is None or len(others) == 1:
            return sorted((first, others[0]))
        acted = openings(points[[first, *others]])
        return sorted((first, others[int(np.abs(acted[1:] - acted[0]).max(1).argmax())]))

    def _read_points(self, clip: Clip) -> Points | None:
        try:
            return clip.points(self.size)
        except DataError as problem:
            self._complain(clip, problem)
            return None

    def _stacked(self, known: Sequence[Points | None]) -> Tensor | None:
        if all(points is None for points in known):
            return None
        unknown = np.full((2, COUNT, 2), np.nan, np.float32)
        return torch.from_numpy(np.stack([unknown if points is None else points for points in known])).to(self.device)

    def _permutation(self, epoch: int) -> tuple[int, ...]:
        shuffled = torch.randperm(len(self._members), generator=generator_at(self.seed, "epoch", epoch))
        return tuple(shuffled.tolist())

    def _complain(self, clip: Clip, problem: Exception) -> None:
        if clip.name not in self._complained:
            self._complained.add(clip.name)
            log.warning("%s can't be used, others take its place: %s", clip.name, problem)
