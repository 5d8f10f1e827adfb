"""The model: its configuration and its three networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .config import MotionModelConfig
from .errors import KeypointError
from .geometry import Keypoints, Motion
from .networks import DenseMotionNetwork, Downsample, KeypointDetector, MultiScaleDiscriminator, OcclusionAwareGenerator


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
    """Detector, dense motion and generator under one configuration. Built with random weights; see `load_model`.

    Calling it is the published model in one step, the source encoded anew each time: right for training and for
    checking numbers. To animate a clip use an AnimationSession.
    """

    def __init__(self, config: MotionModelConfig, *, name: str = "untrained") -> None:
        super().__init__()
        self.config = config
        self.name = name
        shape = {"num_keypoints": config.num_keypoints, "num_channels": config.num_channels}
        self.detector = KeypointDetector(config.detector, **shape, estimate_jacobian=config.estimate_jacobian)
        self.dense_motion: DenseMotionNetwork | None = None
        if config.dense_motion is not None:
            self.dense_motion = DenseMotionNetwork(
                config.dense_motion,
                **shape,
                estimate_occlusion_map=config.generator.estimate_occlusion_map,
                align_corners=config.align_corners,
            )
        self.generator = OcclusionAwareGenerator(
            config.generator, num_channels=config.num_channels, align_corners=config.align_corners
        )

    @property
    def num_parameters(self) -> int:
        """Trainable numbers in all three networks."""
        return sum(parameter.numel() for parameter in self.parameters())

    @staticmethod
    def from_state(config: MotionModelConfig, state: Mapping[str, Tensor], *, name: str) -> MotionModel:
        """A model that holds the very tensors of `state` (not copies), loaded strictly.

        Anti-alias kernels that `state` lacks, or holds for another scale factor, are made anew.
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

        Parameters are shared, not copied; only the kernels of the anti-alias filters are made anew.
        """
        if config == self.config:
            return self
        return MotionModel.from_state(config, self.state_dict(), name=self.name).train(self.training)

    def detect(self, images: Tensor) -> Keypoints:
        """Keypoints of [B, C, H, W]; raises SizeError where the size does not fit."""
        self.config.check_size(*images.shape[-2:])
        return self.detector(images)

    def forward(self, source: Tensor, source_keypoints: Keypoints, driving_keypoints: Keypoints) -> Frames:
        """Render one frame for each of the B driving keypoints from `source` [1 or B, C, H, W]."""
        self.config.check_size(*source.shape[-2:])
        self.check_keypoints(driving_keypoints)
        if self.dense_motion is None:
            still = self.generator(source, None)
            return Frames(still.expand(len(driving_keypoints), -1, -1, -1), None, None)
        if len(source_keypoints) == 1:
            source_keypoints = source_keypoints.expand(len(driving_keypoints))
        motion = self.dense_motion(self.dense_motion.reduce(source), source_keypoints, driving_keypoints)
        return Frames(self.generator(source, motion), motion, self.generator.warp_image(source, motion))

    def check_keypoints(self, keypoints: Keypoints) -> None:
        """Raise KeypointError where the number of keypoints is not the model's."""
        expected = self.config.num_keypoints
        if keypoints.count != expected:
            raise KeypointError(
                f"expected {expected} keypoints a frame, as the model '{self.name}' has; got {keypoints.count}. "
                "Keypoints work only with the model (or one of the same data set) that detected them."
            )


def build_discriminator(config: MotionModelConfig) -> MultiScaleDiscriminator | None:
    """The discriminator that belongs to a configuration, with random weights; None where it has none."""
    if config.discriminator is None:
        return None
    return MultiScaleDiscriminator(
        config.discriminator, num_channels=config.num_channels, num_keypoints=config.num_keypoints
    )
