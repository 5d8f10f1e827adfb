"""What a model is made of: frozen, typed, and complete. Every preset states every value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Any

from .bounds import Bound, Bounds, Flag, Name, as_tuple, check_fields, whole
from .errors import CheckpointError, SizeError
from .wording import did_you_mean

HEAD_SIZE = 7
"""Pixels across of the layer that makes heat maps."""
COMFORTABLE_SIDE = 256
"""Pixels of the shorter side that a result should have at least, where the user asks for no size."""
MOST_PIXELS, LEAST_SCALE = 16_384, 1 / 256
"""Bounds of `frame_size` and `scale_factor`: the anti-alias kernel of the latter has a million numbers already."""

_SCALE = Bound(LEAST_SCALE, 1)
_LAYERS: Bounds = {"block_expansion": whole(1, 8192), "max_features": whole(1, 65_536), "num_blocks": whole(1, 12)}


@dataclass(frozen=True, kw_only=True)
class HourglassConfig:
    """A U-Net: `num_blocks` halvings; level i has min(max_features, block_expansion * 2**i) channels."""

    block_expansion: int
    max_features: int
    num_blocks: int

    def __post_init__(self) -> None:
        check_fields("an hourglass", self, _LAYERS)

    def features(self, level: int) -> int:
        """Channels after `level` halvings."""
        return min(self.max_features, self.block_expansion * 2**level)


@dataclass(frozen=True, kw_only=True)
class KeypointDetectorConfig(HourglassConfig):
    """The keypoint detector. It sees the picture `scale_factor` times as large.

    temperature: of the softmax over positions. single_jacobian_map: one map of jacobians shared by all keypoints.
    pad: zero padding of the 7x7 heads (0 in the published models: their heat maps are 6 smaller than the features).
    """

    temperature: float
    scale_factor: float
    single_jacobian_map: bool
    pad: int

    def __post_init__(self) -> None:
        own: Bounds = {"temperature": Bound(1e-6, 1e6), "scale_factor": _SCALE, "single_jacobian_map": Flag()}
        check_fields("the detector", self, {**_LAYERS, **own, "pad": whole(0, HEAD_SIZE)})


@dataclass(frozen=True, kw_only=True)
class DenseMotionConfig(HourglassConfig):
    """The dense-motion network. It sees the picture `scale_factor` times as large; gaussians have `kp_variance`."""

    scale_factor: float
    kp_variance: float

    def __post_init__(self) -> None:
        check_fields("the dense_motion", self, {**_LAYERS, "scale_factor": _SCALE, "kp_variance": Bound(1e-9, 1e3)})


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """Encoder, bottleneck of residual blocks, decoder (after Johnson et al.).

    blend_source: an extension of the paper: where nothing is occluded, pixels are those of the warped source (see
    `OcclusionAwareGenerator.blend`). Needs an occlusion map; off in all published models.
    """

    block_expansion: int
    max_features: int
    num_down_blocks: int
    num_bottleneck_blocks: int
    estimate_occlusion_map: bool
    blend_source: bool = False

    def __post_init__(self) -> None:
        layers: dict[str, Bound | Flag | Name] = {**_LAYERS, "num_blocks": whole(0, 12)}
        layers["num_down_blocks"], layers["num_bottleneck_blocks"] = layers.pop("num_blocks"), whole(0, 64)
        check_fields("the generator", self, {**layers, "estimate_occlusion_map": Flag(), "blend_source": Flag()})
        if self.blend_source and not self.estimate_occlusion_map:
            raise CheckpointError("expected estimate_occlusion_map with blend_source, which blends by it; got none.")

    def features(self, level: int) -> int:
        """Channels after `level` halvings."""
        return min(self.max_features, self.block_expansion * 2**level)


@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig:
    """One patch discriminator for each of `scales`; `use_keypoints` shows it gaussians at the keypoints as well."""

    scales: tuple[float, ...]
    block_expansion: int
    max_features: int
    num_blocks: int
    spectral_norm: bool
    use_keypoints: bool
    kp_variance: float

    def __post_init__(self) -> None:
        own: Bounds = {"scales": Bound(LEAST_SCALE, 1, many=16), "kp_variance": Bound(1e-9, 1e3)}
        check_fields("the discriminator", self, {**_LAYERS, **own, "spectral_norm": Flag(), "use_keypoints": Flag()})

    def features(self, level: int) -> int:
        """Channels after `level` blocks."""
        return min(self.max_features, self.block_expansion * 2**level)


@dataclass(frozen=True, kw_only=True)
class MotionModelConfig:
    """A whole model. `dense_motion=None` renders without motion, `discriminator=None` is a model for inference only.

    frame_size: (height, width) that the weights were trained on, or are suited to (see `reduced`).
    align_corners: the `grid_sample` convention that they were trained under (True for all published weights).
    """

    frame_size: tuple[int, int]
    num_keypoints: int
    num_channels: int
    estimate_jacobian: bool
    align_corners: bool
    detector: KeypointDetectorConfig
    generator: GeneratorConfig
    dense_motion: DenseMotionConfig | None
    discriminator: DiscriminatorConfig | None

    def __post_init__(self) -> None:
        numbers: Bounds = {"num_keypoints": whole(1, 1024), "num_channels": whole(1, 64)}
        flags: Bounds = {"estimate_jacobian": Flag(), "align_corners": Flag()}
        check_fields("the model", self, {"frame_size": whole(1, MOST_PIXELS, many=2), **numbers, **flags})
        if len(self.frame_size) != 2:
            raise CheckpointError(f"expected frame_size as height and width; got {len(self.frame_size)} numbers.")

    def size_multiple(self) -> int:
        """Height and width must be multiples of this for every stride of every network to divide them."""
        strides = [2**self.generator.num_down_blocks]
        for part in (self.detector, self.dense_motion):
            if part is not None:
                strides.append(round(1 / part.scale_factor) * 2**part.num_blocks)
        return math.lcm(*strides)

    def nearest_size(self, height: int, width: int) -> tuple[int, int]:
        """The nearest (height, width) that fits, and that the detector's last layer has room in; halves round up."""
        multiple = self.size_multiple()
        room = (HEAD_SIZE - 2 * self.detector.pad) / self.detector.scale_factor
        least = max(1, math.ceil(room / multiple))

        def nearest(length: int) -> int:
            return max(least, (2 * length + multiple) // (2 * multiple)) * multiple

        return nearest(height), nearest(width)

    def auto_size(self) -> tuple[int, int]:
        """The trained (height, width), or its smallest multiple whose shorter side reaches 256 pixels.

        Models that were trained on small pictures come out sharper so; see `for_size`.
        """
        factor = math.ceil(COMFORTABLE_SIDE / min(self.frame_size))
        return self.frame_size[0] * factor, self.frame_size[1] * factor

    def check_size(self, height: int, width: int) -> None:
        """Raise SizeError, naming the sizes around, where (height, width) does not fit."""
        multiple = self.size_multiple()
        if height > 0 and width > 0 and height % multiple == 0 and width % multiple == 0:
            return

        def choices(length: int) -> str:
            below, above = length // multiple * multiple, -(-length // multiple) * multiple
            return " or ".join(str(n) for n in sorted({below, above} - {0}))

        raise SizeError(
            f"expected a height and width that are multiples of {multiple}; got {width}x{height} (width x height). "
            f"Good widths nearby: {choices(width)}; good heights: {choices(height)}. Resize the picture, or choose a "
            "size and let it be fitted."
        )

    def for_size(self, height: int, width: int) -> MotionModelConfig:
        """The same weights for another picture size: larger pictures are shown to the detector and to dense motion
        more strongly reduced, so that these see a head about as large as in training.

        Of the whole reductions that keep (height, width) divisible the one nearest to the ratio of the sizes is
        taken; where none divides, the config comes back as it is. Kernels of the anti-alias filters follow from it.
        """
        ratio = min(height / self.frame_size[0], width / self.frame_size[1])
        best, best_distance = self, abs(math.log(ratio))
        for reduction in range(2, min(math.ceil(ratio), self._most_reduction()) + 1):
            candidate = self.reduced(reduction)
            multiple = candidate.size_multiple()
            distance = abs(math.log(ratio / reduction))
            if height % multiple == 0 and width % multiple == 0 and distance < best_distance:
                best, best_distance = candidate, distance
        return best

    def _most_reduction(self) -> int:
        """How far `reduced` can go within the bounds of its values."""
        scales = [part.scale_factor for part in (self.detector, self.dense_motion) if part is not None]
        return min(math.floor(min(scales) / LEAST_SCALE), MOST_PIXELS // max(self.frame_size))

    def reduced(self, reduction: int) -> MotionModelConfig:
        """Detector and dense motion look at a picture `reduction` times smaller than they do now.

        `frame_size` grows alike: the result is at home with pictures so much larger.
        """
        dense_motion = self.dense_motion
        if dense_motion is not None:
            dense_motion = replace(dense_motion, scale_factor=dense_motion.scale_factor / reduction)
        detector = replace(self.detector, scale_factor=self.detector.scale_factor / reduction)
        height, width = self.frame_size
        frame_size = (height * reduction, width * reduction)
        return replace(self, frame_size=frame_size, detector=detector, dense_motion=dense_motion)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as stored in converted checkpoints."""
        return asdict(self)

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> MotionModelConfig:
        """The inverse of `to_dict`; raises CheckpointError where a value is missing, unknown or out of bounds."""
        try:
            fields = dict(values)
            fields["frame_size"] = as_tuple(fields["frame_size"])
            fields["detector"] = KeypointDetectorConfig(**fields["detector"])
            fields["generator"] = GeneratorConfig(**fields["generator"])
            if fields["dense_motion"] is not None:
                fields["dense_motion"] = DenseMotionConfig(**fields["dense_motion"])
            if fields["discriminator"] is not None:
                discriminator = dict(fields["discriminator"])
                discriminator["scales"] = as_tuple(discriminator["scales"])
                fields["discriminator"] = DiscriminatorConfig(**discriminator)
            return MotionModelConfig(**fields)
        except CheckpointError:
            raise
        except (KeyError, TypeError, ValueError) as problem:
            raise CheckpointError(
                f"expected a complete model configuration; got one that does not fit ({str(problem)[:200]}). "
                "Convert the original checkpoint again with this version."
            ) from problem


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
    }
)
"""One configuration for each published data set, and the size of the built-in demo model."""


def preset(name: str) -> MotionModelConfig:
    """The preset of that name; raises CheckpointError naming the choices otherwise."""
    if name not in PRESETS:
        raise CheckpointError(
            f"expected one of the presets {', '.join(PRESETS)}; got '{name}'.{did_you_mean(name, PRESETS)}"
        )
    return PRESETS[name]
