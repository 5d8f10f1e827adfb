"""One configuration for each published data set. Every preset states every value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from ..errors import ConfigError
from ..wording import did_you_mean
from .family_presets import FAMILY_PRESETS
from .model import MotionModelConfig
from .parts import DenseMotionConfig, DiscriminatorConfig, GeneratorConfig, KeypointDetectorConfig


def _published(*, single_jacobian_map: bool = False, spectral_norm: bool, use_keypoints: bool) -> MotionModelConfig:
    """The size that all published models share; they differ in the three arguments alone."""
    return MotionModelConfig(
        frame_size=(256, 256),
        num_keypoints=10,
        num_channels=3,
        estimate_jacobian=True,
        align_corners=True,
        detector=KeypointDetectorConfig(
            block_expansion=32,
            max_features=1024,
            num_blocks=5,
            temperature=0.1,
            scale_factor=0.25,
            single_jacobian_map=single_jacobian_map,
            pad=0,
        ),
        generator=GeneratorConfig(
            block_expansion=64,
            max_features=512,
            num_down_blocks=2,
            num_bottleneck_blocks=6,
            estimate_occlusion_map=True,
        ),
        dense_motion=DenseMotionConfig(
            block_expansion=64, max_features=1024, num_blocks=5, scale_factor=0.25, kp_variance=0.01
        ),
        discriminator=DiscriminatorConfig(
            scales=(1.0,),
            block_expansion=32,
            max_features=512,
            num_blocks=4,
            spectral_norm=spectral_norm,
            use_keypoints=use_keypoints,
            kp_variance=0.01,
        ),
    )


_DEMO_64 = MotionModelConfig(
    frame_size=(64, 64),
    num_keypoints=10,
    num_channels=3,
    estimate_jacobian=True,
    align_corners=True,
    detector=KeypointDetectorConfig(
        block_expansion=16,
        max_features=128,
        num_blocks=4,
        temperature=0.1,
        scale_factor=0.5,
        single_jacobian_map=False,
        pad=0,
    ),
    generator=GeneratorConfig(
        block_expansion=24, max_features=96, num_down_blocks=2, num_bottleneck_blocks=3, estimate_occlusion_map=True
    ),
    dense_motion=DenseMotionConfig(
        block_expansion=16, max_features=128, num_blocks=4, scale_factor=0.5, kp_variance=0.01
    ),
    discriminator=DiscriminatorConfig(
        scales=(1.0,),
        block_expansion=32,
        max_features=512,
        num_blocks=4,
        spectral_norm=True,
        use_keypoints=False,
        kp_variance=0.01,
    ),
)

_DEMO_128 = replace(
    _DEMO_64.reduced(2),
    generator=replace(_DEMO_64.generator, block_expansion=16, max_features=64, blend_source=True),
)

PRESETS: Mapping[str, MotionModelConfig] = MappingProxyType(
    {
        "vox-256": _published(spectral_norm=True, use_keypoints=False),
        "vox-adv-256": _published(spectral_norm=False, use_keypoints=True),
        "taichi-256": _published(spectral_norm=False, use_keypoints=False),
        "taichi-adv-256": _published(spectral_norm=False, use_keypoints=True),
        "fashion-256": _published(spectral_norm=False, use_keypoints=False),
        "mgif-256": _published(single_jacobian_map=True, spectral_norm=True, use_keypoints=False),
        "bair-256": _published(spectral_norm=True, use_keypoints=False),
        "nemo-256": _published(spectral_norm=True, use_keypoints=False),
        "demo-64": _DEMO_64,
        "demo-128": _DEMO_128,
        **FAMILY_PRESETS,
    }
)
"""One configuration for each published data set, and the size of the built-in demo model. Those of the other families
begin with their family's name."""


def preset(name: str) -> MotionModelConfig:
    """The preset of that name; raises ConfigError naming the choices otherwise."""
    if name not in PRESETS:
        raise ConfigError(
            f"expected one of the presets {', '.join(PRESETS)}; got '{name}'.{did_you_mean(name, PRESETS)}"
        )
    return PRESETS[name]
