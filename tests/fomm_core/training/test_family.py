"""What TPS and MRAA learn by beyond FOMM's losses, with small random models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from family_models import small_family_config, small_family_model
from fomm_nodes.fomm_core.config import BackgroundConfig, MotionModelConfig
from fomm_nodes.fomm_core.errors import TrainingError
from fomm_nodes.fomm_core.model import MotionModel
from fomm_nodes.fomm_core.training.config import DropoutConfig, TrainingConfig
from fomm_nodes.fomm_core.training.family import Draws, dropped_share, limit_each
from fomm_nodes.fomm_core.training.phases import take_pass
from fomm_nodes.fomm_core.training.presets import training_preset
from fomm_nodes.fomm_core.training.seeds import generator_at
from fomm_nodes.fomm_core.training.step import GeneratorPass, TrainingNetworks
from nearness import near
from scripts import load_script

small_run = load_script(Path(__file__).with_name("small_run.py"))
TRAINING, MadeUpPairs = small_run.TRAINING, small_run.MadeUpPairs

DROPOUT = DropoutConfig(start=0.1, most=0.3, rise=10, until=35)
TPS = replace(training_preset("tps-vox-256")[1].losses, perceptual=(), l1=10.0)


def tps_training(**changes: object) -> TrainingConfig:
    return replace(TRAINING, losses=TPS, dropout=DROPOUT, **changes)  # type: ignore[arg-type]


def passed(config: TrainingConfig, model: MotionModelConfig, step: int = 0) -> GeneratorPass:
    torch.manual_seed(0)
    networks = TrainingNetworks.build(MotionModel(model), config)
    batch = MadeUpPairs(model.frame_size).batch(step, range(2))
    found = take_pass(networks, batch, config, (0, step, range(2)), torch.device("cpu"))
    assert isinstance(found, GeneratorPass)
    return found


def with_background(family: str) -> MotionModelConfig:
    return replace(small_family_config(family), avd=None, background=BackgroundConfig(kind="affine", encoder=None))


@pytest.mark.parametrize(("step", "share"), [(0, 0.1), (5, 0.25), (7, 0.3), (34, 0.3)])
def test_dropout_rises_and_ends(step: int, share: float) -> None:
    near(dropped_share(DROPOUT, step), share)
    assert dropped_share(None, step) == dropped_share(DROPOUT, 35) == 0


def test_candidates_drop_out_but_for_the_background() -> None:
    model = small_family_model("tps")
    config = tps_training()
    generators = [generator_at(0, place) for place in range(400)]
    kept = Draws.sample(config, model, 20, generators).kept
    assert kept is not None
    assert kept.shape == (400, 3)
    assert kept[:, 0].all()
    assert 0.6 < kept[:, 1:].mean() < 0.8  # 0.7 is expected, of 800 draws
    assert Draws.sample(config, model, 35, []).kept is None
    assert Draws.sample(config, small_family_model("mraa"), 20, []).kept is None


def test_what_is_dropped_takes_no_part() -> None:
    early, late = (passed(tps_training(), with_background("tps"), step) for step in (3, 35))
    for found, fewest in ((early, True), (late, False)):
        assert found.frames.motion is not None
        assert (found.frames.motion.mask[:, 1:].amax((2, 3)) == 0).any() == fewest


def test_the_background_moves_from_its_step_on() -> None:
    config = tps_training(background_from=2)
    assert set(passed(config, with_background("tps"), 1).losses) == {"l1", "equivariance_value", "warp"}
    found = passed(config, with_background("tps"), 2)
    assert set(found.losses) == {"l1", "equivariance_value", "warp", "background"}
    assert found.losses["background"] == 0  # it begins as the identity


def test_without_a_predictor_the_background_stands() -> None:
    found = passed(tps_training(), replace(small_family_config("tps"), avd=None))
    assert set(found.losses) == {"l1", "equivariance_value", "warp"}


def test_regions_learn_by_position_and_axes() -> None:
    losses = replace(training_preset("mraa-vox-256")[1].losses, perceptual=(), l1=10.0)
    found = passed(replace(TRAINING, losses=losses), with_background("mraa"))
    assert set(found.losses) == {"l1", "equivariance_value", "equivariance_jacobian"}
    torch.stack(list(found.losses.values())).sum().backward()


def test_gradients_are_cut_each_for_itself() -> None:
    model = MotionModel(with_background("tps"))
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 0.5)
    model.detector.encoder.fc.bias.grad[0] = -40.0
    limit_each(model, 10.0)
    near(model.detector.encoder.fc.bias.grad[0], -10.0)
    near(model.detector.encoder.fc.bias.grad[1], 0.125)
    assert model.dense_motion is not None
    for untouched in (model.dense_motion.mask_head, model.generator.final):
        assert (untouched.bias.grad == 0.5).all()
    limit_each(model, None)


def test_losses_of_levels_need_levels() -> None:
    with pytest.raises(TrainingError, match=r"expected a TPS model for the loss 'warp'.*losses.warp to 0"):
        passed(tps_training(), with_background("mraa"))


def test_part_swap_is_not_trained() -> None:
    with pytest.raises(TrainingError, match="expected a model that animates"):
        TrainingNetworks.build(small_family_model("partswap"), TRAINING)


@pytest.mark.parametrize("family", ["tps", "mraa"])
def test_presets_follow_the_number_of_clips(family: str) -> None:
    model, config = training_preset(f"{family}-vox-256", clips=280)
    assert model.avd is None  # it is learned in a phase of its own
    assert model.background is not None
    epoch = config.steps // 100
    assert config.milestones == ((70 * epoch, 90 * epoch) if family == "tps" else (60 * epoch, 90 * epoch))
    if family == "tps":
        assert config.dropout == DropoutConfig(start=0.1, most=0.3, rise=10 * epoch, until=35 * epoch)
        assert config.background_from == 10 * epoch
