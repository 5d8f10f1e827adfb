"""Small random models for the core's tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from fomm_nodes.fomm_core import precision
from fomm_nodes.fomm_core.config import (
    DenseMotionConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    KeypointDetectorConfig,
    MotionModelConfig,
)
from fomm_nodes.fomm_core.model import MotionModel
from torch import nn

SMALL = MotionModelConfig(
    frame_size=(64, 64),
    num_keypoints=5,
    num_channels=3,
    estimate_jacobian=True,
    align_corners=True,
    detector=KeypointDetectorConfig(
        block_expansion=8,
        max_features=24,
        num_blocks=2,
        temperature=0.1,
        scale_factor=0.5,
        single_jacobian_map=False,
        pad=0,
    ),
    generator=GeneratorConfig(
        block_expansion=8, max_features=24, num_down_blocks=2, num_bottleneck_blocks=1, estimate_occlusion_map=True
    ),
    dense_motion=DenseMotionConfig(
        block_expansion=8, max_features=24, num_blocks=2, scale_factor=0.5, kp_variance=0.01
    ),
    discriminator=DiscriminatorConfig(
        scales=(1.0,),
        block_expansion=8,
        max_features=24,
        num_blocks=2,
        spectral_norm=True,
        use_keypoints=False,
        kp_variance=0.01,
    ),
)


@pytest.fixture
def any_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half precision on any processor: slow where it has no instructions for it, but these networks are small."""
    monkeypatch.setattr(precision, "is_fast", lambda dtype, device: True)


def small_model(config: MotionModelConfig = SMALL, *, seed: int = 0, **changes: Any) -> MotionModel:
    """A model with random weights and lively statistics, so that no layer is the identity by chance."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = MotionModel(replace(config, **changes), name="small")
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for tensor, low, high in (
                (layer.weight.data, 0.6, 1.4),
                (layer.bias.data, -0.3, 0.3),
                (layer.running_mean, -0.3, 0.3),
                (layer.running_var, 0.5, 1.5),
            ):
                assert tensor is not None
                tensor.uniform_(low, high, generator=generator)
    if model.detector.jacobian_head is not None:
        model.detector.jacobian_head.weight.data.normal_(0, 0.05, generator=generator)
    return model.eval().requires_grad_(False)


@pytest.fixture(scope="session")
def small_config() -> MotionModelConfig:
    return SMALL


@pytest.fixture(scope="session")
def make() -> Callable[..., MotionModel]:
    """`make(seed=..., estimate_jacobian=False, ...)`: a small random model."""
    return small_model
