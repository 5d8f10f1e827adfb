"""Import of the training part of published configuration files (`train_params`, `augmentation_params`)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..config import MotionModelConfig
from ..errors import ConfigError, FommError
from ..official import config_from_official, official_family, read_yaml, take
from .config import NO_BACKBONE, AugmentationConfig, LossWeights, TrainingConfig, TransformConfig
from .family_presets import MRAA_LOSSES, TPS_LIMITS, TPS_LOSSES, dropout_in_steps
from .presets import USUAL_CLIPS
from .schedule import EpochSchedule


def training_from_official(values: Mapping[str, Any], *, clips: int = USUAL_CLIPS) -> TrainingConfig:
    """A training configuration from the published layout; raises ConfigError where it is not one.

    Defaults are those of the published code. `clips`: see `presets.training_preset`. What has no counterpart (worker
    processes, how often to save) is left aside.
    """
    try:
        return _training(values, clips)
    except (KeyError, TypeError, AttributeError, ValueError, ArithmeticError) as problem:
        if isinstance(problem, FommError):
            raise
        raise ConfigError(
            f"expected the published layout with train_params (loss_weights, transform_params, rates, schedule); "
            f"got a file without {str(problem)[:200]}."
        ) from problem


def _training(values: Mapping[str, Any], clips: int) -> TrainingConfig:
    train = values["train_params"]
    family = official_family(values)
    weights = _losses(train["loss_weights"], family)
    transform = take(train["transform_params"], "transform_params", sigma_affine=None, sigma_tps=0, points_tps=0)
    schedule = EpochSchedule(
        epochs=int(train["num_epochs"]),
        repeats=int(train.get("num_repeats", 1)),
        milestones=tuple(train["epoch_milestones"]),
    )
    batch_size = int(train["batch_size"])
    rates = _rates(train, family)
    scales = tuple(float(scale) for scale in train["scales"])
    augmentation = augmentation_from_official(values.get("dataset_params", {}).get("augmentation_params") or {})
    steps, milestones = schedule.in_steps(clips, batch_size)
    return TrainingConfig(
        losses=weights,
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
        backbone="vgg19" if any(weights.perceptual) else NO_BACKBONE,
        freeze_detector=rates["lr_detector"] == 0,
        joint_detector=False,
        **(_tps(train, steps // schedule.epochs) if family == "tps" else {}),
    )


def _rates(train: Mapping[str, Any], family: str | None) -> dict[str, Any]:
    if family is not None:
        rate = float(train["lr_generator" if family == "tps" else "lr"])
        return dict.fromkeys(("lr_generator", "lr_discriminator", "lr_detector"), rate)
    published = {name: name for name in ("lr_generator", "lr_discriminator")} | {"lr_detector": "lr_kp_detector"}
    return {name: float(train[theirs]) for name, theirs in published.items()}


def _losses(stated: Mapping[str, Any], family: str | None) -> LossWeights:
    if family is None:
        names = ("generator_gan", "discriminator_gan", "feature_matching", "perceptual")
        needed = dict.fromkeys((*names, "equivariance_value", "equivariance_jacobian"))
        weights = take(stated, "loss_weights", **needed)
        weights = {name: tuple(w) if isinstance(w, Sequence) else float(w) for name, w in weights.items()}
        return LossWeights(**weights, l1=0.0)
    if family == "partswap":
        raise ConfigError(
            "expected the training of FOMM, TPS or MRAA; got a file of part swap, which is not trained here."
        )
    theirs = (
        {"equivariance_value": "equivariance_value", "warp": "warp_loss", "background": "bg"}
        if family == "tps"
        else {"equivariance_value": "equivariance_shift", "equivariance_jacobian": "equivariance_affine"}
    )
    weights = take(stated, "loss_weights", perceptual=None, **dict.fromkeys(theirs.values()))
    given: dict[str, Any] = {ours: float(weights[published]) for ours, published in theirs.items()}
    return replace(TPS_LOSSES if family == "tps" else MRAA_LOSSES, perceptual=tuple(weights["perceptual"]), **given)


def _tps(train: Mapping[str, Any], epoch: int) -> dict[str, Any]:
    """What TPS alone states: dropout and the background's start, in epochs of so many steps."""
    rise, until = int(train["dropout_inc_epoch"]), int(train["dropout_epoch"])
    dropout = dropout_in_steps(float(train["dropout_startp"]), float(train["dropout_maxp"]), epoch, rise, until)
    return {**TPS_LIMITS, "dropout": dropout, "background_from": int(train.get("bg_start", 0)) * epoch}


def augmentation_from_official(values: Mapping[str, Any]) -> AugmentationConfig:
    """Of `augmentation_params`; `crop_param` has no counterpart, since images come out at the trained size here."""
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
    """Model and training of a published-style YAML file; raises ConfigError where it is not one."""
    values = read_yaml(path)
    model = replace(config_from_official(values), avd=None)  # which is learned in a phase of its own
    return model, training_from_official(values, clips=clips)
