"""Which model is it? Answered from key names and shapes alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

import torch
from torch import Tensor

from ..config import (
    PRESETS,
    DenseMotionConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    KeypointDetectorConfig,
    MotionModelConfig,
)
from ..errors import CheckpointError
from ..model import MotionModel, build_discriminator
from ..wording import counted

KERNEL = ".downsample.kernel"

# What no shape tells: the values of all published models.
_TEMPERATURE, _KP_VARIANCE, _PAD, _FRAME_SIZE, _ALIGN_CORNERS = 0.1, 0.01, 0, (256, 256), True

Shapes = dict[str, tuple[int, ...]]


@lru_cache(maxsize=64)
def expected_shapes(config: MotionModelConfig) -> Shapes:
    """Every key of a model of this configuration with its shape, kernels of the anti-alias filters included."""
    with torch.device("meta"):
        return {key: tuple(tensor.shape) for key, tensor in MotionModel(config).state_dict().items()}


@lru_cache(maxsize=64)
def expected_discriminator_shapes(config: MotionModelConfig) -> Shapes:
    """The same of its discriminator, prefixed `discriminator.`; empty where the configuration has none."""
    with torch.device("meta"):
        discriminator = build_discriminator(config)
    if discriminator is None:
        return {}
    return {f"discriminator.{key}": tuple(tensor.shape) for key, tensor in discriminator.state_dict().items()}


def _model_shapes(state: Mapping[str, Tensor]) -> Shapes:
    return {key: tuple(tensor.shape) for key, tensor in state.items() if not key.startswith("discriminator.")}


def _discriminator_shapes(state: Mapping[str, Tensor]) -> Shapes:
    return {key: tuple(tensor.shape) for key, tensor in state.items() if key.startswith("discriminator.")}


def matching_presets(state: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Names of all presets that the state fits exactly; the discriminator counts where the state holds one."""
    model, discriminator = _model_shapes(state), _discriminator_shapes(state)
    return tuple(
        name
        for name, config in PRESETS.items()
        if expected_shapes(config) == model
        and (not discriminator or expected_discriminator_shapes(config) == discriminator)
    )


def nearest_preset(state: Mapping[str, Tensor]) -> tuple[str, int]:
    """The preset with the fewest keys that are missing, extra or of another shape, and that number."""
    model = set(_model_shapes(state).items())
    distances = {name: len(model ^ set(expected_shapes(config).items())) for name, config in PRESETS.items()}
    name = min(distances, key=lambda candidate: distances[candidate])
    return name, distances[name]


def recognise(state: Mapping[str, Tensor], *, file_name: str = "") -> MotionModelConfig:
    """The configuration of a state in our key names: a preset where one fits, else read off the shapes.

    Several presets differ in nothing that a shape shows (and in nothing that inference uses); `file_name` then
    chooses among them ('taichi-cpk.pth.tar' -> taichi-256), else the first.
    """
    names = matching_presets(state)
    if names:
        hinted = [name for name in names if name.removesuffix("-256") in file_name]
        return PRESETS[max(hinted, key=len) if hinted else names[0]]
    try:
        return _infer(state)
    except (KeyError, IndexError, ValueError, ZeroDivisionError) as problem:
        name, differences = nearest_preset(state)
        lacks = f"a file without {problem}" if isinstance(problem, KeyError) else f"shapes of another kind ({problem})"
        raise CheckpointError(
            f"expected the weights of a First Order Motion Model; got {lacks}. The nearest preset is "
            f"'{name}', with {counted(differences, 'key')} missing, extra or of another shape."
        ) from problem


def _count(state: Mapping[str, Tensor], prefix: str) -> int:
    pattern = re.compile(re.escape(prefix) + r"\.(\d+)\.")
    return len({found[1] for key in state if (found := pattern.match(key))})


def _scale_factor(state: Mapping[str, Tensor], part: str) -> float:
    kernel = state.get(part + KERNEL)
    return 1.0 if kernel is None else 1 / ((kernel.shape[-1] - 1) / 4 + 1)


def _hourglass(state: Mapping[str, Tensor], prefix: str) -> dict[str, int]:
    blocks = _count(state, f"{prefix}.down")
    expansion = state[f"{prefix}.up.{blocks - 1}.conv.weight"].shape[0]
    widest = max(state[f"{prefix}.down.{i}.conv.weight"].shape[0] for i in range(blocks))
    return {"block_expansion": expansion, "max_features": widest, "num_blocks": blocks}


def _infer(state: Mapping[str, Tensor]) -> MotionModelConfig:
    keypoints, channels = state["detector.heatmap_head.weight"].shape[0], state["generator.final.weight"].shape[0]
    jacobian = state.get("detector.jacobian_head.weight")
    detector = KeypointDetectorConfig(
        **_hourglass(state, "detector.hourglass"),
        temperature=_TEMPERATURE,
        scale_factor=_scale_factor(state, "detector"),
        single_jacobian_map=jacobian is not None and jacobian.shape[0] == 4 != 4 * keypoints,
        pad=_PAD,
    )
    dense_motion = None
    if any(key.startswith("dense_motion.") for key in state):
        dense_motion = DenseMotionConfig(
            **_hourglass(state, "dense_motion.hourglass"),
            scale_factor=_scale_factor(state, "dense_motion"),
            kp_variance=_KP_VARIANCE,
        )
    down_blocks = _count(state, "generator.down")
    expansion = state["generator.first.conv.weight"].shape[0]
    generator = GeneratorConfig(
        block_expansion=expansion,
        max_features=max([expansion, *(state[f"generator.down.{i}.conv.weight"].shape[0] for i in range(down_blocks))]),
        num_down_blocks=down_blocks,
        num_bottleneck_blocks=_count(state, "generator.bottleneck"),
        estimate_occlusion_map="dense_motion.occlusion_head.weight" in state,
    )
    return MotionModelConfig(
        frame_size=_FRAME_SIZE,
        num_keypoints=keypoints,
        num_channels=channels,
        estimate_jacobian=jacobian is not None,
        align_corners=_ALIGN_CORNERS,
        detector=detector,
        generator=generator,
        dense_motion=dense_motion,
        discriminator=_infer_discriminator(state, keypoints, channels),
    )


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
