"""Import of the training part of published configuration files (`train_params`, `augmentation_params`)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ..config import MotionModelConfig
from ..errors import CheckpointError, FommError
from ..official import config_from_official, read_yaml, take
from .config import NO_BACKBONE, AugmentationConfig, LossWeights, TrainingConfig, TransformConfig
from .presets import USUAL_CLIPS, EpochSchedule


def training_from_official(values: Mapping[str, Any], *, clips: int = USUAL_CLIPS) -> TrainingConfig:
    """A training configuration from the published layout; raises CheckpointError where it is not one.

    Defaults are those of the published code. `clips`: see `presets.training_preset`. What has no counterpart (worker
    processes, how often to save) is left aside.
    """
    try:
        return _training(values, clips)
    except (KeyError, TypeError, AttributeError, ValueError, ArithmeticError) as problem:
        if isinstance(problem, FommError):
            raise
        raise CheckpointError(
            f"expected the published layout with train_params (loss_weights, transform_params, rates, schedule); "
            f"got a file without {str(problem)[:200]}."
        ) from problem


def _training(values: Mapping[str, Any], clips: int) -> TrainingConfig:
    train = values["train_params"]
    weights = take(
        train["loss_weights"],
        "loss_weights",
        generator_gan=None,
        discriminator_gan=None,
        feature_matching=None,
        perceptual=None,
        equivariance_value=None,
        equivariance_jacobian=None,
    )
    transform = take(train["transform_params"], "transform_params", sigma_affine=None, sigma_tps=0, points_tps=0)
    schedule = EpochSchedule(
        epochs=int(train["num_epochs"]),
        repeats=int(train.get("num_repeats", 1)),
        milestones=tuple(train["epoch_milestones"]),
    )
    batch_size = int(train["batch_size"])
    rates = {
        name: float(train[published])
        for name, published in (
            ("lr_generator", "lr_generator"),
            ("lr_discriminator", "lr_discriminator"),
            ("lr_detector", "lr_kp_detector"),
        )
    }
    scales = tuple(float(scale) for scale in train["scales"])
    augmentation = augmentation_from_official(values.get("dataset_params", {}).get("augmentation_params") or {})
    steps, milestones = schedule.in_steps(clips, batch_size)
    weights = {name: tuple(w) if isinstance(w, Sequence) else float(w) for name, w in weights.items()}
    return TrainingConfig(
        losses=LossWeights(**weights, l1=0.0),
        scales=scales,
        transform=TransformConfig(
            sigma_affine=transform["sigma_affine"],
            sigma_tps=transform["sigma_tps"] or None,
            points_tps=transform["points_tps"] or None,
        ),
        augmentation=augmentation,
        batch_size=batch_size,
        accumulate=1,
        steps=steps,
        milestones=milestones,
        decay=0.1,
        **rates,
        clip_norm=None,
        ema_decay=None,
        backbone="vgg19" if any(weights["perceptual"]) else NO_BACKBONE,
        freeze_detector=rates["lr_detector"] == 0,
        joint_detector=False,
    )


def augmentation_from_official(values: Mapping[str, Any]) -> AugmentationConfig:
    """Of `augmentation_params`; `crop_param` has no counterpart, since pictures come out at the trained size here."""
    flip = take(values.get("flip_param") or {}, "flip_param", horizontal_flip=False, time_flip=False)
    jitter = take(values.get("jitter_param") or {}, "jitter_param", brightness=0, contrast=0, saturation=0, hue=0)
    rotation = take(values.get("rotation_param") or {}, "rotation_param", degrees=0)["degrees"]
    resize = take(values.get("resize_param") or {}, "resize_param", ratio=(1.0, 1.0), interpolation="nearest")
    return AugmentationConfig(
        **flip,
        **jitter,
        rotation_degrees=max(map(abs, rotation)) if isinstance(rotation, Sequence) else rotation,
        zoom=max(round(abs(ratio - 1), 6) for ratio in resize["ratio"]),
    )


def training_from_yaml(
    path: str | os.PathLike[str], *, clips: int = USUAL_CLIPS
) -> tuple[MotionModelConfig, TrainingConfig]:
    """Model and training of a published-style YAML file; raises CheckpointError where it is not one."""
    values = read_yaml(path)
    return config_from_official(values), training_from_official(values, clips=clips)
