"""One training step of TPS and MRAA against the published code's: losses, gradients, weights and statistics after."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import pytest
import torch
from family_cases import MRAA, TPS, Case
from fomm_nodes.fomm_core.checkpoints.keys import ours_from_published
from fomm_nodes.fomm_core.model import MotionModel
from fomm_nodes.fomm_core.training.avd import PosePairs, avd_losses, stretched
from fomm_nodes.fomm_core.training.config import TrainingConfig
from fomm_nodes.fomm_core.training.family import Draws, limit_each
from fomm_nodes.fomm_core.training.family_presets import avd_training
from fomm_nodes.fomm_core.training.official import training_from_official
from fomm_nodes.fomm_core.training.optimise import build_optimizers
from fomm_nodes.fomm_core.training.step import GeneratorPass, TrainingNetworks, generator_losses, rebuild
from fomm_nodes.fomm_core.training.transform import RandomTransform

PUBLISHED_LOSSES = {
    "equivariance_value": ("equivariance_value", "equivariance_shift"),
    "equivariance_jacobian": ("equivariance_affine",),
    "warp": ("warp_loss",),
    "background": ("bg",),
}


@dataclass
class Step:
    case: Case
    config: TrainingConfig
    networks: TrainingNetworks
    passed: GeneratorPass


def names_of(case: Case, prefix: str) -> dict[str, str]:
    """Our key -> the array's name, of what the case has of it."""
    layout = "tps" if case.name in TPS else "mraa"
    found = {}
    for name in (name for name in case.arrays if name.startswith(prefix)):
        state, unknown = ours_from_published({name.removeprefix(prefix): torch.zeros(1)}, layout)
        assert not unknown
        found |= dict.fromkeys(state, name)
    assert found
    return found


def copied(case: Case) -> MotionModel:
    """A model of its own, since a step changes it."""
    return deepcopy(case.model).requires_grad_(True)


@pytest.fixture(params=[*TPS, *MRAA])
def step(request: pytest.FixtureRequest, family_case: Callable[..., Case]) -> Step:
    case = family_case(request.param)
    arrays = case.arrays
    config = training_from_official(case.values["config"])
    networks = TrainingNetworks.build(copied(case), config)
    transform = RandomTransform(
        arrays["train/theta"],
        arrays["train/control_points"].reshape(-1, 2),
        arrays["train/control_params"].squeeze(1),
        euclidean=case.name in TPS,
    )
    passed = generator_losses(networks, arrays["train/source"], arrays["train/driving"], transform, config)
    torch.stack(list(passed.losses.values())).sum().backward()
    frame = transform.frame(arrays["train/driving"], align_corners=case.config.align_corners)
    case.is_near(frame, "train/transformed_frame")
    return Step(case, config, networks, passed)


def test_losses_and_frames(step: Step) -> None:
    case, passed = step.case, step.passed
    order = case.values["train"]["losses_order"]
    got = {
        name: passed.losses[ours] for ours, names in PUBLISHED_LOSSES.items() for name in names if ours in passed.losses
    }
    case.is_near(torch.stack([got[name] for name in order]), "train/losses")
    assert len(passed.losses) == len(order)
    case.is_near(passed.frames.images, "train/prediction")
    for who, found in (("source", passed.source_keypoints), ("driving", passed.driving_keypoints)):
        if case.name in TPS:
            case.is_near(found.position, f"train/kp_{who}")
        else:
            assert found.jacobian is not None
            assert found.covariance is not None
            case.is_near(found.position, f"train/{who}_shift")
            case.is_near(found.jacobian, f"train/{who}_affine")
            case.is_near(found.covariance, f"train/{who}_covar")


def test_gradients(step: Step) -> None:
    gradients = {key: parameter.grad for key, parameter in step.networks.model.named_parameters()}
    for key, name in names_of(step.case, "train/grad/").items():
        found = gradients[key]
        assert found is not None
        step.case.is_near(found, name)


def test_weights_and_statistics_afterwards(step: Step) -> None:
    optimizers = build_optimizers(step.networks, step.config)
    limit_each(step.networks.model, step.config.clip_each)
    optimizers.generator.step()
    after = step.networks.model.state_dict()
    for key, name in names_of(step.case, "train/after/").items():
        step.case.is_near(after[key], name)


@pytest.mark.parametrize("name", [*TPS, *MRAA])
def test_gradients_of_every_layer(name: str, family_case: Callable[..., Case]) -> None:
    """By the plain difference of frames, which reaches all networks, the background's with them."""
    case = family_case(name)
    arrays = case.arrays
    config = training_from_official(case.values["config"])
    networks = TrainingNetworks.build(copied(case), config)
    model = networks.model
    source, driving = arrays["train/source"], arrays["train/driving"]
    at_source, at_driving = model.detect(source), model.detect(driving)
    background = None if model.background is None else model.background(source, driving)
    frames = rebuild(model, source, at_source, at_driving, background, Draws())
    loss = (frames.images - driving).abs().mean()
    loss.backward()
    case.is_near(frames.images, "l1/prediction")
    case.is_near(loss.reshape(1), "l1/loss")
    gradients = {key: parameter.grad for key, parameter in model.named_parameters()}
    for key, array in names_of(case, "l1/grad/").items():
        found = gradients[key]
        assert found is not None
        case.is_near(found, array)


@pytest.mark.parametrize("name", ["tps-small", "mraa-small"])
def test_one_step_of_the_avd_network(name: str, family_case: Callable[..., Case]) -> None:
    """It learns; the networks that find the keypoints work as in animation."""
    case = family_case(name)
    arrays = case.arrays
    networks = TrainingNetworks.build(copied(case), avd_training())
    model = networks.model
    assert model.avd is not None
    at_source, at_driving = model.detect(arrays["train/source"]), model.detect(arrays["train/driving"])
    scales = arrays["avdtrain/scale"]
    made = model.avd(at_source, stretched(at_driving, scales))
    if name in TPS:
        case.is_near(made.position, "avdtrain/rec")
    else:
        case.is_near(made.position, "avdtrain/rec_shift")
        case.is_near(made.jacobian, "avdtrain/rec_affine")
    losses = avd_losses(copied(case).train().avd, PosePairs(at_source, at_driving, scales)).losses
    expected = "avdtrain/loss" if name in TPS else "avdtrain/losses"
    case.is_near(torch.stack(list(losses.values())), expected)
    terms = [(made.position - at_driving.position).abs().mean()]
    if made.jacobian is not None:
        assert at_driving.jacobian is not None
        terms.append((made.jacobian - at_driving.jacobian).abs().mean())
    torch.stack(terms).sum().backward()
    gradients = {key: parameter.grad for key, parameter in model.named_parameters()}
    assert {key.split(".")[0] for key, gradient in gradients.items() if gradient is not None} == {"avd"}
    for key, array in names_of(case, "avdtrain/grad/").items():
        found = gradients[key]
        assert found is not None
        case.is_near(found, array)
