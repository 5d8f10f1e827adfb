"""A whole model: its networks' settings, and the sizes of images that they take."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

from ..bounds import Bounds, Choice, Flag, as_tuple, check_fields, whole
from ..errors import ConfigError, SizeError
from .parts import (
    COMFORTABLE_SIDE,
    HEAD_SIZE,
    LATER,
    LEAST_SCALE,
    MOST_PIXELS,
    AvdConfig,
    BackgroundConfig,
    DenseMotionConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    HourglassConfig,
    KeypointDetectorConfig,
    PointDetectorConfig,
)

FAMILIES = ("fomm", "mraa", "tps", "partswap")
"""First Order Motion Model, Motion Representations for Articulated Animation, Thin-Plate-Spline Motion Model, and
Motion-supervised Co-Part Segmentation."""


@dataclass(frozen=True, kw_only=True)
class MotionModelConfig:
    """The configuration of a whole model.

    Attributes:
        frame_size: (height, width) in pixels that the weights were trained on, or are suited to (see `reduced`).
        num_keypoints: Keypoints in a frame; of MRAA its regions, of part swap its segments, of TPS its points (five a
            motion).
        num_channels: Colour channels of an image.
        estimate_jacobian: Whether keypoints have Jacobians.
        align_corners: The `grid_sample` convention that the weights were trained under: True for all published weights
            but those of MRAA.
        detector: The keypoint detector.
        generator: The generator.
        dense_motion: Dense motion; None renders without motion.
        discriminator: The discriminator; None for a model for inference only.
        family: One of `FAMILIES`.
        avd: The network for the mode "avd"; None for models without.
        background: The predictor of the camera's motion (see `BackgroundConfig`); None for models without.

    Raises:
        ConfigError: A value is out of bounds, or the networks are not those of the family.

    Example:
        >>> from fomm_nodes.fomm_core import PRESETS
        >>> config = PRESETS["vox-256"]
        >>> config.frame_size, config.size_multiple(), config.nearest_size(500, 300)
        ((256, 256), 128, (512, 256))
    """

    frame_size: tuple[int, int]
    num_keypoints: int
    num_channels: int
    estimate_jacobian: bool
    align_corners: bool
    detector: KeypointDetectorConfig | PointDetectorConfig
    generator: GeneratorConfig
    dense_motion: DenseMotionConfig | None
    discriminator: DiscriminatorConfig | None
    family: str = field(default="fomm", metadata=LATER)
    avd: AvdConfig | None = field(default=None, metadata=LATER)
    background: BackgroundConfig | None = field(default=None, metadata=LATER)

    def __post_init__(self) -> None:
        numbers: Bounds = {
            "family": Choice(FAMILIES),
            "num_keypoints": whole(1, 1024),
            "num_channels": whole(1, 64),
        }
        flags: Bounds = {"estimate_jacobian": Flag(), "align_corners": Flag()}
        check_fields("the model", self, {"frame_size": whole(1, MOST_PIXELS, many=2), **numbers, **flags})
        if len(self.frame_size) != 2:
            raise ConfigError(f"expected frame_size as height and width; got {len(self.frame_size)} numbers.")
        self._check_family()

    def _check_family(self) -> None:
        """Raise ConfigError where the networks are not those of the family."""
        motion, levels = self.dense_motion, self.generator.num_down_blocks + 1
        is_tps = isinstance(self.detector, PointDetectorConfig)
        if is_tps != (self.family == "tps") or self.generator.every_level != is_tps:
            raise ConfigError("expected a detector of points and a generator of every level in TPS, and only there.")
        if is_tps and (motion is None or motion.points_per_motion < 3 or motion.occlusion_levels not in (1, levels)):
            raise ConfigError(
                f"expected dense motion of 3 points or more a motion, and one occlusion map or {levels}, in TPS."
            )
        if motion is not None and motion.occlusion_levels > 1 and motion.num_blocks < 2:
            raise ConfigError("expected dense motion of two blocks or more for several occlusion maps; got one.")
        if motion is not None and (
            self.num_keypoints % motion.points_per_motion or (motion.points_per_motion > 1) != is_tps
        ):
            raise ConfigError(
                f"expected {motion.points_per_motion} keypoints for each motion, and one outside of TPS; got "
                f"{self.num_keypoints} in '{self.family}'."
            )
        if motion is not None and not is_tps and motion.occlusion_levels != 1:
            raise ConfigError("expected one occlusion map outside of TPS; got several levels.")
        heads = self.detector if isinstance(self.detector, KeypointDetectorConfig) else None
        if heads is not None and heads.segments != (self.family == "partswap"):
            raise ConfigError("expected a detector of segments in part swap, and only there.")
        if self.family == "partswap" and motion is not None:
            raise ConfigError("expected no dense motion in part swap, whose segments are its motion; got one.")
        covariance = "none" if heads is None else heads.covariance
        if motion is not None and motion.covariance_heatmaps and covariance == "none":
            raise ConfigError("expected a detector of covariances for heat maps with them; got one without.")

    @property
    def num_motions(self) -> int:
        """The number of candidate motions besides the background's."""
        return self.num_keypoints // (1 if self.dense_motion is None else self.dense_motion.points_per_motion)

    @property
    def motion_size(self) -> int:
        """How many numbers describe the keypoints of one frame with their local maps: the input size of the avd
        network.
        """
        return self.num_keypoints * (6 if self.estimate_jacobian else 2)

    def size_multiple(self) -> int:
        """The number of pixels that height and width must be multiples of, so that every stride of every network
        divides them.

        Returns:
            Pixels; 128 for the published models.
        """
        strides = [2**self.generator.num_down_blocks]
        for part in (self.detector, self.dense_motion):
            if isinstance(part, HourglassConfig):
                strides.append(round(1 / part.scale_factor) * 2**part.num_blocks)
        return math.lcm(*strides)

    def nearest_size(self, height: int, width: int) -> tuple[int, int]:
        """Find the nearest size that the networks accept; halves round up.

        Args:
            height: Pixels.
            width: Pixels.

        Returns:
            (height, width): multiples of `size_multiple()`, large enough for the detector's last layer.
        """
        multiple = self.size_multiple()
        pad = self.detector.pad if isinstance(self.detector, KeypointDetectorConfig) else HEAD_SIZE
        least = max(1, math.ceil((HEAD_SIZE - 2 * pad) / self.detector.scale_factor / multiple))

        def nearest(length: int) -> int:
            return max(least, (2 * length + multiple) // (2 * multiple)) * multiple

        found = nearest(height), nearest(width)
        return found if self._has_room(*found) else (2 * multiple, 2 * multiple)

    def _has_room(self, height: int, width: int) -> bool:
        """Whether instance norm has more than one pixel at the bottom of dense motion's hourglass."""
        motion = self.dense_motion
        if motion is None or not motion.instance_norm:
            return True
        return height * width * (motion.scale_factor / 2**motion.num_blocks) ** 2 > 1.5

    def auto_size(self) -> tuple[int, int]:
        """The default size of frames. Models trained on small images give sharper results this way; see `for_size`.

        Returns:
            The trained (height, width), or its smallest multiple whose shorter side reaches 256 pixels.
        """
        factor = math.ceil(COMFORTABLE_SIDE / min(self.frame_size))
        return self.frame_size[0] * factor, self.frame_size[1] * factor

    def check_size(self, height: int, width: int) -> None:
        """Check that the networks accept a size.

        Args:
            height: Pixels.
            width: Pixels.

        Raises:
            SizeError: They do not; the message names the nearest sizes.
        """
        multiple = self.size_multiple()
        if height > 0 and width > 0 and height % multiple == 0 and width % multiple == 0:
            if self._has_room(height, width):
                return
            raise SizeError(
                f"expected more than {multiple}x{multiple} pixels, since the model's instance norm needs two numbers "
                f"at least; got {width}x{height} (width x height). The nearest good size is "
                f"{2 * multiple}x{2 * multiple}."
            )

        def choices(length: int) -> str:
            below, above = length // multiple * multiple, -(-length // multiple) * multiple
            return " or ".join(str(n) for n in sorted({below, above} - {0}))

        raise SizeError(
            f"expected a height and width that are multiples of {multiple}; got {width}x{height} (width x height). "
            f"Good widths nearby: {choices(width)}; good heights: {choices(height)}. Resize the image, or choose a "
            "size and let it be fitted."
        )

    def for_size(self, height: int, width: int) -> MotionModelConfig:
        """The same weights for another image size: the detector and dense motion see larger images more strongly
        reduced, so that a head looks about as large to them as in training.

        Of the integer reductions that keep the size divisible, the one nearest to the ratio of the sizes is chosen. The
        kernels of the anti-alias filters follow from it.

        Args:
            height: Pixels.
            width: Pixels.

        Returns:
            The configuration; this one itself if no reduction divides the size.
        """
        ratio = min(height / self.frame_size[0], width / self.frame_size[1])
        best, best_distance = self, abs(math.log(ratio))
        for reduction in range(2, min(math.ceil(ratio), self._most_reduction()) + 1):
            candidate = self.reduced(reduction)
            multiple = candidate.size_multiple()
            distance = abs(math.log(ratio / reduction))
            fits = height % multiple == 0 and width % multiple == 0 and candidate._has_room(height, width)
            if fits and distance < best_distance:
                best, best_distance = candidate, distance
        return best

    def _most_reduction(self) -> int:
        """How far `reduced` can go within the bounds of its values."""
        scales = [part.scale_factor for part in (self.detector, self.dense_motion) if part is not None]
        return min(math.floor(min(scales) / LEAST_SCALE), MOST_PIXELS // max(self.frame_size))

    def reduced(self, reduction: int) -> MotionModelConfig:
        """Let the detector and dense motion see images smaller than they do now. `frame_size` grows accordingly.

        Args:
            reduction: How many times smaller.

        Returns:
            The changed configuration.
        """
        dense_motion = self.dense_motion
        if dense_motion is not None:
            dense_motion = replace(dense_motion, scale_factor=dense_motion.scale_factor / reduction)
        detector = replace(self.detector, scale_factor=self.detector.scale_factor / reduction)
        height, width = self.frame_size
        frame_size = (height * reduction, width * reduction)
        return replace(self, frame_size=frame_size, detector=detector, dense_motion=dense_motion)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as stored in converted checkpoints.

        Returns:
            Numbers, texts, lists and dicts that JSON can hold.
        """
        return _plain(self)

    @property
    def format_version(self) -> int:
        """The version of the file format that this model needs: 1 if version 1 knows everything in it."""
        return 2 if _has_later(self) else 1

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> MotionModelConfig:
        """The inverse of `to_dict`.

        Args:
            values: Plain values.

        Returns:
            The configuration.

        Raises:
            ConfigError: A value is missing, unknown or out of bounds.
        """
        try:
            stated = dict(values)
            stated["frame_size"] = as_tuple(stated["frame_size"])
            detector = PointDetectorConfig if stated.get("family") == "tps" else KeypointDetectorConfig
            stated["detector"] = detector(**stated["detector"])
            stated["generator"] = GeneratorConfig(**stated["generator"])
            if stated["dense_motion"] is not None:
                stated["dense_motion"] = DenseMotionConfig(**stated["dense_motion"])
            if stated["discriminator"] is not None:
                discriminator = dict(stated["discriminator"])
                discriminator["scales"] = as_tuple(discriminator["scales"])
                stated["discriminator"] = DiscriminatorConfig(**discriminator)
            if stated.get("avd") is not None:
                stated["avd"] = AvdConfig(**stated["avd"])
            if stated.get("background") is not None:
                background = dict(stated["background"])
                if background["encoder"] is not None:
                    background["encoder"] = HourglassConfig(**background["encoder"])
                stated["background"] = BackgroundConfig(**background)
            return MotionModelConfig(**stated)
        except ConfigError:
            raise
        except (KeyError, TypeError, ValueError) as problem:
            raise ConfigError(
                f"expected a complete model configuration; got one that does not fit ({str(problem)[:200]}). "
                "Convert the original checkpoint again with this version."
            ) from problem


def _plain(part: Any) -> dict[str, Any]:
    """Every field but the later ones that have their default."""
    values = {}
    for entry in fields(part):
        value = getattr(part, entry.name)
        if "later" in entry.metadata and value == entry.default:
            continue
        values[entry.name] = _plain(value) if is_dataclass(value) else value
    return values


def _has_later(part: Any) -> bool:
    """Whether a later field differs from its default, in a part or in those that it holds."""
    values = [(entry, getattr(part, entry.name)) for entry in fields(part)]
    own = any("later" in entry.metadata and value != entry.default for entry, value in values)
    return own or any(_has_later(value) for _, value in values if is_dataclass(value))
