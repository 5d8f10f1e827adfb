"""What learns, what stays, and what each switch does; the numbers themselves are test_step_parity's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from fomm_nodes.fomm_core.config import MotionModelConfig
from fomm_nodes.fomm_core.errors import TrainingError
from fomm_nodes.fomm_core.geometry import Keypoints
from fomm_nodes.fomm_core.model import MotionModel
from fomm_nodes.fomm_core.training import losses
from fomm_nodes.fomm_core.training.config import TrainingConfig
from fomm_nodes.fomm_core.training.optimise import build_optimizers
from fomm_nodes.fomm_core.training.presets import training_preset
from fomm_nodes.fomm_core.training.seeds import generator_at
from fomm_nodes.fomm_core.training.step import GeneratorPass, TrainingNetworks, discriminator_losses, generator_losses
from fomm_nodes.fomm_core.training.transform import RandomTransform
from nearness import near
from torch import Tensor, nn

NAMES = {"perceptual", "gen_gan", "feature_matching", "equivariance_value", "equivariance_jacobian"}


class Squares(nn.Module):
    """A backbone to check sums by: layer i is (i + 1) times the image."""

    def forward(self, image: Tensor, layers: int) -> list[Tensor]:
        return [(i + 1) * image for i in range(layers)]


def configured(**changes: Any) -> TrainingConfig:
    _, config = training_preset("nemo-256")
    weights = replace(config.losses, perceptual=(10.0, 5.0), feature_matching=(10.0, 10.0), **changes.pop("losses", {}))
    return replace(config, losses=weights, scales=(1.0, 0.5), **changes)


def networks_for(config: TrainingConfig, make: Callable[..., MotionModel], **model_changes: Any) -> TrainingNetworks:
    torch.manual_seed(0)
    return TrainingNetworks.build(make(**model_changes), config, backbone=Squares())


def run(networks: TrainingNetworks, config: TrainingConfig, batch: int = 2) -> tuple[GeneratorPass, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    source, driving = torch.rand(2, batch, 3, 64, 64, generator=generator)
    transform = RandomTransform.sample(config.transform, [generator_at(0, i) for i in range(batch)])
    return generator_losses(networks, source, driving, transform, config), source, driving


def total(losses: dict[str, Tensor]) -> Tensor:
    return torch.stack(list(losses.values())).sum()


def test_each_part_teaches_its_own_networks(make: Callable[..., MotionModel]) -> None:
    config = configured()
    networks = networks_for(config, make)
    assert networks.discriminator is not None
    passed, _, _ = run(networks, config)
    assert set(passed.losses) == NAMES
    total(passed.losses).backward()
    assert all(p.grad is not None for p in networks.model.parameters())
    assert all(p.grad is None for p in networks.discriminator.parameters())
    before = [p.grad.clone() for p in networks.model.parameters() if p.grad is not None]
    discriminator_losses(networks, passed, config)["disc_gan"].backward()
    assert all(p.grad is not None for p in networks.discriminator.parameters())
    after = [p.grad for p in networks.model.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True) if b is not None)


@pytest.mark.parametrize(
    ("off", "gone"),
    [
        ({"generator_gan": 0.0}, {"gen_gan", "feature_matching"}),
        ({"equivariance_value": 0.0}, {"equivariance_value"}),
        ({"equivariance_value": 0.0, "equivariance_jacobian": 0.0}, {"equivariance_value", "equivariance_jacobian"}),
    ],
)
def test_a_loss_of_weight_0_is_absent(off: dict, gone: set[str], make: Callable[..., MotionModel]) -> None:
    config = configured(losses=off)
    networks = networks_for(config, make)
    assert set(run(networks, config)[0].losses) == NAMES - gone
    assert (networks.discriminator is None) == ("gen_gan" in gone)


def test_perceptual_loss_is_the_weighted_sum(make: Callable[..., MotionModel]) -> None:
    """With layers x and 2 x: (10 + 2 * 5) times the mean difference, at each scale."""
    config = configured(losses={"l1": 3.0})
    passed, _, driving = run(networks_for(config, make), config)
    differences = [(passed.generated.at(s) - passed.real.at(s)).abs().mean() for s in config.scales]
    near(passed.losses["perceptual"], 20 * torch.stack(differences).sum())
    near(passed.losses["l1"], 3 * (passed.frames.images - driving).abs().mean())


def test_crowding_is_nothing_where_keypoints_are_apart_and_pushes_where_not() -> None:
    grid = torch.cartesian_prod(torch.linspace(-0.8, 0.8, 3), torch.linspace(-0.8, 0.8, 3))[None]
    assert losses.crowding(Keypoints(grid)) == 0
    crowded = (grid * 0.1).requires_grad_()
    crowding = losses.crowding(Keypoints(crowded))
    assert 0 < crowding < 1
    crowding.backward()
    moved = crowded - 0.1 * crowded.grad
    assert torch.pdist(moved[0]).min() > torch.pdist(crowded[0]).min()


@pytest.mark.parametrize(("distance", "loss"), [(0.0, 1.0), (0.15, 0.5), (0.3, 0.0), (0.5, 0.0)])
def test_keypoints_repel_each_other_up_to_a_distance(distance: float, loss: float) -> None:
    near(losses.crowding(Keypoints(torch.tensor([[[0.0, 0.0], [distance, 0.0]]]))), loss, of=1)


def test_keypoints_are_spread_where_that_is_asked_for(make: Callable[..., MotionModel]) -> None:
    config = configured(losses={"spread": 2.0})
    passed, _, _ = run(networks_for(config, make), config)
    both = losses.crowding(passed.source_keypoints) + losses.crowding(passed.driving_keypoints)
    near(passed.losses["spread"], both)
    frozen = configured(losses={"spread": 2.0}, freeze_detector=True)
    assert "spread" not in run(networks_for(frozen, make), frozen)[0].losses


def test_zero_order_models_have_no_jacobian_loss(make: Callable[..., MotionModel]) -> None:
    config = configured()
    passed, _, _ = run(networks_for(config, make, estimate_jacobian=False), config)
    assert set(passed.losses) == NAMES - {"equivariance_jacobian"}


def test_a_frozen_detector_stays_as_it_is(make: Callable[..., MotionModel]) -> None:
    config = configured(freeze_detector=True)
    networks = networks_for(config, make)
    before = {key: value.clone() for key, value in networks.model.detector.state_dict().items()}
    passed, source, _ = run(networks, config)
    assert set(passed.losses) == NAMES - {"equivariance_value", "equivariance_jacobian"}
    total(passed.losses).backward()
    optimizers = build_optimizers(networks, config)
    optimizers.generator.step()
    assert all(torch.equal(before[key], value) for key, value in networks.model.detector.state_dict().items())
    assert len(optimizers.generator.param_groups) == 1
    expected = networks.model.eval().detect(source)
    near(passed.source_keypoints.position, expected.position)


def test_one_pass_of_the_detector_differs_by_its_statistics_alone(make: Callable[..., MotionModel]) -> None:
    """With the same three images in each place, statistics agree, and so does everything."""
    apart, joint = configured(), configured(joint_detector=True)
    apart = replace(apart, transform=replace(apart.transform, sigma_affine=0.0, sigma_tps=0.0))
    joint = replace(joint, transform=apart.transform)
    picture = torch.rand(2, 3, 64, 64, dtype=torch.float64)  # since random networks magnify rounding
    values = []
    for config in (apart, joint):
        plain = RandomTransform.sample(config.transform, [generator_at(0, i) for i in range(2)])
        assert plain.control is not None
        assert plain.weights is not None
        transform = RandomTransform(plain.theta.double(), plain.control.double(), plain.weights.double())
        networks = networks_for(config, make).double()
        values.append(generator_losses(networks, picture, picture, transform, config).losses)
    for name in values[0]:
        near(values[0][name], values[1][name], of=sum(values[1].values()).item(), about=name)


def test_the_discriminators_verdicts_are_kept_only_where_they_stay_true(
    make: Callable[..., MotionModel], small_config: MotionModelConfig
) -> None:
    config = configured()
    assert small_config.discriminator is not None
    for spectral in (True, False):
        discriminator = replace(small_config.discriminator, spectral_norm=spectral)
        networks = networks_for(config, make, discriminator=discriminator)
        passed, _, _ = run(networks, config)
        assert (passed.verdicts is None) == spectral
        kept = discriminator_losses(networks, passed, config)["disc_gan"]
        anew = discriminator_losses(networks, replace(passed, verdicts=None), config)["disc_gan"]
        if not spectral:
            near(kept, anew)


def test_backbone_is_frozen_and_no_part_of_the_state(make: Callable[..., MotionModel]) -> None:
    config = configured()
    networks = TrainingNetworks.build(make(), config, backbone=nn.Conv2d(3, 3, 1))
    assert not any("backbone" in key or key.startswith("_") for key in networks.state_dict())
    assert isinstance(networks.backbone, nn.Conv2d)
    assert not networks.backbone.weight.requires_grad
    assert networks.double().backbone.weight.dtype == torch.float64


def test_what_is_missing_is_said(make: Callable[..., MotionModel]) -> None:
    with pytest.raises(TrainingError, match="expected a discriminator"):
        TrainingNetworks.build(make(discriminator=None), configured(), backbone=Squares())
    with pytest.raises(TrainingError, match="expected the backbone 'vgg19'"):
        TrainingNetworks.build(make(), configured())


def test_a_model_learns_one_pair(make: Callable[..., MotionModel]) -> None:
    config = configured(losses={"generator_gan": 0.0}, lr_generator=5e-3, lr_detector=5e-3)
    networks = networks_for(config, make)
    optimizers = build_optimizers(networks, config)
    source, driving = F.interpolate(torch.rand(4, 3, 3, 3), size=(64, 64), mode="bilinear").split(2)
    transform = RandomTransform.sample(config.transform, [generator_at(0, i) for i in range(2)])
    seen = []
    for _ in range(15):
        passed = generator_losses(networks, source, driving, transform, config)
        optimizers.generator.zero_grad()
        total(passed.losses).backward()
        optimizers.generator.step()
        seen.append(passed.losses["perceptual"].item())
    assert seen[-1] < 0.6 * seen[0]
