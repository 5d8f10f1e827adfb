"""What TPS and MRAA learn by beyond FOMM's losses: the background's motion, dropped candidates, levels that agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..errors import TrainingError
from ..geometry import Keypoints, Motion
from ..model import MotionModel
from ..networks import LevelGenerator, ThinPlateMotionNetwork, without_autocast
from .config import DropoutConfig, TrainingConfig
from .losses import mean_difference


@dataclass(frozen=True, eq=False)
class Draws:
    """What a step decides besides the transform.

    kept: [B, K + 1], 1 for the candidates that take part, 0 for those that drop out; None where all take part.
    background: whether the background moves in this step.
    """

    kept: Tensor | None = None
    background: bool = True

    @staticmethod
    def sample(config: TrainingConfig, model: MotionModel, step: int, generators: Sequence[torch.Generator]) -> Draws:
        """Those of a step (from 0), one generator for each pair of it; the background's candidate is always kept."""
        share = dropped_share(config.dropout, step)
        kept = None
        if share and isinstance(model.dense_motion, ThinPlateMotionNetwork):
            count = model.config.num_motions + 1
            draws = torch.stack([torch.rand(count, generator=generator) for generator in generators])
            kept = (draws < 1 - share).float()
            kept[:, 0] = 1
        return Draws(kept, step >= config.background_from)


def dropped_share(config: DropoutConfig | None, step: int) -> float:
    """How likely a candidate drops out in a step: it rises from `start` to `most` within `rise` steps, and ends."""
    if config is None or step >= config.until:
        return 0.0
    return min(config.start + config.most * step / config.rise, config.most)


def check_trains(model: MotionModel) -> None:
    """Raise TrainingError for a family that is not trained here."""
    if model.config.family == "partswap":
        raise TrainingError(
            "expected a model that animates (FOMM, TPS or MRAA); got one of part swap, which is not trained here. "
            "Choose another preset, or another model to start from."
        )


def background_motion(
    model: MotionModel, source: Tensor, driving: Tensor, config: TrainingConfig, draws: Draws
) -> tuple[Tensor | None, Tensor | None]:
    """(Maps from driving to source positions [B, 3, 3], how far there and back is from the identity, weighted).

    None and None where the model has no predictor of the background, or none takes part yet; no loss of weight 0.
    """
    if model.background is None or not draws.background:
        return None, None
    there = model.background(source, driving)
    if not config.losses.background:
        return there, None
    back = model.background(driving, source)
    with without_autocast(there):
        around = there @ back
    return there, config.losses.background * mean_difference(torch.eye(3).to(around).expand_as(around), around)


def rebuilt_motion(
    model: MotionModel,
    source: Tensor,
    at_source: Keypoints,
    at_driving: Keypoints,
    background: Tensor | None,
    draws: Draws,
) -> Motion:
    """Dense motion of a step, its candidates kept as drawn."""
    network = model.dense_motion
    assert network is not None
    small = network.reduce(source)
    if draws.kept is None or not isinstance(network, ThinPlateMotionNetwork):
        motion: Motion = network(small, at_source, at_driving, background)
        return motion
    return network.weigh(network.candidates(small, at_source, at_driving, background), draws.kept.to(small))


def warp_loss(generator: nn.Module, source: Tensor, driving: Tensor, motion: Motion) -> Tensor:
    """Sum over levels of the mean difference between what the encoder sees in the driving frame and its features of
    the source, moved there; both dimmed by occlusion. The flow alone learns from it.

    TrainingError for generators without levels (TPS alone has them).
    """
    if not isinstance(generator, LevelGenerator):
        raise TrainingError("expected a TPS model for the loss 'warp'; got another. Set losses.warp to 0.")
    assert motion.occlusion is not None
    maps = [occlusion.detach() for occlusion in (*motion.levels, motion.occlusion)]
    with torch.no_grad():
        of_source, of_driving = generator.encode(source), generator.encode(driving)
    if len(maps) == 1:
        maps = maps * len(of_source)
    differences = []
    for shown, features, expected in zip(reversed(maps), of_source, of_driving, strict=True):
        with torch.no_grad():
            expected = expected * generator.shown(shown, expected)
        differences.append(mean_difference(generator.dimmed(features, motion, shown), expected))
    return torch.stack(differences).sum()


def limit_each(model: MotionModel, limit: float | None) -> None:
    """Cut the gradients of detector, dense motion and background predictor, each for itself, to a greatest number."""
    if limit is None:
        return
    for network in (model.detector, model.dense_motion, model.background):
        if network is not None:
            nn.utils.clip_grad_norm_(network.parameters(), limit, norm_type=float("inf"))
