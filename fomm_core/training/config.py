"""What a training run is made of: frozen, typed, and complete. Every preset states every value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from ..bounds import Bound, Bounds, Choice, Flag, Name, as_tuple, check_fields, whole
from ..errors import TrainingError

_WEIGHT, _WEIGHTS, _SHARE = Bound(0, 1e6), Bound(0, 1e6, many=32), Bound(0, 1)
_RATE = Bound(0, 1e3)
MOST_STEPS = 10**9


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """The weight of each loss; 0 or () switches it off, and what only that loss needs is not computed.

    perceptual: one for each layer of the backbone. feature_matching: one for each block of the discriminator, used
    only where generator_gan is not 0. l1: plain mean difference of pixels (0 in the published code). Not in the
    published code, and of use for clips with points (see `data.points`) these: spread keeps keypoints apart;
    landmarks ties the last keypoints to parts of mouth and eyes (see `landmarks.TIED`); acting is what l1 counts more
    around mouth and eyes: 1 + acting times; readback moves the last keypoints of the rebuilt frame, as the detector
    reads them there, to those of the driving frame; openings does so for the gaps between lips and between lids alone,
    and ties those that the detector finds to the clips' own. Of TPS: warp, by which moved features agree with the
    driving frame's at each level, and background, by which its motion there and back is none. equivariance_value and
    equivariance_jacobian are what MRAA calls shift and affine.
    """

    perceptual: tuple[float, ...]
    generator_gan: float
    discriminator_gan: float
    feature_matching: tuple[float, ...]
    equivariance_value: float
    equivariance_jacobian: float
    l1: float
    spread: float = 0.0
    landmarks: float = 0.0
    acting: float = 0.0
    readback: float = 0.0
    openings: float = 0.0
    warp: float = 0.0
    background: float = 0.0

    def __post_init__(self) -> None:
        bounds: Bounds = {
            **dict.fromkeys(("perceptual", "feature_matching"), _WEIGHTS),
            **dict.fromkeys(("generator_gan", "discriminator_gan", "l1", "spread", "warp", "background"), _WEIGHT),
            **dict.fromkeys(("equivariance_value", "equivariance_jacobian"), _WEIGHT),
            **dict.fromkeys(("landmarks", "acting", "readback", "openings"), _WEIGHT),
        }
        check_fields("the losses", self, bounds, TrainingError)

    @property
    def adversarial(self) -> bool:
        """Whether a discriminator takes part."""
        return self.generator_gan != 0

    @property
    def equivariance(self) -> bool:
        """Whether a transformed frame is looked at."""
        return self.equivariance_value != 0 or self.equivariance_jacobian != 0


@dataclass(frozen=True, kw_only=True)
class TransformConfig:
    """The random deformation of the equivariance losses: standard deviations of an affine map and of a thin plate.

    sigma_tps, points_tps: None for affine maps alone; otherwise points_tps x points_tps control points.
    """

    sigma_affine: float
    sigma_tps: float | None
    points_tps: int | None

    def __post_init__(self) -> None:
        sigma = Bound(0, 10)
        bounds = {"sigma_affine": sigma, "sigma_tps": replace(sigma, optional=True)}
        check_fields("the transform", self, {**bounds, "points_tps": whole(1, 64, optional=True)}, TrainingError)


@dataclass(frozen=True, kw_only=True)
class AugmentationConfig:
    """How a pair of frames is varied, both frames alike.

    time_flip swaps source and driving, horizontal_flip mirrors both (never both flips at once). brightness, contrast,
    saturation: factors of 1 - x to 1 + x. hue: shift of -x to x of the whole circle. rotation_degrees: -x to x.
    zoom: enlargement of 1 - x to 1 + x around the centre, moved as far as the enlarged image allows. blur: Gaussian,
    of a standard deviation of 0 to x pixels, as small and compressed videos are once they are enlarged. choices: the
    driving frame is the one of so many whose mouth and eyes differ most from the source's, in clips with points (see
    `data.points`); 1 draws it like any other.
    """

    horizontal_flip: bool
    time_flip: bool
    brightness: float
    contrast: float
    saturation: float
    hue: float
    rotation_degrees: float
    zoom: float
    choices: int = 1
    blur: float = 0.0

    def __post_init__(self) -> None:
        bounds: Bounds = {
            **dict.fromkeys(("horizontal_flip", "time_flip"), Flag()),
            **dict.fromkeys(("brightness", "contrast", "saturation"), Bound(0, 100)),
            **{"hue": Bound(0, 0.5), "rotation_degrees": Bound(0, 360), "zoom": Bound(0, 100)},
            "blur": Bound(0, 32),
            "choices": whole(1, 1000),
        }
        check_fields("the augmentation", self, bounds, TrainingError)


@dataclass(frozen=True, kw_only=True)
class DropoutConfig:
    """How many candidate motions drop out in TPS: a share that rises from `start` to `most` within `rise` steps, and is
    0 from step `until`.
    """

    start: float
    most: float
    rise: int
    until: int

    def __post_init__(self) -> None:
        shares: Bounds = dict.fromkeys(("start", "most"), Bound(0, 0.99))
        check_fields(
            "the dropout", self, {**shares, "rise": whole(1, MOST_STEPS), "until": whole(0, MOST_STEPS)}, TrainingError
        )

    def scaled(self, factor: float) -> DropoutConfig:
        """The same over so many times as many steps."""
        return replace(self, rise=max(1, round(self.rise * factor)), until=round(self.until * factor))


PHASES = ("motion", "avd")
"""What a run learns: detector, motion and generator; or, all these frozen, the network of the mode "avd"."""

NO_BACKBONE = "none"
"""What `TrainingConfig.backbone` is called where none takes part."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """A whole training run, apart from the model's own configuration, the data and the machine.

    scales: sizes of the image that the perceptual loss looks at, 1/n each.
    batch_size: pairs in a step, over all processes. accumulate: passes that a step's batch is cut into.
    milestones: steps after which learning rates are multiplied by `decay`.
    clip_norm: greatest norm of the gradient, of generator with detector and of discriminator alike; None for no limit.
    ema_decay: of the averaged weights, for each step; None to keep none.
    backbone: of the perceptual loss, see `perceptual.BACKBONES`; "none" where its weights are () or 0.
    freeze_detector: the detector stays exactly as it is, and works as it does in animation.
    joint_detector: the detector sees source, driving and transformed frames in one pass, so that its batch norm takes
    its statistics over all three; False is the published order, one pass each.
    phase: see PHASES. avd_scale: in phase "avd", poses are scaled by 1 - x to 1 + x, across and down.
    weight_decay: of Adam. clip_each: the greatest number in the gradients of detector, dense motion and background,
    each cut down for itself; None for no limit. background_from: the step from which the background moves.
    """

    losses: LossWeights
    scales: tuple[float, ...]
    transform: TransformConfig
    augmentation: AugmentationConfig
    batch_size: int
    accumulate: int
    steps: int
    milestones: tuple[int, ...]
    decay: float
    lr_generator: float
    lr_discriminator: float
    lr_detector: float
    clip_norm: float | None
    ema_decay: float | None
    backbone: str
    freeze_detector: bool
    joint_detector: bool
    phase: str = "motion"
    avd_scale: float = 0.25
    weight_decay: float = 0.0
    clip_each: float | None = None
    background_from: int = 0
    dropout: DropoutConfig | None = None

    def __post_init__(self) -> None:
        bounds: Bounds = {
            **{"batch_size": whole(1, 10**6), "accumulate": whole(1, 10**6), "steps": whole(1, MOST_STEPS)},
            **{"scales": Bound(1 / 256, 1, many=16), "milestones": whole(0, 10 * MOST_STEPS, many=1000)},
            **dict.fromkeys(("lr_generator", "lr_discriminator", "lr_detector"), _RATE),
            **{"decay": _RATE, "clip_norm": Bound(0, 1e12, optional=True), "ema_decay": replace(_SHARE, optional=True)},
            **{"backbone": Name(), "freeze_detector": Flag(), "joint_detector": Flag()},
            **{"phase": Choice(PHASES), "avd_scale": Bound(0, 0.9), "weight_decay": Bound(0, 1)},
            **{"clip_each": Bound(0, 1e12, optional=True), "background_from": whole(0, MOST_STEPS)},
        }
        check_fields("the training", self, bounds, TrainingError)
        if self.ema_decay == 1:
            raise TrainingError(f"expected an ema_decay from 0 to below 1; got {self.ema_decay}.")
        if self.backbone == NO_BACKBONE and any(self.losses.perceptual):
            raise TrainingError(
                "expected a backbone for the perceptual loss; got 'none'. Choose one, or set its weights to 0."
            )

    @property
    def perceptual(self) -> bool:
        """Whether a backbone takes part."""
        return self.backbone != NO_BACKBONE and any(self.losses.perceptual)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as stored in states of a run."""
        return asdict(self)

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> TrainingConfig:
        """The inverse of `to_dict`, lists for tuples allowed; TrainingError where a value is missing or unknown."""
        parts = {"losses": LossWeights, "transform": TransformConfig, "augmentation": AugmentationConfig}
        try:
            taken = {name: as_tuple(value) for name, value in values.items()}
            for name, kind in parts.items():
                taken[name] = kind(**{key: as_tuple(value) for key, value in values[name].items()})
            if values.get("dropout") is not None:
                taken["dropout"] = DropoutConfig(**values["dropout"])
            return TrainingConfig(**taken)
        except TrainingError:
            raise
        except (KeyError, TypeError, AttributeError, ValueError) as problem:
            known = ", ".join(field.name for field in fields(TrainingConfig))
            raise TrainingError(
                f"expected a complete training configuration ({known}); got one that does not fit: {problem!s:.200}."
            ) from problem
