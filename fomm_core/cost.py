"""What a model of some configuration takes: worked out from the configuration, before anything is built."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from .config import (
    HEAD_SIZE,
    DenseMotionConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    HourglassConfig,
    KeypointDetectorConfig,
    MotionModelConfig,
)
from .errors import CheckpointError

FLOAT = 4
GENERATOR_KERNEL = 7
"""Pixels across of the generator's first and last layer, and of the heads of dense motion."""


@dataclass(frozen=True)
class Cost:
    """parameters: trainable numbers of detector, dense motion and generator. discriminator: of the discriminator.

    memory: bytes for weights and for one frame of the size that `auto_size` says, in float32, about.
    """

    parameters: int
    discriminator: int
    memory: int


MOST = Cost(parameters=1_000_000_000, discriminator=1_000_000_000, memory=16 << 30)
"""What is built without being asked: ten times the largest published model."""


def cost_of(config: MotionModelConfig) -> Cost:
    """What a model of this configuration takes."""
    channels, keypoints = config.num_channels, config.num_keypoints
    jacobians = 4 * (1 if config.detector.single_jacobian_map else keypoints) if config.estimate_jacobian else 0
    parameters = _hourglass(config.detector, channels, (keypoints + jacobians,), HEAD_SIZE)
    height, width = config.nearest_size(*config.auto_size())
    pixels = height * width
    numbers = 4 * pixels * channels + _activations(config.detector, channels, pixels)
    if (motion := config.dense_motion) is not None:
        candidates = (keypoints + 1) * (1 + channels)
        heads = (keypoints + 1, int(config.generator.estimate_occlusion_map))
        parameters += _hourglass(motion, candidates, heads, GENERATOR_KERNEL)
        numbers += _activations(motion, candidates, pixels)
    parameters += _generator(config.generator, channels)
    numbers += sum(
        3 * config.generator.features(i) * pixels // 4**i for i in range(config.generator.num_down_blocks + 1)
    )
    kernels = sum(
        channels * (4 * round(1 / part.scale_factor)) ** 2 for part in (config.detector, motion) if part is not None
    )
    judge = 0 if config.discriminator is None else _discriminator(config.discriminator, channels, keypoints)
    return Cost(parameters, judge, FLOAT * (parameters + judge + kernels + numbers))


def check_cost(config: MotionModelConfig, most: Cost = MOST, *, what: str = "a model") -> None:
    """Raise CheckpointError, with the numbers, where a model of this configuration takes more than `most`."""
    cost = cost_of(config)
    for name, got, limit in (
        ("parameters", cost.parameters, most.parameters),
        ("parameters of the discriminator", cost.discriminator, most.discriminator),
        ("bytes for weights and one frame", cost.memory, most.memory),
    ):
        if got > limit:
            raise CheckpointError(
                f"expected {what} of at most {limit:,} {name}; its configuration asks for {got:,}. If it is meant so, "
                "raise the limit (`most`)."
            )


def _conv(inward: int, outward: int, kernel: int) -> int:
    return outward * (inward * kernel**2 + 1)


def _block(inward: int, outward: int, kernel: int = 3) -> int:
    """With its batch norm."""
    return _conv(inward, outward, kernel) + 2 * outward


def _levels(config: HourglassConfig, inward: int) -> Iterator[tuple[int, int]]:
    """(in, out) of each block of an hourglass."""
    for i in range(config.num_blocks):
        yield config.features(i) if i else inward, config.features(i + 1)
        yield config.features(i + 1) * (1 if i == config.num_blocks - 1 else 2), config.features(i)


def _hourglass(config: HourglassConfig, inward: int, heads: tuple[int, ...], kernel: int) -> int:
    body = sum(_block(*level) for level in _levels(config, inward))
    return body + sum(_conv(config.features(0) + inward, outward, kernel) for outward in heads if outward)


def _activations(config: KeypointDetectorConfig | DenseMotionConfig, inward: int, pixels: int) -> int:
    """Numbers that are held at once for one frame: every level's, twice for what is concatenated."""
    seen = pixels * config.scale_factor**2
    return round(seen * sum(2 * (config.features(i) if i else inward) / 4**i for i in range(config.num_blocks + 1)))


def _generator(config: GeneratorConfig, channels: int) -> int:
    widths = [config.features(i) for i in range(config.num_down_blocks + 1)]
    ends = _block(channels, widths[0], GENERATOR_KERNEL) + _conv(config.block_expansion, channels, GENERATOR_KERNEL)
    return (
        ends
        + sum(_block(small, large) + _block(large, small) for small, large in pairwise(widths))
        + config.num_bottleneck_blocks * 2 * _block(widths[-1], widths[-1])
    )


def _discriminator(config: DiscriminatorConfig, channels: int, keypoints: int) -> int:
    inward, one = channels + (keypoints if config.use_keypoints else 0), 0
    for i in range(config.num_blocks):
        outward = config.features(i + 1)
        one += _conv(config.features(i) if i else inward, outward, 4) + (2 * outward if i else 0)
    return len(config.scales) * (one + _conv(config.features(config.num_blocks), 1, 1))
