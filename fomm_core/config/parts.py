"""The networks' settings: frozen, typed, and complete."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ..bounds import Bound, Bounds, Choice, Flag, Name, check_fields, whole
from ..errors import ConfigError

HEAD_SIZE = 7
"""Pixels across of the layer that makes heat maps."""
COMFORTABLE_SIDE = 256
"""Pixels of the shorter side that a result should have at least, where the user asks for no size."""
MOST_PIXELS, LEAST_SCALE = 16_384, 1 / 256
"""Bounds of `frame_size` and `scale_factor`: the anti-alias kernel of the latter has a million numbers already."""

LATER: Mapping[str, Any] = MappingProxyType({"later": True})
"""Marks fields that came after version 1 of the format: they are stored only where they differ from their default, so
that a first-order model's file is what it always was."""

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
    """The keypoint detector. It sees the image `scale_factor` times as large.

    temperature: of the softmax over positions. single_jacobian_map: one map of jacobians shared by all keypoints.
    pad: zero padding of the 7x7 heads (0 in the published models: their heat maps are 6 smaller than the features).
    covariance: of each region (MRAA): "heatmap", the spread of its heat map, whose principal axes then are the local
        map; "affine", A A^T of the estimated local map A; "none" in models of keypoints.
    segments: a third head gives soft masks of the parts (part swap).
    """

    temperature: float
    scale_factor: float
    single_jacobian_map: bool
    pad: int
    covariance: str = field(default="none", metadata=LATER)
    segments: bool = field(default=False, metadata=LATER)

    def __post_init__(self) -> None:
        own: Bounds = {"temperature": Bound(1e-6, 1e6), "scale_factor": _SCALE, "single_jacobian_map": Flag()}
        later: Bounds = {"covariance": Choice(("none", "heatmap", "affine")), "segments": Flag()}
        check_fields("the detector", self, {**_LAYERS, **own, "pad": whole(0, HEAD_SIZE), **later})


@dataclass(frozen=True, kw_only=True)
class PointDetectorConfig:
    """TPS's detector, a ResNet-18 that sees the whole image, `scale_factor` times as large."""

    scale_factor: float

    def __post_init__(self) -> None:
        check_fields("the detector", self, {"scale_factor": _SCALE})


@dataclass(frozen=True, kw_only=True)
class DenseMotionConfig(HourglassConfig):
    """The dense-motion network. It sees the image `scale_factor` times as large; gaussians have `kp_variance`.

    points_per_motion: keypoints that make one candidate motion together: 1, or 5 for a thin-plate spline (TPS).
    occlusion_levels: occlusion maps, each twice as large as the one before (TPS: 4). deformed_source: the network sees
    the candidates' images. covariance_heatmaps: gaussians have their region's covariance (MRAA). revert_axes: local
    maps that turn a region round are turned back (MRAA, whose principal axes have no sign). instance_norm: in place of
    batch norm (TPS).
    """

    scale_factor: float
    kp_variance: float
    points_per_motion: int = field(default=1, metadata=LATER)
    occlusion_levels: int = field(default=1, metadata=LATER)
    deformed_source: bool = field(default=True, metadata=LATER)
    covariance_heatmaps: bool = field(default=False, metadata=LATER)
    revert_axes: bool = field(default=False, metadata=LATER)
    instance_norm: bool = field(default=False, metadata=LATER)

    def __post_init__(self) -> None:
        own: Bounds = {"scale_factor": _SCALE, "kp_variance": Bound(1e-9, 1e3), "points_per_motion": whole(1, 64)}
        flags = ("deformed_source", "covariance_heatmaps", "revert_axes", "instance_norm")
        later: Bounds = {"occlusion_levels": whole(1, 9), **{name: Flag() for name in flags}}
        check_fields("the dense_motion", self, {**_LAYERS, **own, **later})


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """Encoder, bottleneck of residual blocks, decoder (after Johnson et al.).

    blend_source: an extension of the paper: where nothing is occluded, pixels are those of the warped source (see
    `OcclusionAwareGenerator.blend`). Needs an occlusion map; off in all published models.
    skips: the decoder sees the moved features of every level of the encoder, and the moved source last (MRAA).
    every_level: each level is painted over by what the encoder's level shows (TPS); `num_bottleneck_blocks` then stand
    at each of them. instance_norm: in place of batch norm. aligned_maps: flows and occlusion maps are resized
    corner-aligned (TPS).
    """

    block_expansion: int
    max_features: int
    num_down_blocks: int
    num_bottleneck_blocks: int
    estimate_occlusion_map: bool
    blend_source: bool = False
    skips: bool = field(default=False, metadata=LATER)
    every_level: bool = field(default=False, metadata=LATER)
    instance_norm: bool = field(default=False, metadata=LATER)
    aligned_maps: bool = field(default=False, metadata=LATER)

    def __post_init__(self) -> None:
        layers: dict[str, Bound | Flag | Name | Choice] = {**_LAYERS, "num_blocks": whole(0, 12)}
        layers["num_down_blocks"], layers["num_bottleneck_blocks"] = layers.pop("num_blocks"), whole(0, 64)
        flags = ("estimate_occlusion_map", "blend_source", "skips", "every_level", "instance_norm", "aligned_maps")
        check_fields("the generator", self, {**layers, **{name: Flag() for name in flags}})
        for name in ("blend_source", "skips", "every_level"):
            if getattr(self, name) and not self.estimate_occlusion_map:
                raise ConfigError(f"expected estimate_occlusion_map with {name}, which blends by it; got none.")

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
class AvdConfig:
    """The network of the mode "avd" (animation via disentanglement): numbers that are left of the source's shape and of
    the driver's pose. straight: its perceptrons correct a linear map of both, which begins as the driver's keypoints;
    the published ones (False) have to make the keypoints anew.
    """

    id_bottle_size: int
    pose_bottle_size: int
    straight: bool = field(default=False, metadata=LATER)

    def __post_init__(self) -> None:
        sizes: Bounds = {"id_bottle_size": whole(1, 4096), "pose_bottle_size": whole(1, 4096)}
        check_fields("the avd", self, {**sizes, "straight": Flag()})


@dataclass(frozen=True, kw_only=True)
class BackgroundConfig:
    """The network that sees how the camera moved; training and reconstruction need it, animation does not.

    kind: of the map from driving to source positions. encoder: its half of an hourglass (MRAA); None for TPS's
    ResNet-18.
    """

    kind: str
    encoder: HourglassConfig | None

    def __post_init__(self) -> None:
        check_fields("the background", self, {"kind": Choice(("shift", "affine", "perspective"))})
