"""From wishes to configurations, for new runs and resumed ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from fomm_nodes.fomm_core.errors import SizeError, TrainingError
from fomm_nodes.fomm_core.model import MotionModel
from fomm_nodes.fomm_core.training.plan import Overrides
from fomm_nodes.fomm_core.training.presets import training_preset
from fomm_nodes.fomm_core.training.start import Start
from fomm_nodes.fomm_core.training.state import RunState


def state_of(wishes: Overrides) -> RunState:
    model, training = wishes.plan(100)
    parts: dict[str, Any] = dict.fromkeys(("model", "discriminator", "average", "optimisers", "scaler"))
    return RunState(step=5, seed=0, seconds=1.0, model_config=model, training_config=training, **parts)


def test_a_preset_alone_is_itself() -> None:
    for name in ("vox-256", "mgif-256", "demo"):
        assert Overrides(preset=name).plan(100) == training_preset(name, clips=100)


def test_wishes_change_what_they_name() -> None:
    wishes = Overrides(
        preset="demo",
        steps=600,
        batch_size=4,
        lr=1e-3,
        changes={"losses.l1": 7.0, "model.num_keypoints": 15, "scales": [1, 0.5]},
    )
    model, training = wishes.plan(100)
    plain_model, plain = training_preset("demo", clips=100)
    assert model == replace(plain_model, num_keypoints=15)
    assert training.milestones == tuple(milestone * 600 // plain.steps for milestone in plain.milestones)
    assert (training.batch_size, training.lr_detector, training.losses.l1) == (4, 1e-3, 7.0)
    assert training.scales == (1, 0.5)
    assert replace(training.losses, l1=plain.losses.l1) == plain.losses


def test_a_larger_size_keeps_what_the_detector_sees() -> None:
    small, _ = Overrides(preset="demo").plan(100)
    large, _ = Overrides(preset="demo", size=(128, 128)).plan(100)
    assert large.frame_size == (128, 128)
    assert large.detector.scale_factor * 128 == small.detector.scale_factor * small.frame_size[0]
    start = Start.of(MotionModel(small))
    grown, _ = Overrides(preset="demo", size=(128, 128)).plan(100, start)
    assert grown == large
    odd, _ = Overrides(preset="demo", size=(72, 72)).plan(100)
    with pytest.raises(SizeError):
        odd.check_size(*odd.frame_size)


def test_the_adversarial_stage_takes_its_discriminator_from_the_preset() -> None:
    vox, adversarial = training_preset("vox-256")[0], training_preset("vox-adv-256")[0]
    start = Start("vox", replace(vox, num_keypoints=12), {})
    model, training = Overrides(preset="vox-adv-256").plan(100, start)
    assert model.num_keypoints == 12
    assert model.discriminator == adversarial.discriminator
    assert training.losses.adversarial


def test_resumed_with_the_same_words() -> None:
    wishes = Overrides(preset="demo", steps=600, batch_size=4, size=(128, 128), changes={"losses.l1": 7.0})
    state = state_of(wishes)
    assert wishes.plan_resumed(state, 100) == (state.model_config, state.training_config)
    assert Overrides().plan_resumed(state, 100) == (state.model_config, state.training_config)
    longer = Overrides(steps=900).plan_resumed(state, 100)[1]
    assert longer == replace(state.training_config, steps=900)


def test_what_stands_at_certain_steps_goes_with_the_length_of_a_run() -> None:
    wishes = Overrides(preset="tps-vox-256", steps=1000)
    state = state_of(wishes)
    training = state.training_config
    assert training.background_from == 100
    assert training.dropout is not None
    assert (training.dropout.rise, training.dropout.until) == (100, 350)
    assert wishes.plan_resumed(state, 100) == (state.model_config, training)
    assert Overrides(steps=2000).plan_resumed(state, 100)[1] == replace(training, steps=2000)


@pytest.mark.parametrize(
    ("wishes", "named"),
    [
        (Overrides(phase="avd"), "training.phase was motion, is avd"),
        (Overrides(batch_size=16), r"training\.batch_size was 8, is 16"),
        (Overrides(size=(256, 256)), "frame_size"),
        (Overrides(preset="vox-256"), r"training\.losses|training\.backbone|discriminator|training\.batch_size"),
        (Overrides(changes={"model.num_keypoints": 11}), "num_keypoints was 10, is 11"),
        (Overrides(preset="demo", lr=1.0), "lr_detector was 0.0004, is 1.0"),
    ],
)
def test_resumed_with_other_words_is_refused(wishes: Overrides, named: str) -> None:
    with pytest.raises(TrainingError, match=named):
        wishes.plan_resumed(state_of(Overrides(preset="demo")), 100)


@pytest.mark.parametrize("name", ["nothing", "losses", "losses.nothing", "model.detector", "steps.more"])
def test_a_setting_that_there_is_not(name: str) -> None:
    with pytest.raises(TrainingError, match="expected the name of a setting"):
        Overrides(preset="demo", changes={name: 1}).plan(100)


def test_a_backbone_that_there_is_not() -> None:
    with pytest.raises(TrainingError, match=r"got 'vgg16'. Did you mean 'vgg19'\?"):
        Overrides(preset="demo", backbone="vgg16").plan(100)


def test_no_preset() -> None:
    with pytest.raises(TrainingError, match="expected a preset"):
        Overrides().plan(100)
