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
from fomm_nodes.fomm_core.training.config import TrainingConfig
from fomm_nodes.fomm_core.training.family import Draws, limit_each
from fomm_nodes.fomm_core.training.official import training_from_official
from fomm_nodes.fomm_core.training.optimise import build_optimizers
from fomm_nodes.fomm_core.training.step import GeneratorPass, TrainingNetworks, generator_losses, rebuild
from fomm_nodes.fomm_core.training.transform import RandomTransform
from torch import Tensor

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

    def named(self, prefix: str) -> dict[str, str]:
        """Our key -> the array's name, of what the case has of it."""
        names = [name for name in self.case.arrays if name.startswith(prefix)]
        layout = "tps" if self.case.name in TPS else "mraa"
        found = {}
        for name in names:
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
    for key, name in step.named("train/grad/").items():
        found = gradients[key]
        assert found is not None
        step.case.is_near(found, name)


def test_weights_and_statistics_afterwards(step: Step) -> None:
    optimizers = build_optimizers(step.networks, step.config)
    limit_each(step.networks.model, step.config.clip_each)
    optimizers.generator.step()
    after = step.networks.model.state_dict()
    for key, name in step.named("train/after/").items():
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
    for key, array in Step(case, config, networks, None).named("l1/grad/").items():
        found = gradients[key]
        assert found is not None
        case.is_near(found, array)
