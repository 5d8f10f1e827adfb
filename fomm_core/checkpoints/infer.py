"""A configuration read off the shapes of a state, where no preset fits."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ..config import (
    AvdConfig,
    BackgroundConfig,
    DenseMotionConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    HourglassConfig,
    KeypointDetectorConfig,
    MotionModelConfig,
    PointDetectorConfig,
)
from ..wording import setting

log = logging.getLogger("fomm.checkpoints")

KERNEL = ".downsample.kernel"

# What no shape tells: the values of all published models.
_TEMPERATURE, _KP_VARIANCE, _FRAME_SIZE = 0.1, 0.01, (256, 256)
_PAD = {"fomm": 0, "mraa": 3, "partswap": 3}


def _count(state: Mapping[str, Tensor], prefix: str) -> int:
    pattern = re.compile(re.escape(prefix) + r"\.(\d+)\.")
    return len({found[1] for key in state if (found := pattern.match(key))})


def _scale_factor(state: Mapping[str, Tensor], part: str) -> float:
    kernel = state.get(part + KERNEL)
    return 1.0 if kernel is None else 1 / ((kernel.shape[-1] - 1) / 4 + 1)


def _hourglass(state: Mapping[str, Tensor], prefix: str) -> dict[str, Any]:
    blocks = _count(state, f"{prefix}.down")
    expansion = state[f"{prefix}.up.{blocks - 1}.conv.weight"].shape[0]
    widest = max(state[f"{prefix}.down.{i}.conv.weight"].shape[0] for i in range(blocks))
    return {"block_expansion": expansion, "max_features": widest, "num_blocks": blocks}


def infer(state: Mapping[str, Tensor], family: str) -> MotionModelConfig:
    """The configuration of a state in our key names. KeyError and others where it is another kind of model's."""
    if family == "tps":
        return _infer_tps(state)
    keypoints, channels = state["detector.heatmap_head.weight"].shape[0], state["generator.final.weight"].shape[0]
    jacobian = state.get("detector.jacobian_head.weight")
    regions = family == "mraa"
    detector = KeypointDetectorConfig(
        **_hourglass(state, "detector.hourglass"),
        temperature=_TEMPERATURE,
        scale_factor=_scale_factor(state, "detector"),
        single_jacobian_map=jacobian is not None and jacobian.shape[0] == 4 != 4 * keypoints,
        pad=_PAD[family],
        covariance="none" if not regions else "heatmap" if jacobian is None else "affine",
        segments=family == "partswap",
    )
    dense_motion = None
    if any(key.startswith("dense_motion.") for key in state):
        seen = state["dense_motion.hourglass.down.0.conv.weight"].shape[1]
        dense_motion = DenseMotionConfig(
            **_hourglass(state, "dense_motion.hourglass"),
            scale_factor=_scale_factor(state, "dense_motion"),
            kp_variance=_KP_VARIANCE,
            deformed_source=not regions or seen != keypoints + 1,
            covariance_heatmaps=regions,
            revert_axes=regions,
        )
    occlusion = family == "partswap" or "dense_motion.occlusion_head.weight" in state
    if regions:
        log.warning(
            "the weights fit no published configuration of MRAA: heads are taken to be padded by 3, heat maps to have "
            "their covariance, and the generator to have skips. To be sure, give its own configuration "
            f"({setting('config')})."
        )
    return MotionModelConfig(
        frame_size=_FRAME_SIZE,
        num_keypoints=keypoints,
        num_channels=channels,
        estimate_jacobian=regions or jacobian is not None,
        align_corners=not regions,
        detector=detector,
        generator=GeneratorConfig(
            **_widths(state),
            num_bottleneck_blocks=_count(state, "generator.bottleneck"),
            estimate_occlusion_map=occlusion,
            skips=regions and occlusion,
        ),
        dense_motion=dense_motion,
        discriminator=_infer_discriminator(state, keypoints, channels),
        family=family,
    )


