# ruff: noqa: E402
"""A very small training run on made-up clips, for tests; run as a script it is a process of its own to be killed."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parents[3]

if __name__ == "__main__":  # a process of its own has no conftest
    spec = importlib.util.spec_from_file_location(
        "fomm_nodes", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    assert spec is not None
    assert spec.loader is not None
    sys.modules["fomm_nodes"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["fomm_nodes"])
    torch.set_num_threads(1)

from fomm_nodes.fomm_core.config import (
    DenseMotionConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    KeypointDetectorConfig,
    MotionModelConfig,
)
from fomm_nodes.fomm_core.training.config import AugmentationConfig, LossWeights, TrainingConfig, TransformConfig
from fomm_nodes.fomm_core.training.hardware import Hardware
from fomm_nodes.fomm_core.training.loop import RunOptions, Trainer
from fomm_nodes.fomm_core.training.run_log import RunLog
from fomm_nodes.fomm_core.training.seeds import generator_at
from fomm_nodes.fomm_core.training.state import RunFolder

MODEL = MotionModelConfig(
    frame_size=(32, 32),
    num_keypoints=3,
    num_channels=3,
    estimate_jacobian=True,
    align_corners=True,
    detector=KeypointDetectorConfig(
        block_expansion=4,
        max_features=8,
        num_blocks=2,
        temperature=0.1,
        scale_factor=0.5,
        single_jacobian_map=False,
        pad=0,
    ),
    generator=GeneratorConfig(
        block_expansion=4, max_features=8, num_down_blocks=1, num_bottleneck_blocks=1, estimate_occlusion_map=True
    ),
    dense_motion=DenseMotionConfig(block_expansion=4, max_features=8, num_blocks=2, scale_factor=0.5, kp_variance=0.01),
    discriminator=DiscriminatorConfig(
        scales=(1.0,),
        block_expansion=4,
        max_features=8,
        num_blocks=2,
        spectral_norm=True,
        use_keypoints=True,
        kp_variance=0.01,
    ),
)
TRAINING = TrainingConfig(
    losses=LossWeights(
        perceptual=(),
        generator_gan=1.0,
        discriminator_gan=1.0,
        feature_matching=(1.0, 1.0),
        equivariance_value=10.0,
        equivariance_jacobian=10.0,
        l1=10.0,
    ),
    scales=(1.0,),
    transform=TransformConfig(sigma_affine=0.05, sigma_tps=0.005, points_tps=5),
    augmentation=AugmentationConfig(
        horizontal_flip=False,
        time_flip=False,
        brightness=0,
        contrast=0,
        saturation=0,
        hue=0,
        rotation_degrees=0,
        zoom=0,
    ),
    batch_size=4,
    accumulate=1,
    steps=12,
    milestones=(8,),
    decay=0.1,
    lr_generator=1e-3,
    lr_discriminator=1e-3,
    lr_detector=1e-3,
    clip_norm=5.0,
    ema_decay=0.9,
    backbone="none",
    freeze_detector=False,
    joint_detector=False,
)


@dataclass(frozen=True)
class MadeUpPairs:
    """A square on a gradient, somewhere else in each frame."""

    size: tuple[int, int]
    seed: int = 0
    broken_at: int | None = None

    def to(self, device: torch.device) -> MadeUpPairs:
        return self

    def batch(self, step: int, indices: Sequence[int]) -> Any:
        frames = []
        for index in indices:
            generator = generator_at(self.seed, step, index, "square")
            colour = torch.rand(3, 1, 1, generator=generator)
            ground = torch.linspace(0, 1, self.size[1]).expand(3, *self.size) * torch.rand(3, 1, 1, generator=generator)
            pair = ground.repeat(2, 1, 1, 1)
            for frame in pair:
                y, x = torch.randint(0, 20, (2,), generator=generator).tolist()
                frame[:, y : y + 10, x : x + 10] = colour
            frames.append(pair)
        source, driving = torch.stack(frames).unbind(1)
        if step == self.broken_at:
            driving = driving.clone()
            driving[0, 0, 0, 0] = torch.nan
        return _Pairs(source, driving)


@dataclass(frozen=True, eq=False)
class _Pairs:
    source: torch.Tensor
    driving: torch.Tensor
    points: torch.Tensor | None = None


def small_trainer(folder: Path | None = None, *, broken_at: int | None = None, **changes: Any) -> Trainer:
    """Changes are of TrainingConfig where it has them, of RunOptions otherwise."""
    names = set(TrainingConfig.__dataclass_fields__)
    config = replace(TRAINING, **{name: value for name, value in changes.items() if name in names})
    defaults: dict[str, Any] = {"strip_steps": 0, "hardware": Hardware(accelerator="cpu")}
    options = RunOptions(**{**defaults, **{name: value for name, value in changes.items() if name not in names}})
    pairs = MadeUpPairs(MODEL.frame_size, broken_at=broken_at)
    kept = None if folder is None else RunFolder(folder, keep=options.keep)
    return Trainer(MODEL, config, pairs, folder=kept, options=options)


def main(folder: str, changes: str) -> int:
    given = json.loads(changes)
    torch.set_default_dtype(torch.float64 if given.pop("double", False) else torch.float32)
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    if "devices" in given:
        given["hardware"] = Hardware(accelerator="cpu", devices=given.pop("devices"))
    trainer = small_trainer(Path(folder), **given)
    if not trainer.fabric.is_global_zero:
        return 0 if trainer.run() else 1
    assert trainer.folder is not None
    with RunLog(trainer.folder, step=trainer.step, tensorboard=False) as log:
        return 0 if trainer.run(log) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
