"""What a model of some configuration takes: worked out from the configuration, before anything is built."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from .config import (
    HEAD_SIZE,
    AvdConfig,
    BackgroundConfig,
    DenseMotionConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    HourglassConfig,
    KeypointDetectorConfig,
    MotionModelConfig,
)
from .errors import CheckpointError

FLOAT, RESNET_WIDTH = 4, 64
GENERATOR_KERNEL = 7
"""Pixels across of the generator's first and last layer, and of the heads of dense motion."""


@dataclass(frozen=True)
class Cost:
    """parameters: trainable numbers of all networks of the model. discriminator: of the discriminator.

    memory: bytes for weights and for one frame of the size that `auto_size` says, in float32, about.
    """

    parameters: int
    discriminator: int
    memory: int


MOST = Cost(parameters=1_000_000_000, discriminator=1_000_000_000, memory=16 << 30)
"""What is built without being asked: ten times the largest published model."""


def cost_of(config: MotionModelConfig) -> Cost:
    """What a model of this configuration takes."""
    channels = config.num_channels
    height, width = config.nearest_size(*config.auto_size())
    pixels = height * width
    parameters, numbers = _detector(config), 4 * pixels * channels
    if isinstance(config.detector, KeypointDetectorConfig):
        numbers += _activations(config.detector, channels, pixels)
    else:
        numbers += round(pixels * config.detector.scale_factor**2 * RESNET_WIDTH)
    if (motion := config.dense_motion) is not None:
        candidates = config.num_motions + 1
        seen = config.num_keypoints + 1 + candidates * channels * motion.deformed_source
        last = motion.features(0) + seen
        widths = [last // 2**i for i in range(max(1, motion.occlusion_levels - 1))]
        parameters += _hourglass(motion, seen, (candidates,), GENERATOR_KERNEL)
        parameters += sum(_block(*pair) for pair in pairwise(widths))
        if config.generator.estimate_occlusion_map:
            inner = [2 * motion.features(1)] if motion.occlusion_levels > 1 else []
            parameters += sum(_conv(width, 1, GENERATOR_KERNEL) for width in [*inner, *widths])
        numbers += _activations(motion, seen, pixels)
    parameters += _generator(config.generator, channels)
    if config.avd is not None:
        parameters += _avd(config.avd, config.motion_size)
    if config.background is not None:
        parameters += _background(config.background, channels)
    numbers += sum(
        3 * config.generator.features(i) * pixels // 4**i for i in range(config.generator.num_down_blocks + 1)
    )
    parts = (config.detector, motion)
    kernels = sum(channels * (4 * round(1 / part.scale_factor)) ** 2 for part in parts if part is not None)
    judge = 0 if config.discriminator is None else _discriminator(config.discriminator, channels, config.num_keypoints)
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


def _detector(config: MotionModelConfig) -> int:
    detector, keypoints = config.detector, config.num_keypoints
    if not isinstance(detector, KeypointDetectorConfig):
        return _resnet(config.num_channels, 2 * keypoints)
    estimated = config.estimate_jacobian and detector.covariance != "heatmap"
    jacobians = 4 * (1 if detector.single_jacobian_map else keypoints) if estimated else 0
    segments = keypoints + 1 if detector.segments else 0
    return _hourglass(detector, config.num_channels, (keypoints + jacobians + segments,), HEAD_SIZE)


def _resnet(inward: int, outward: int) -> int:
    """A ResNet-18: convolutions without bias, with batch norms."""
    widths = (RESNET_WIDTH, RESNET_WIDTH, 2 * RESNET_WIDTH, 4 * RESNET_WIDTH, 8 * RESNET_WIDTH)
    first = widths[0] * (inward * 49 + 2)
    stages = sum(
        large * (9 * small + 27 * large + 8) + (large * (small + 2) if small != large else 0)
        for small, large in pairwise(widths)
    )
    return first + stages + outward * (widths[-1] + 1)


def _perceptron(*widths: int) -> int:
    linear = sum(outward * (inward + 1) for inward, outward in pairwise(widths))
    return linear + 2 * sum(widths[1:-1])


def _avd(config: AvdConfig, motion_size: int) -> int:
    sizes = (config.id_bottle_size, config.pose_bottle_size)
    encoders = sum(_perceptron(motion_size, 256, 512, 1024, bottle) for bottle in sizes)
    straight = motion_size * (2 * motion_size + 1) if config.straight else 0
    return encoders + _perceptron(sum(sizes), 1024, 512, 256, motion_size) + straight


def _background(config: BackgroundConfig, channels: int) -> int:
    numbers = {"shift": 2, "affine": 6, "perspective": 8}[config.kind]
    if config.encoder is None:
        return _resnet(2 * channels, numbers)
    widths = [2 * channels, *(config.encoder.features(i + 1) for i in range(config.encoder.num_blocks))]
    return sum(_block(*pair) for pair in pairwise(widths)) + numbers * (widths[-1] + 1)


def _activations(config: KeypointDetectorConfig | DenseMotionConfig, inward: int, pixels: int) -> int:
    """Numbers that are held at once for one frame: every level's, twice for what is concatenated."""
    seen = pixels * config.scale_factor**2
    return round(seen * sum(2 * (config.features(i) if i else inward) / 4**i for i in range(config.num_blocks + 1)))


def _generator(config: GeneratorConfig, channels: int) -> int:
    widths = [config.features(i) for i in range(config.num_down_blocks + 1)]
    ends = _block(channels, widths[0], GENERATOR_KERNEL) + _conv(config.block_expansion, channels, GENERATOR_KERNEL)
    stages = [width * (2 if config.every_level and i else 1) for i, width in enumerate(reversed(widths[1:]))]
    residual = stages if config.every_level else widths[-1:]
    return (
        ends
        + sum(_block(small, large) for small, large in pairwise(widths))
        + sum(_block(wide, narrow) for wide, narrow in zip(stages, reversed(widths[:-1]), strict=True))
        + config.num_bottleneck_blocks * sum(2 * _block(width, width) for width in residual)
    )


def _discriminator(config: DiscriminatorConfig, channels: int, keypoints: int) -> int:
    inward, one = channels + (keypoints if config.use_keypoints else 0), 0
    for i in range(config.num_blocks):
        outward = config.features(i + 1)
        one += _conv(config.features(i) if i else inward, outward, 4) + (2 * outward if i else 0)
    return len(config.scales) * (one + _conv(config.features(config.num_blocks), 1, 1))
