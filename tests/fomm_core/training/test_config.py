from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from fomm_nodes.fomm_core.config import PRESETS
from fomm_nodes.fomm_core.errors import ConfigError, TrainingError
from fomm_nodes.fomm_core.training.config import TrainingConfig
from fomm_nodes.fomm_core.training.official import training_from_official, training_from_yaml
from fomm_nodes.fomm_core.training.presets import TRAINING_PRESETS, training_preset
from fomm_nodes.fomm_core.training.schedule import EpochSchedule
from nearness import near

PUBLISHED = [name for name in TRAINING_PRESETS if name != "demo" and not name.startswith(("tps-", "mraa-"))]
FAMILY = {
    "tps-vox-256": "tps-small",
    "tps-mgif-256": "tps-nobg",
    "mraa-vox-256": "mraa-small",
    "mraa-taichi-256": "mraa-bg",
}
"""Presets, and the cases that hold the published file's values of training."""

FILE = """
dataset_params:
  frame_shape: [64, 96, 3]
  augmentation_params:
    flip_param: {horizontal_flip: True, time_flip: False}
    rotation_param: {degrees: 10}
    resize_param: {ratio: [0.9, 1.2]}
    jitter_param: {hue: 0.5}
    crop_param: {size: [64, 96]}
model_params:
  common_params: {num_kp: 4, num_channels: 3, estimate_jacobian: True}
  kp_detector_params: {temperature: 0.1, block_expansion: 8, max_features: 16, scale_factor: 0.25, num_blocks: 2}
  generator_params: {block_expansion: 8, max_features: 16, num_down_blocks: 2, num_bottleneck_blocks: 1}
train_params:
  num_epochs: 10
  num_repeats: 3
  epoch_milestones: [6, 9]
  lr_generator: 2.0e-4
  lr_discriminator: 1.0e-4
  lr_kp_detector: 0
  batch_size: 4
  scales: [1, 0.5]
  transform_params: {sigma_affine: 0.05}
  loss_weights:
    generator_gan: 1
    discriminator_gan: 2
    feature_matching: [10, 0]
    perceptual: [0, 0]
    equivariance_value: 10
    equivariance_jacobian: 0
"""


@pytest.mark.parametrize("name", TRAINING_PRESETS)
def test_presets_survive_json(name: str) -> None:
    model, config = training_preset(name, clips=100)
    assert TrainingConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert model == replace(PRESETS.get(name, model), avd=None)
    assert config.steps > 0
    assert all(milestone < config.steps for milestone in config.milestones)
    if config.losses.adversarial:
        assert model.discriminator is not None
        assert len(config.losses.feature_matching) == model.discriminator.num_blocks


@pytest.mark.parametrize("name", PUBLISHED)
def test_presets_are_the_published_files(name: str, shared: Path) -> None:
    """The stored cases switched the perceptual loss off, and the adversarial one on."""
    values = json.loads((shared / "parity" / f"{name}-small-64.json").read_text())["config"]
    _, expected = training_preset(name)
    got = training_from_official(values)
    losses = replace(got.losses, perceptual=expected.losses.perceptual, generator_gan=expected.losses.generator_gan)
    assert replace(got, losses=losses, backbone=expected.backbone) == expected


@pytest.mark.parametrize("name", FAMILY)
def test_presets_of_the_family_are_the_published_files(name: str, shared: Path) -> None:
    """The stored cases switched the perceptual loss off."""
    values = json.loads((shared / "parity-family" / f"{FAMILY[name]}.json").read_text())["config"]
    _, expected = training_preset(name)
    got = training_from_official(values)
    losses = replace(got.losses, perceptual=expected.losses.perceptual)
    assert replace(got, losses=losses, backbone=expected.backbone) == expected


def test_a_published_file(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(FILE)
    model, config = training_from_yaml(tmp_path / "mine.yaml", clips=10)
    assert model.frame_size == (64, 96)
    assert config.steps == 10 * (30 // 4)
    assert config.milestones == (42, 63)
    assert config.freeze_detector
    assert config.backbone == "none"
    assert not config.perceptual
    assert config.transform.sigma_tps is None
    assert config.losses.feature_matching == (10.0, 0.0)
    augmentation = config.augmentation
    assert (augmentation.horizontal_flip, augmentation.time_flip, augmentation.hue) == (True, False, 0.5)
    assert augmentation.rotation_degrees == 10
    near(augmentation.zoom, 0.2)


@pytest.mark.parametrize("missing", ["train_params:", "  loss_weights:", "    perceptual", "  scales"])
def test_an_incomplete_file(missing: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(FILE.replace(missing, missing.replace(missing.strip(), f"x{missing.strip()}")))
    with pytest.raises(ConfigError, match=r"expected the published layout|loss_weights: expected"):
        training_from_yaml(tmp_path / "mine.yaml")


def test_a_data_set_smaller_than_a_batch_still_trains() -> None:
    schedule = EpochSchedule(epochs=20, repeats=1, milestones=(12, 18))
    assert schedule.in_steps(5, 36) == (20, (12, 18))


def test_wrong_values() -> None:
    _, config = training_preset("demo")
    with pytest.raises(TrainingError, match=r"batch_size of the training should be a whole number from 1 .*, and is 0"):
        replace(config, batch_size=0)
    with pytest.raises(TrainingError, match="ema_decay"):
        replace(config, ema_decay=1.0)
    with pytest.raises(TrainingError, match="expected a backbone"):
        replace(config, backbone="none")
    with pytest.raises(TrainingError, match=r"expected one of the training presets vox-256, .*; got 'vox'"):
        training_preset("vox")
    values = config.to_dict()
    for broken in (
        {**values, "colour": 1},
        {k: v for k, v in values.items() if k != "scales"},
        {**values, "losses": None},
    ):
        with pytest.raises(TrainingError, match="complete training configuration"):
            TrainingConfig.from_dict(broken)
