"""Training of the published models, and of the demo model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from ..config import MotionModelConfig, preset
from ..errors import TrainingError
from .config import AugmentationConfig, LossWeights, TrainingConfig
from .family_presets import JITTERED, RECIPES, SCALES, TRANSFORM, family_training
from .schedule import EpochSchedule

USUAL_CLIPS = 500
"""Clips that the length of a published run is worked out for where the data set is not known yet."""


_SHORT = EpochSchedule(epochs=100, repeats=0, milestones=(60, 90))
_SCHEDULES: Mapping[str, tuple[int, EpochSchedule]] = MappingProxyType(
    {
        "vox-256": (40, replace(_SHORT, repeats=75)),
        "vox-adv-256": (36, EpochSchedule(epochs=150, repeats=75, milestones=())),
        "taichi-256": (30, replace(_SHORT, repeats=150)),
        "taichi-adv-256": (27, EpochSchedule(epochs=150, repeats=150, milestones=())),
        "fashion-256": (27, replace(_SHORT, repeats=50)),
        "mgif-256": (36, replace(_SHORT, repeats=25)),
        "bair-256": (36, EpochSchedule(epochs=20, repeats=1, milestones=(12, 18))),
        "nemo-256": (36, replace(_SHORT, repeats=8)),
    }
)
"""Batch size and schedule of each published model."""

_FLIPPED = replace(JITTERED, brightness=0, contrast=0, saturation=0, hue=0)
_AUGMENTATIONS: Mapping[str, AugmentationConfig] = MappingProxyType(
    {
        "fashion-256": replace(_FLIPPED, hue=0.1),
        "mgif-256": replace(_FLIPPED, hue=0.5, zoom=0.1),
        "nemo-256": _FLIPPED,
    }
)
"""Of those that are not JITTERED."""

_LOSSES = LossWeights(
    perceptual=(10.0,) * 5,
    generator_gan=1.0,
    discriminator_gan=1.0,
    feature_matching=(10.0,) * 4,
    equivariance_value=10.0,
    equivariance_jacobian=10.0,
    l1=0.0,
)


def _published(name: str, clips: int) -> TrainingConfig:
    batch_size, schedule = _SCHEDULES[name]
    steps, milestones = schedule.in_steps(clips, batch_size)
    frozen = name == "taichi-adv-256"
    return TrainingConfig(
        losses=replace(_LOSSES, generator_gan=0.0) if name in ("vox-256", "taichi-256") else _LOSSES,
        scales=SCALES,
        transform=TRANSFORM,
        augmentation=_AUGMENTATIONS.get(name, JITTERED),
        batch_size=batch_size,
        accumulate=1,
        steps=steps,
        milestones=milestones,
        decay=0.1,
        lr_generator=2e-4,
        lr_discriminator=2e-4,
        lr_detector=0.0 if frozen else 2e-4,
        clip_norm=None,
        ema_decay=None,
        backbone="vgg19",
        freeze_detector=frozen,
        joint_detector=False,
    )


def _demo() -> TrainingConfig:
    published = _published("vox-256", USUAL_CLIPS)
    return replace(
        published,
        losses=replace(published.losses, l1=100.0, spread=3.0, perceptual=(3.0, 3.0, 3.0, 0.0, 0.0)),
        scales=(0.5, 0.25),
        augmentation=replace(JITTERED, hue=0, zoom=0.1),
        batch_size=8,
        steps=18_000,
        milestones=(17_200, 17_800),
        lr_generator=4e-4,
        lr_discriminator=4e-4,
        lr_detector=4e-4,
        clip_norm=10.0,
        ema_decay=0.999,
        backbone="efficientnet_lite0",
        joint_detector=True,
    )


TRAINING_PRESETS: tuple[str, ...] = (*_SCHEDULES, "demo", *RECIPES)
"""Names that `training_preset` takes."""


def training_preset(name: str, *, clips: int = USUAL_CLIPS) -> tuple[MotionModelConfig, TrainingConfig]:
    """Model and training of that name; raises TrainingError naming the choices otherwise.

    Published schedules count passes over the data set: `clips` is how many clips (or identities, where clips are drawn
    by identity) one pass takes, and decides `steps` and `milestones`.
    """
    if name not in TRAINING_PRESETS:
        raise TrainingError(f"expected one of the training presets {', '.join(TRAINING_PRESETS)}; got '{name}'.")
    if name == "demo":
        return preset("demo-128"), _demo()
    if name in RECIPES:
        return replace(preset(name), avd=None), family_training(name, clips)  # avd is learned in a phase of its own
    return preset(name), _published(name, clips)
