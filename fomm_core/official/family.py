"""Import of the published configurations (YAML) of TPS, MRAA and part swap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..config import (
    AvdConfig,
    BackgroundConfig,
    DenseMotionConfig,
    GeneratorConfig,
    HourglassConfig,
    KeypointDetectorConfig,
    MotionModelConfig,
    PointDetectorConfig,
)
from ..errors import ConfigError
from .taking import take

FRAME_SIZE = (256, 256)
"""What all but ted's were trained on; the files do not say it."""
HOURGLASS: Mapping[str, Any] = {"block_expansion": None, "max_features": None, "num_blocks": None}
GENERATOR: Mapping[str, Any] = {"block_expansion": None, "max_features": None, "num_down_blocks": None}
POINTS, KP_VARIANCE = 5, 0.01


def official_family(values: Mapping[str, Any]) -> str | None:
    """'tps', 'mraa' or 'partswap', by the names of a configuration; None for any other."""
    model = values.get("model_params") if isinstance(values, Mapping) else None
    if not isinstance(model, Mapping):
        return None
    common = model.get("common_params")
    common = common if isinstance(common, Mapping) else {}
    if "num_tps" in common:
        return "tps"
    if "num_segments" in common:
        return "partswap"
    return "mraa" if "num_regions" in model else None


def family_config(values: Mapping[str, Any], family: str) -> MotionModelConfig:
    """A configuration from the published layout of a family; training values are left aside. Raises ConfigError."""
    try:
        return {"tps": _tps, "mraa": _mraa, "partswap": _part_swap}[family](values["model_params"])
    except (KeyError, TypeError, AttributeError, ValueError) as problem:
        raise ConfigError(
            f"expected the published layout of a configuration of '{family}'; got a file without {problem}."
        ) from problem


def _tps(model: Mapping[str, Any]) -> MotionModelConfig:
    common = take(model["common_params"], "common_params", num_tps=None, num_channels=None, bg=False, multi_mask=True)
    generator = take(model["generator_params"], "generator_params", **GENERATOR)
    own = {"scale_factor": 0.25, "kp_variance": KP_VARIANCE}
    motion = take(model["dense_motion_params"], "dense_motion_params", **HOURGLASS, **own)
    return MotionModelConfig(
        family="tps",
        frame_size=FRAME_SIZE,
        num_keypoints=POINTS * common["num_tps"],
        num_channels=common["num_channels"],
        estimate_jacobian=False,
        align_corners=True,
        detector=PointDetectorConfig(scale_factor=1.0),
        generator=GeneratorConfig(
            **generator,
            num_bottleneck_blocks=2,
            estimate_occlusion_map=True,
            every_level=True,
            instance_norm=True,
            aligned_maps=True,
        ),
        dense_motion=DenseMotionConfig(
            **motion,
            points_per_motion=POINTS,
            occlusion_levels=generator["num_down_blocks"] + 1 if common["multi_mask"] else 1,
            instance_norm=True,
        ),
        discriminator=None,
        avd=_avd(model, bottle=128),
        background=BackgroundConfig(kind="affine", encoder=None) if common["bg"] else None,
    )


def _avd(model: Mapping[str, Any], bottle: int) -> AvdConfig | None:
    values = model.get("avd_network_params")
    if values is None:
        return None
    return AvdConfig(**take(values, "avd_network_params", id_bottle_size=bottle, pose_bottle_size=bottle))


def _mraa(model: Mapping[str, Any]) -> MotionModelConfig:
    own = {"temperature": None, "scale_factor": 1.0, "pca_based": False, "fast_svd": False, "pad": 3}
    regions = take(model["region_predictor_params"], "region_predictor_params", **HOURGLASS, **own)
    generator_values = dict(model["generator_params"])
    motion_values = generator_values.pop("pixelwise_flow_predictor_params")
    generator = take(generator_values, "generator_params", **GENERATOR, num_bottleneck_blocks=None, skips=False)
    motion = take(
        motion_values,
        "pixelwise_flow_predictor_params",
        **HOURGLASS,
        scale_factor=1.0,
        region_var=KP_VARIANCE,
        use_deformed_source=True,
        use_covar_heatmap=False,
        estimate_occlusion_map=False,
    )
    affine, by_heatmap = bool(model.get("estimate_affine", False)), regions.pop("pca_based")
    del regions["fast_svd"]
    covariance = "heatmap" if by_heatmap else "affine" if affine else "none"
    return MotionModelConfig(
        family="mraa",
        frame_size=FRAME_SIZE,
        num_keypoints=model["num_regions"],
        num_channels=model["num_channels"],
        estimate_jacobian=affine,
        align_corners=False,
        detector=KeypointDetectorConfig(**regions, single_jacobian_map=True, covariance=covariance),
        generator=GeneratorConfig(**generator, estimate_occlusion_map=motion.pop("estimate_occlusion_map")),
        dense_motion=DenseMotionConfig(
            kp_variance=motion.pop("region_var"),
            deformed_source=motion.pop("use_deformed_source"),
            covariance_heatmaps=motion.pop("use_covar_heatmap"),
            revert_axes=bool(model.get("revert_axis_swap", False)),
            **motion,
        ),
        discriminator=None,
        avd=_avd(model, bottle=64),
        background=_background(model.get("bg_predictor_params")),
    )


def _background(values: Mapping[str, Any] | None) -> BackgroundConfig | None:
    if values is None:
        return None
    taken = take(values, "bg_predictor_params", **HOURGLASS, bg_type="zero", scale_factor=1.0)
    del taken["scale_factor"]
    kind = taken.pop("bg_type")
    return None if kind == "zero" else BackgroundConfig(kind=kind, encoder=HourglassConfig(**taken))


def _part_swap(model: Mapping[str, Any]) -> MotionModelConfig:
    common = take(
        model["common_params"], "common_params", num_segments=None, num_channels=None, estimate_affine_part=True
    )
    own = {"temperature": None, "scale_factor": 1.0}
    segments = take(model["segmentation_module_params"], "segmentation_module_params", **HOURGLASS, **own)
    own = {"num_bottleneck_blocks": None, "estimate_visibility": False}
    generator = take(model["reconstruction_module_params"], "reconstruction_module_params", **GENERATOR, **own)
    return MotionModelConfig(
        family="partswap",
        frame_size=FRAME_SIZE,
        num_keypoints=common["num_segments"],
        num_channels=common["num_channels"],
        estimate_jacobian=common["estimate_affine_part"],
        align_corners=True,
        detector=KeypointDetectorConfig(**segments, single_jacobian_map=False, pad=3, segments=True),
        generator=GeneratorConfig(estimate_occlusion_map=generator.pop("estimate_visibility"), **generator),
        dense_motion=None,
        discriminator=None,
    )
