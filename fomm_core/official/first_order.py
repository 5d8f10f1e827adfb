"""Import of configuration files (YAML): those of first-order models here, those of other families by `family`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from ..bounds import as_tuple
from ..config import DenseMotionConfig, DiscriminatorConfig, GeneratorConfig, KeypointDetectorConfig, MotionModelConfig
from ..errors import ConfigError
from .family import family_config, official_family
from .taking import take


def config_from_official(values: Mapping[str, Any], *, align_corners: bool = True) -> MotionModelConfig:
    """A configuration from the published layout (`model_params`, `dataset_params`); training values are left aside.

    Defaults are those of the published code where a file leaves a value out. `align_corners` is not part of the
    layout: True for weights trained under torch 1.2 or older, or with the flag set; False for newer ones.
    """
    if (family := official_family(values)) is not None:
        return family_config(values, family)
    try:
        model = values["model_params"]
        common = take(model["common_params"], "common_params", num_kp=None, num_channels=None, estimate_jacobian=False)
        detector = take(
            model["kp_detector_params"],
            "kp_detector_params",
            block_expansion=None,
            max_features=None,
            num_blocks=None,
            temperature=None,
            scale_factor=1.0,
            single_jacobian_map=False,
            pad=0,
        )
        generator_values = dict(model["generator_params"])
        dense_motion_values = generator_values.pop("dense_motion_params", None)
        generator = take(
            generator_values,
            "generator_params",
            block_expansion=None,
            max_features=None,
            num_down_blocks=None,
            num_bottleneck_blocks=None,
            estimate_occlusion_map=False,
            blend_source=False,
        )
        frame_shape = tuple((values.get("dataset_params") or {}).get("frame_shape") or (256, 256))[:2]
    except (KeyError, TypeError, AttributeError, ValueError) as problem:
        raise ConfigError(
            "expected the published layout (model_params with common_params, kp_detector_params and generator_params); "
            f"got a file without {problem}."
        ) from problem
    dense_motion = None
    if dense_motion_values is not None:
        dense_motion = DenseMotionConfig(
            **take(
                dense_motion_values,
                "dense_motion_params",
                block_expansion=None,
                max_features=None,
                num_blocks=None,
                scale_factor=1.0,
                kp_variance=0.01,
            )
        )
    return MotionModelConfig(
        frame_size=frame_shape,
        num_keypoints=common["num_kp"],
        num_channels=common["num_channels"],
        estimate_jacobian=common["estimate_jacobian"],
        align_corners=align_corners,
        detector=KeypointDetectorConfig(**detector),
        generator=GeneratorConfig(**generator),
        dense_motion=dense_motion,
        discriminator=_discriminator(model.get("discriminator_params")),
    )


def _discriminator(values: Mapping[str, Any] | None) -> DiscriminatorConfig | None:
    if values is None:
        return None
    taken = take(
        values,
        "discriminator_params",
        scales=(1.0,),
        block_expansion=64,
        max_features=512,
        num_blocks=4,
        sn=False,
        use_kp=False,
        kp_variance=0.01,
    )
    return DiscriminatorConfig(
        scales=as_tuple(taken["scales"]),
        block_expansion=taken["block_expansion"],
        max_features=taken["max_features"],
        num_blocks=taken["num_blocks"],
        spectral_norm=taken["sn"],
        use_keypoints=taken["use_kp"],
        kp_variance=taken["kp_variance"],
    )


def read_yaml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The mapping in a YAML file; raises ConfigError where there is none."""
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, ValueError, RecursionError) as problem:
        raise ConfigError(
            f"expected a readable YAML configuration at '{path}'; got: {problem or 'something nested too deep'}"
        ) from problem
    if not isinstance(values, dict):
        raise ConfigError(f"expected a YAML mapping in '{path}'; got {type(values).__name__}.")
    return values


def config_from_yaml(path: str | os.PathLike[str], *, align_corners: bool = True) -> MotionModelConfig:
    """Read a published-style YAML file; raises ConfigError where it is not one.

    Of MRAA and TPS it does not state the picture's size: a file name that ends in a number ('ted384.yaml') does.
    """
    config = config_from_official(read_yaml(path), align_corners=align_corners)
    side = re.search(r"(\d{2,4})$", Path(path).stem)
    if config.family in ("mraa", "tps") and side is not None:
        config = replace(config, frame_size=(int(side[1]), int(side[1])))
    return config
