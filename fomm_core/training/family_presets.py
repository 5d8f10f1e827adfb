"""Training of the published models of TPS and MRAA, and of the network of the mode "avd"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from ..config import AvdConfig, MotionModelConfig
from ..errors import TrainingError
from .config import NO_BACKBONE, AugmentationConfig, DropoutConfig, LossWeights, TrainingConfig, TransformConfig
from .schedule import EpochSchedule

SCALES = (1.0, 0.5, 0.25, 0.125)
TRANSFORM = TransformConfig(sigma_affine=0.05, sigma_tps=0.005, points_tps=5)
JITTERED = AugmentationConfig(
    horizontal_flip=True,
    time_flip=True,
    brightness=0.1,
    contrast=0.1,
    saturation=0.1,
    hue=0.1,
    rotation_degrees=0,
    zoom=0,
)
MGIF = replace(JITTERED, brightness=0, contrast=0, saturation=0, hue=0.5, zoom=0.1)
TPS_LOSSES = LossWeights(
    perceptual=(10.0,) * 5,
    generator_gan=0.0,
    discriminator_gan=0.0,
    feature_matching=(),
    equivariance_value=10.0,
    equivariance_jacobian=0.0,
    l1=0.0,
    warp=10.0,
    background=10.0,
)
MRAA_LOSSES = replace(TPS_LOSSES, equivariance_jacobian=10.0, warp=0.0, background=0.0)
TPS_LIMITS = {"weight_decay": 1e-4, "clip_each": 10.0}
"""Of Adam, and of the gradients of TPS's networks of motion."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a published model was trained. dropout: the shares that TPS begins and ends with; background_from: epochs."""

    batch_size: int
    repeats: int
    milestones: tuple[int, int] = (60, 90)
    dropout: tuple[float, float] | None = None
    background_from: int = 0
    epochs: int = 100


def _tps(batch_size: int, repeats: int, start: float, most: float, background_from: int = 0) -> Recipe:
    return Recipe(
        batch_size=batch_size,
        repeats=repeats,
        milestones=(70, 90),
        dropout=(start, most),
        background_from=background_from,
    )


RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        "tps-vox-256": _tps(28, 75, 0.1, 0.3, 10),
        "tps-taichi-256": _tps(28, 150, 0.0, 0.7),
        "tps-ted-384": _tps(12, 150, 0.0, 0.5),
        "tps-mgif-256": _tps(28, 50, 0.2, 0.5),
        "mraa-vox-256": Recipe(batch_size=14, repeats=75),
        "mraa-taichi-256": Recipe(batch_size=14, repeats=150),
        "mraa-ted-384": Recipe(batch_size=6, repeats=150),
        "mraa-ted-youtube-384": Recipe(batch_size=20, repeats=150),
        "mraa-mgif-256": Recipe(batch_size=14, repeats=50),
    }
)
"""By the names of presets."""
DROPOUT_RISE, DROPOUT_UNTIL = 10, 35
"""Epochs within which TPS's dropout rises, and after which there is none."""


def family_training(name: str, clips: int) -> TrainingConfig:
    """Of a preset in RECIPES, for a data set of so many clips."""
    recipe = RECIPES[name]
    schedule = EpochSchedule(epochs=recipe.epochs, repeats=recipe.repeats, milestones=recipe.milestones)
    steps, milestones = schedule.in_steps(clips, recipe.batch_size)
    epoch = steps // recipe.epochs
    tps = recipe.dropout is not None
    return TrainingConfig(
        losses=TPS_LOSSES if tps else MRAA_LOSSES,
        scales=SCALES,
        transform=TRANSFORM,
        augmentation=MGIF if "mgif" in name else JITTERED,
        batch_size=recipe.batch_size,
        accumulate=1,
        steps=steps,
        milestones=milestones,
        decay=0.1,
        lr_generator=2e-4,
        lr_discriminator=2e-4,
        lr_detector=2e-4,
        clip_norm=None,
        ema_decay=None,
        backbone="vgg19",
        freeze_detector=False,
        joint_detector=False,
        background_from=recipe.background_from * epoch,
        dropout=None if recipe.dropout is None else dropout_in_steps(*recipe.dropout, epoch),
        **(TPS_LIMITS if tps else {}),  # type: ignore[arg-type]
    )


def dropout_in_steps(
    start: float, most: float, epoch: int, rise: int = DROPOUT_RISE, until: int = DROPOUT_UNTIL
) -> DropoutConfig:
    """TPS's schedule of dropout for epochs of so many steps."""
    return DropoutConfig(start=start, most=most, rise=max(1, rise * epoch), until=until * epoch)


AVD_STEPS, AVD_BATCH = 5000, 256
AVD_BOTTLES = {"tps": 128, "mraa": 64, "fomm": 64}
"""Numbers that are left of shape and of pose; FOMM's, which nobody published, as MRAA's."""


def with_avd(config: MotionModelConfig) -> MotionModelConfig:
    """The same model with a network of the mode "avd", as published for TPS and MRAA.

    Raises TrainingError where it could have none.
    """
    if config.family not in AVD_BOTTLES:
        raise TrainingError(
            "expected a model that animates for the phase 'avd'; got one of part swap, whose motion keypoints alone "
            "do not say. Choose another model to start from."
        )
    if config.avd is not None:
        return config
    bottle, straight = AVD_BOTTLES[config.family], config.family == "fomm"
    return replace(config, avd=AvdConfig(id_bottle_size=bottle, pose_bottle_size=bottle, straight=straight))


def avd_training(steps: int = AVD_STEPS) -> TrainingConfig:
    """Of the phase "avd": as published for MRAA, but for its length."""
    return TrainingConfig(
        losses=replace(MRAA_LOSSES, perceptual=(), equivariance_value=0.0, equivariance_jacobian=0.0),
        scales=(1.0,),
        transform=TRANSFORM,
        augmentation=replace(JITTERED, brightness=0.0, contrast=0.0, saturation=0.0, hue=0.0),
        batch_size=AVD_BATCH,
        accumulate=1,
        steps=steps,
        milestones=(steps * 2 // 3, steps * 5 // 6),
        decay=0.1,
        lr_generator=1e-3,
        lr_discriminator=1e-3,
        lr_detector=1e-3,
        clip_norm=None,
        ema_decay=None,
        backbone=NO_BACKBONE,
        freeze_detector=True,
        joint_detector=False,
        phase="avd",
    )