def _widths(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Of the generator's encoder."""
    down_blocks = _count(state, "generator.down")
    expansion = state["generator.first.conv.weight"].shape[0]
    widest = max([expansion, *(state[f"generator.down.{i}.conv.weight"].shape[0] for i in range(down_blocks))])
    return {"block_expansion": expansion, "max_features": widest, "num_down_blocks": down_blocks}


def _infer_tps(state: Mapping[str, Tensor]) -> MotionModelConfig:
    keypoints = state["detector.encoder.fc.weight"].shape[0] // 2
    motions = state["dense_motion.mask_head.weight"].shape[0] - 1
    widths = _widths(state)
    return MotionModelConfig(
        family="tps",
        frame_size=_FRAME_SIZE,
        num_keypoints=keypoints,
        num_channels=state["generator.final.weight"].shape[0],
        estimate_jacobian=False,
        align_corners=True,
        detector=PointDetectorConfig(scale_factor=1.0),
        generator=GeneratorConfig(
            **widths,
            num_bottleneck_blocks=_count(state, "generator.bottleneck") // widths["num_down_blocks"],
            estimate_occlusion_map=True,
            every_level=True,
            instance_norm=True,
            aligned_maps=True,
        ),
        dense_motion=DenseMotionConfig(
            **_hourglass(state, "dense_motion.hourglass"),
            scale_factor=_scale_factor(state, "dense_motion"),
            kp_variance=_KP_VARIANCE,
            points_per_motion=keypoints // motions,
            occlusion_levels=_count(state, "dense_motion.occlusion_heads"),
            instance_norm=True,
        ),
        discriminator=None,
    )


def infer_avd(state: Mapping[str, Tensor]) -> AvdConfig | None:
    """The avd network's configuration; None for a state without."""
    if not any(key.startswith("avd.") for key in state):
        return None
    sizes = {
        f"{name}_bottle_size": state[key].shape[0] if (key := f"avd.{name}_encoder.9.weight") in state else 0
        for name in ("id", "pose")
    }
    return AvdConfig(**sizes, straight="avd.straight.weight" in state)


def infer_background(state: Mapping[str, Tensor]) -> BackgroundConfig | None:
    """The background predictor's configuration; None for a state without."""
    if "background.encoder.fc.weight" in state:
        return BackgroundConfig(kind="affine", encoder=None)
    blocks = _count(state, "background.encoder.down")
    if not blocks or "background.fc.weight" not in state:
        return None
    widths = [state[f"background.encoder.down.{i}.conv.weight"].shape[0] for i in range(blocks)]
    encoder = HourglassConfig(block_expansion=max(1, widths[0] // 2), max_features=max(widths), num_blocks=blocks)
    kinds = {2: "shift", 6: "affine", 8: "perspective"}
    return BackgroundConfig(kind=kinds[state["background.fc.weight"].shape[0]], encoder=encoder)


def _infer_discriminator(state: Mapping[str, Tensor], keypoints: int, channels: int) -> DiscriminatorConfig | None:
    scales = _count(state, "discriminator.at_scale")
    if scales == 0:
        return None
    first = "discriminator.at_scale.0"
    blocks = _count(state, f"{first}.blocks")
    spectral = f"{first}.scores.weight_orig" in state
    weight = "weight_orig" if spectral else "weight"
    widths = [state[f"{first}.blocks.{i}.conv.{weight}"].shape[0] for i in range(blocks)]
    return DiscriminatorConfig(
        scales=tuple(1 / 2**i for i in range(scales)),
        block_expansion=widths[0] // 2,
        max_features=max(widths),
        num_blocks=blocks,
        spectral_norm=spectral,
        use_keypoints=state[f"{first}.blocks.0.conv.{weight}"].shape[1] == channels + keypoints,
        kp_variance=_KP_VARIANCE,
    )
