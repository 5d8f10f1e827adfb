"""The model: its configuration and its networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .config import KeypointDetectorConfig, MotionModelConfig
from .errors import KeypointError
from .geometry import Keypoints, Motion
from .networks import (
    AvdNetwork,
    BackgroundPredictor,
    DenseMotionNetwork,
    Downsample,
    KeypointDetector,
    LevelGenerator,
    MultiScaleDiscriminator,
    OcclusionAwareGenerator,
    PointDetector,
    ThinPlateMotionNetwork,
)


@dataclass(frozen=True, eq=False)
class Frames:
    """B generated frames with what led to them.

    images: [B, C, H, W] in 0..1. motion: None for models without dense motion. warped: the source moved by the flow
    alone, [B, C, H, W].
    """

    images: Tensor
    motion: Motion | None
    warped: Tensor | None


class MotionModel(nn.Module):
    """Detector, dense motion and generator under one configuration, built with random weights; see `load_model`.

    Calling it is the published model in one step, which encodes the source each time: right for training and for
    checking numbers. To animate a clip, use an `AnimationSession`.

    Args:
        config: The configuration, such as one of `PRESETS`.
        name: A name for messages.

    Example:
        >>> from fomm_nodes.fomm_core import PRESETS, MotionModel
        >>> model = MotionModel(PRESETS["demo-64"], name="mine")
        >>> model.config.num_keypoints, model.dense_motion is None
        (10, False)
    """

    def __init__(self, config: MotionModelConfig, *, name: str = "untrained") -> None:
        super().__init__()
        self.config = config
        self.name = name
        shape = {"num_keypoints": config.num_keypoints, "num_channels": config.num_channels}
        self.detector: KeypointDetector | PointDetector
        if isinstance(config.detector, KeypointDetectorConfig):
            self.detector = KeypointDetector(config.detector, **shape, estimate_jacobian=config.estimate_jacobian)
        else:
            self.detector = PointDetector(config.detector, **shape)
        self.dense_motion: DenseMotionNetwork | None = None
        if config.dense_motion is not None:
            network = ThinPlateMotionNetwork if config.family == "tps" else DenseMotionNetwork
            self.dense_motion = network(
                config.dense_motion,
                **shape,
                estimate_occlusion_map=config.generator.estimate_occlusion_map,
                align_corners=config.align_corners,
            )
        painter = LevelGenerator if config.generator.every_level else OcclusionAwareGenerator
        self.generator = painter(config.generator, num_channels=config.num_channels, align_corners=config.align_corners)
        self.avd: AvdNetwork | None = None
        if config.avd is not None:
            revert_axes = config.family == "mraa"
            self.avd = AvdNetwork(config.avd, motion_size=config.motion_size, revert_axes=revert_axes)
        self.background: BackgroundPredictor | None = None
        if config.background is not None:
            self.background = BackgroundPredictor(config.background, num_channels=config.num_channels)

    @property
    def num_parameters(self) -> int:
        """The number of trainable values in all networks."""
        return sum(parameter.numel() for parameter in self.parameters())

    @staticmethod
    def from_state(config: MotionModelConfig, state: Mapping[str, Tensor], *, name: str) -> MotionModel:
        """Build a model that holds the tensors of a state themselves, not copies, loaded strictly.

        Args:
            config: The configuration that the state fits.
            state: Tensors by name. Anti-alias kernels that it lacks, or that belong to another scale factor, are
                computed.
            name: A name for messages.

        Returns:
            The model, in training mode.
        """
        with torch.device("meta"):
            model = MotionModel(config, name=name)
        device = next(iter(state.values())).device
        kernels = {
            f"{path}.kernel": part.kernel.to(device)
            for path, part in model.named_modules()
            if isinstance(part, Downsample)
        }
        kernels = {
            key: kernel for key, kernel in kernels.items() if key not in state or state[key].shape != kernel.shape
        }
        model.load_state_dict({**state, **kernels}, strict=True, assign=True)
        return model

    def with_config(self, config: MotionModelConfig) -> MotionModel:
        """The same weights under another configuration of the same shape (see `MotionModelConfig.for_size`).

        Args:
            config: The other configuration.

        Returns:
            A model that shares the parameters; only the kernels of the anti-alias filters are computed anew.
        """
        if config == self.config:
            return self
        return MotionModel.from_state(config, self.state_dict(), name=self.name).train(self.training)

    def detect(self, images: Tensor) -> Keypoints:
        """Detect keypoints.

        Args:
            images: [B, C, H, W] in 0..1.

        Returns:
            Keypoints of B frames, on the model's device.

        Raises:
            SizeError: The size does not fit the strides of the networks.
        """
        self.config.check_size(*images.shape[-2:])
        return self.detector(images)

    def forward(
        self,
        source: Tensor,
        source_keypoints: Keypoints,
        driving_keypoints: Keypoints,
        *,
        background: Tensor | None = None,
    ) -> Frames:
        """Render one frame for each of the B driving keypoints.

        Args:
            source: [1 or B, C, H, W] in 0..1.
            source_keypoints: Of 1 or B frames.
            driving_keypoints: Of B frames.
            background: [B, 3, 3], how the camera moved, for reconstructing a clip; None if it did not, as in all
                animation.

        Returns:
            B frames with the motion and the warped source that led to them.

        Raises:
            SizeError: The size does not fit the strides of the networks.
            KeypointError: The number of keypoints is not the model's.
        """
        self.config.check_size(*source.shape[-2:])
        self.check_keypoints(driving_keypoints)
        if self.dense_motion is None:
            still = self.generator(source, None)
            return Frames(still.expand(len(driving_keypoints), -1, -1, -1), None, None)
        if len(source_keypoints) == 1:
            source_keypoints = source_keypoints.expand(len(driving_keypoints))
        small = self.dense_motion.reduce(source)
        motion = self.dense_motion(small, source_keypoints, driving_keypoints, background)
        return Frames(self.generator(source, motion), motion, self.generator.warp_image(source, motion))

    def check_keypoints(self, keypoints: Keypoints) -> None:
        """Check that keypoints are of the model's kind.

        Args:
            keypoints: Any number of frames.

        Raises:
            KeypointError: They have another number, or lack the Jacobians or covariances that the model needs.
        """
        expected = self.config.num_keypoints
        if keypoints.count != expected:
            raise KeypointError(
                f"expected {expected} keypoints a frame, as the model '{self.name}' has; got {keypoints.count}. "
                "Keypoints work only with the model (or one of the same data set) that detected them."
            )
        for what, there, needed in (
            ("jacobians", keypoints.jacobian is not None, self.config.estimate_jacobian),
            ("covariances", keypoints.covariance is not None, self._has_covariances),
        ):
            if there != needed and (self.config.family != "fomm" or what == "covariances"):
                words = ("with", "without") if needed else ("without", "with")
                raise KeypointError(
                    f"expected keypoints {words[0]} {what}, as the model '{self.name}' ({self.config.family}) has "
                    f"them; got some {words[1]}: they are of a model of another family. Detect them with this model."
                )

    @property
    def disentangle(self) -> Callable[[Keypoints, Keypoints], Keypoints] | None:
        """The function that the mode "avd" needs; None for models without an avd network. The model must be in eval
        mode.

        It takes keypoints of the source (one frame) and of T driving frames, and returns T frames on the CPU: the
        driver's pose in the source's shape.
        """
        return None if self.avd is None else self._disentangle

    @torch.inference_mode()
    def _disentangle(self, source: Keypoints, driving: Keypoints) -> Keypoints:
        assert self.avd is not None
        self.check_keypoints(source)
        self.check_keypoints(driving)
        device = next(self.avd.parameters()).device
        made: Keypoints = self.avd(source.to(device), driving.to(device))
        return made.to("cpu")

    def check_animates(self) -> None:
        """Check that the model animates.

        Raises:
            KeypointError: It is a model of part swap, whose motion keypoints cannot express.
        """
        if self.config.family == "partswap":
            raise KeypointError(
                f"expected a model that animates; '{self.name}' swaps parts between images: `fomm_core.parts`, or the "
                "blocks for parts."
            )

    @property
    def _has_covariances(self) -> bool:
        detector = self.config.detector
        return isinstance(detector, KeypointDetectorConfig) and detector.covariance != "none"


def build_discriminator(config: MotionModelConfig) -> MultiScaleDiscriminator | None:
    """The discriminator that belongs to a configuration, with random weights; None where it has none."""
    if config.discriminator is None:
        return None
    return MultiScaleDiscriminator(
        config.discriminator, num_channels=config.num_channels, num_keypoints=config.num_keypoints
    )
