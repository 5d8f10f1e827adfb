"""The published configurations of TPS, MRAA and part swap. None has a discriminator."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from .model import MotionModelConfig
from .parts import (
    AvdConfig,
    BackgroundConfig,
    DenseMotionConfig,
    GeneratorConfig,
    HourglassConfig,
    KeypointDetectorConfig,
    PointDetectorConfig,
)

POINTS = 5
"""Of each thin-plate spline in TPS."""


def _tps(side: int, *, background: bool) -> MotionModelConfig:
    return MotionModelConfig(
        family="tps",
        frame_size=(side, side),
        num_keypoints=10 * POINTS,
        num_channels=3,
        estimate_jacobian=False,
        align_corners=True,
        detector=PointDetectorConfig(scale_factor=1.0),
        generator=GeneratorConfig(
            block_expansion=64,
            max_features=512,
            num_down_blocks=3,
            num_bottleneck_blocks=2,
            estimate_occlusion_map=True,
            every_level=True,
            instance_norm=True,
            aligned_maps=True,
        ),
        dense_motion=DenseMotionConfig(
            block_expansion=64,
            max_features=1024,
            num_blocks=5,
            scale_factor=0.25,
            kp_variance=0.01,
            points_per_motion=POINTS,
            occlusion_levels=4,
            instance_norm=True,
        ),
        discriminator=None,
        avd=AvdConfig(id_bottle_size=128, pose_bottle_size=128),
        background=BackgroundConfig(kind="affine", encoder=None) if background else None,
    )


def _mraa(side: int, *, regions: int = 10, pad: int = 0, background: bool = True) -> MotionModelConfig:
    encoder = HourglassConfig(block_expansion=32, max_features=1024, num_blocks=5)
    return MotionModelConfig(
        family="mraa",
        frame_size=(side, side),
        num_keypoints=regions,
        num_channels=3,
        estimate_jacobian=True,
        align_corners=False,
        detector=KeypointDetectorConfig(
            block_expansion=32,
            max_features=1024,
            num_blocks=5,
            temperature=0.1,
            scale_factor=0.25,
            single_jacobian_map=True,
            pad=pad,
            covariance="heatmap",
        ),
        generator=GeneratorConfig(
            block_expansion=64,
            max_features=512,
            num_down_blocks=2,
            num_bottleneck_blocks=6,
            estimate_occlusion_map=True,
            skips=True,
        ),
        dense_motion=DenseMotionConfig(
            block_expansion=64,
            max_features=1024,
            num_blocks=5,
            scale_factor=0.25,
            kp_variance=0.01,
            covariance_heatmaps=True,
            revert_axes=True,
        ),
        discriminator=None,
        avd=AvdConfig(id_bottle_size=64, pose_bottle_size=64),
        background=BackgroundConfig(kind="affine", encoder=encoder) if background else None,
    )


def _part_swap(segments: int) -> MotionModelConfig:
    return MotionModelConfig(
        family="partswap",
        frame_size=(256, 256),
        num_keypoints=segments,
        num_channels=3,
        estimate_jacobian=True,
        align_corners=True,
        detector=KeypointDetectorConfig(
            block_expansion=32,
            max_features=1024,
            num_blocks=5,
            temperature=0.1,
            scale_factor=0.25,
            single_jacobian_map=False,
            pad=3,
            segments=True,
        ),
        generator=GeneratorConfig(
            block_expansion=64,
            max_features=512,
            num_down_blocks=2,
            num_bottleneck_blocks=6,
            estimate_occlusion_map=True,
        ),
        dense_motion=None,
        discriminator=None,
    )


FAMILY_PRESETS: Mapping[str, MotionModelConfig] = MappingProxyType(
    {
        "tps-vox-256": _tps(256, background=True),
        "tps-taichi-256": _tps(256, background=True),
        "tps-ted-384": _tps(384, background=True),
        "tps-mgif-256": _tps(256, background=False),
        "mraa-vox-256": _mraa(256, pad=3),
        "mraa-taichi-256": _mraa(256),
        "mraa-ted-384": _mraa(384),
        "mraa-ted-youtube-384": _mraa(384, regions=20),
        "mraa-mgif-256": _mraa(256, background=False),
        "partswap-vox-5segments-256": _part_swap(5),
        "partswap-vox-10segments-256": _part_swap(10),
        "partswap-vox-15segments-256": _part_swap(15),
        "partswap-taichi-256": _part_swap(10),
        "partswap-vox-first-order-256": _part_swap(10),
    }
)
"""By family, data set and image side."""
