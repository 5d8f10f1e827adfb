"""The phase "avd": a finished model learns to take a driver's motion and a source's shape apart (FOMM, TPS and MRAA).

Its networks are frozen, so each frame's keypoints are found once; after that a step costs no more than three small
perceptrons. The network is shown the source's keypoints, and those of another frame of its clip scaled at random across
and down, as a head of another shape would have them; it has to give the unscaled ones back.
"""

from __future__ import annotations

import bisect
import copy
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import torch
from torch import Tensor

from ..errors import DataError, ImageError
from ..fitting import from_uint8
from ..geometry import Keypoints
from ..model import MotionModel
from ..networks import AvdNetwork
from ..session import AnimationSession
from .data import Clip, PairSource
from .losses import mean_difference
from .seeds import seed_at

log = logging.getLogger("fomm.training")

FRAMES = 24
"""Of a clip, spread evenly, whose keypoints are found; and of its mirror image where pairs are mirrored."""


@dataclass(frozen=True, eq=False)
class PosePairs:
    """Keypoints of two frames each of n clips, and by how much the second's are scaled, [n, 2] across and down."""

    source: Keypoints
    driving: Keypoints
    scales: Tensor


@dataclass(frozen=True, eq=False)
class AvdPass:
    """What a step of this phase leaves behind: avd_position and, for models with local maps, avd_jacobian."""

    losses: dict[str, Tensor]


def stretched(keypoints: Keypoints, scales: Tensor) -> Keypoints:
    """Keypoints of an image that is scaled by [T, 2] around its middle, across and down."""
    jacobian, covariance = keypoints.jacobian, keypoints.covariance
    columns = scales[:, None, :, None]
    return replace(
        keypoints,
        position=keypoints.position * scales[:, None],
        jacobian=None if jacobian is None else columns * jacobian,
        covariance=None if covariance is None else columns * covariance * columns.mT,
    )


def avd_losses(network: AvdNetwork, pairs: PosePairs) -> AvdPass:
    """How far the keypoints that the network gives are from the unscaled ones."""
    truth = pairs.driving
    made: Keypoints = network(pairs.source, stretched(truth, pairs.scales))
    losses = {"avd_position": mean_difference(made.position, truth.position)}
    if made.jacobian is not None and truth.jacobian is not None:
        losses["avd_jacobian"] = mean_difference(made.jacobian, truth.jacobian)
    return AvdPass(losses)


class PoseSource:
    """Hands out the pairs of each step, of the clips of a `PairSource`; which ones follows from seed, step and place.

    model: finds the keypoints of all frames, at once. Raises DataError where too few clips can be read.
    """

    def __init__(self, pairs: PairSource, model: MotionModel, *, scale: float, device: torch.device) -> None:
        self.seed, self.scale, self.device = pairs.seed, scale, device
        mirrored = pairs.augmentation is not None and pairs.augmentation.horizontal_flip
        session = AnimationSession(model.eval(), device=device)
        log.info("finding the keypoints of %d clips", len(pairs.clips))
        found = [one for clip in pairs.clips for one in _keypoints(session, clip, pairs.size, mirrored=mirrored)]
        if not found:
            raise DataError("expected clips of two frames or more that can be read; got none.")
        self._ends = list(accumulate(len(keypoints) for keypoints in found))
        self._keypoints = Keypoints.cat(found).each(lambda values: values.to(device))

    def to(self, device: torch.device | str) -> PoseSource:
        """The same pairs, returned on `device`."""
        moved = copy.copy(self)
        moved.device = torch.device(device)
        moved._keypoints = self._keypoints.to(device)
        return moved

    def batch(self, step: int, indices: Sequence[int]) -> PosePairs:
        """The pairs at some places of the global batch of `step`."""
        firsts, seconds, scales = [], [], []
        for index in indices:
            draw = random.Random(seed_at(self.seed, "pose", step, index))
            clip = bisect.bisect_right(self._ends, draw.randrange(self._ends[-1]))
            start = self._ends[clip - 1] if clip else 0
            first, second = draw.sample(range(start, self._ends[clip]), 2)
            firsts.append(first)
            seconds.append(second)
            scales.append([draw.uniform(1 - self.scale, 1 + self.scale) for _ in range(2)])
        factors = torch.tensor(scales, device=self.device)
        return PosePairs(self._keypoints.at(firsts), self._keypoints.at(seconds), factors)


def _keypoints(session: AnimationSession, clip: Clip, size: tuple[int, int], *, mirrored: bool) -> list[Keypoints]:
    """Of a clip, and of its mirror image; nothing of a clip that can't be read or has one frame."""
    count = min(FRAMES, len(clip))
    if count < 2:
        return []
    places = [round(place * (len(clip) - 1) / (count - 1)) for place in range(count)]
    try:
        frames = from_uint8(clip.read(places, size))
    except (ImageError, OSError) as problem:
        log.warning("%s can't be used: %s", clip.name, problem)
        return []
    shown = [frames, frames.flip(-1)] if mirrored else [frames]
    return [replace(session.detect(pictures), confidence=None) for pictures in shown]
