"""Small random models of the other families, for tests that need no reference data."""

from __future__ import annotations

from dataclasses import replace

import torch
from fomm_nodes.fomm_core.config import (
    AvdConfig,
    DenseMotionConfig,
    GeneratorConfig,
    KeypointDetectorConfig,
    MotionModelConfig,
    PointDetectorConfig,
)
from fomm_nodes.fomm_core.model import MotionModel
from torch import nn

LAYERS = {"block_expansion": 8, "max_features": 16, "num_blocks": 2}
AVD = AvdConfig(id_bottle_size=4, pose_bottle_size=4)


def small_family_config(family: str) -> MotionModelConfig:
    """Of "tps", "mraa" or "partswap", at 64 x 64."""
    is_tps, is_mraa = family == "tps", family == "mraa"
    detector = KeypointDetectorConfig(
        **LAYERS,
        temperature=0.1,
        scale_factor=0.5,
        single_jacobian_map=is_mraa,
        pad=3,
        covariance="heatmap" if is_mraa else "none",
        segments=family == "partswap",
    )
    motion = DenseMotionConfig(
        **LAYERS,
        scale_factor=0.25 if is_tps else 0.5,
        kp_variance=0.01,
        points_per_motion=5 if is_tps else 1,
        occlusion_levels=4 if is_tps else 1,
        covariance_heatmaps=is_mraa,
        revert_axes=is_mraa,
        instance_norm=is_tps,
    )
    return MotionModelConfig(
        family=family,
        frame_size=(64, 64),
        num_keypoints=10 if is_tps else 4,
        num_channels=3,
        estimate_jacobian=not is_tps,
        align_corners=not is_mraa,
        detector=PointDetectorConfig(scale_factor=1.0) if is_tps else detector,
        generator=GeneratorConfig(
            block_expansion=8,
            max_features=16,
            num_down_blocks=3 if is_tps else 2,
            num_bottleneck_blocks=2 if is_tps else 1,
            estimate_occlusion_map=True,
            skips=is_mraa,
            every_level=is_tps,
            instance_norm=is_tps,
            aligned_maps=is_tps,
        ),
        dense_motion=None if family == "partswap" else motion,
        discriminator=None,
        avd=None if family == "partswap" else AVD,
    )


def small_family_model(family: str, *, avd: bool = True) -> MotionModel:
    """With random weights that move something."""
    config = small_family_config(family)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = MotionModel(config if avd else replace(config, avd=None), name=f"small {family}")
        for layer in model.modules():
            if isinstance(layer, nn.Conv2d) and layer.kernel_size == (7, 7):
                layer.weight.data *= 3
    return model.eval().requires_grad_(False)
