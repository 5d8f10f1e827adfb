"""One step of training: the losses of generator and detector, then those of the discriminator."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from ..geometry import Keypoints
from ..model import Frames, MotionModel
from ..networks import MultiScaleDiscriminator
from .config import TrainingConfig
from .transform import RandomTransform


class TrainingNetworks(nn.Module):
    """The model, its discriminator where the losses ask for one, and the frozen backbone of the perceptual loss.

    `backbone` is not part of `state_dict()` and of `parameters()`.
    """

    model: MotionModel
    discriminator: MultiScaleDiscriminator | None


@dataclass(frozen=True, eq=False)
class GeneratorPass:
    """What the generator's part of a step leaves behind.

    losses: scalars by name (perceptual, l1, gen_gan, feature_matching, equivariance_value, equivariance_jacobian),
    weighted already: their sum is what is differentiated. Names of losses that are off are absent.
    """

    losses: dict[str, Tensor]
    frames: Frames
    source_keypoints: Keypoints
    driving_keypoints: Keypoints


def generator_losses(
    networks: TrainingNetworks, source: Tensor, driving: Tensor, transform: RandomTransform, config: TrainingConfig
) -> GeneratorPass:
    """Rebuild `driving` from `source` (both [B, C, H, W] in 0..1) and measure how far off it is."""
    raise NotImplementedError


def discriminator_losses(
    networks: TrainingNetworks, driving: Tensor, pass_: GeneratorPass, config: TrainingConfig
) -> dict[str, Tensor]:
    """{"disc_gan": scalar}, weighted; gradients reach the discriminator alone. Call it after the generator's step."""
    raise NotImplementedError
