"""Training steps per CPU second: ours against a plain step that is written as the published one is.

Plain: the detector runs three times; images are filtered at full size and then thinned out; the discriminator sees
the real frames twice and learns nothing from half of what it computes; the transform's jacobian comes from autograd;
one Adam for each network. Both start from the same random weights and see the same frames and transforms. They take
turns, so that a machine whose speed drifts slows both alike; the figures are medians of process CPU time.
"""

from __future__ import annotations

import copy
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from fomm_nodes.fomm_core import MotionModel
from fomm_nodes.fomm_core.checkpoints import ASSETS
from fomm_nodes.fomm_core.fitting import fit_uint8
from fomm_nodes.fomm_core.geometry import (
    Keypoints,
    Motion,
    antialias_kernel,
    coordinate_grid,
    downsample_factor,
    identity_like,
    inverse,
)
from fomm_nodes.fomm_core.model import build_discriminator
from fomm_nodes.fomm_core.networks import SparseMotion
from fomm_nodes.fomm_core.precision import is_fast
from fomm_nodes.fomm_core.training import losses
from fomm_nodes.fomm_core.training.config import TrainingConfig
from fomm_nodes.fomm_core.training.optimise import BETAS, build_optimizers
from fomm_nodes.fomm_core.training.perceptual import build_backbone
from fomm_nodes.fomm_core.training.presets import training_preset
from fomm_nodes.fomm_core.training.seeds import generator_at
from fomm_nodes.fomm_core.training.step import TrainingNetworks, discriminator_losses, generator_losses
from fomm_nodes.fomm_core.training.transform import RandomTransform
from fomm_nodes.fomm_core.video import VideoReader
from torch import Tensor, nn

Step = Callable[[Tensor, Tensor, RandomTransform], dict[str, Tensor]]


class FilterThenThin(nn.Module):
    """An image at `scale`: every pixel is filtered, most are dropped."""

    kernel: Tensor

    def __init__(self, channels: int, scale: float) -> None:
        super().__init__()
        kernel = antialias_kernel(scale)
        self.factor = downsample_factor(scale)
        self.register_buffer("kernel", kernel.expand(channels, 1, *kernel.shape).clone())

    def forward(self, image: Tensor) -> Tensor:
        if self.factor == 1:
            return image
        filtered = F.conv2d(image, self.kernel, padding=self.kernel.shape[-1] // 2, groups=image.shape[1])
        return filtered[:, :, :: self.factor, :: self.factor]


def plain_step(networks: TrainingNetworks, config: TrainingConfig) -> Step:
    """A step as the published code makes it."""
    model, discriminator, backbone = networks.model, networks.discriminator, networks.backbone
    channels = model.config.num_channels
    model.detector.downsample = FilterThenThin(channels, model.config.detector.scale_factor)
    dense_motion = model.dense_motion
    assert dense_motion is not None
    dense_motion.downsample = FilterThenThin(channels, model.config.dense_motion.scale_factor)
    scales = [FilterThenThin(channels, scale) for scale in config.scales]
    of_detector = [*model.detector.parameters()]
    of_generator = [*model.generator.parameters(), *dense_motion.parameters()]
    optimizers = [torch.optim.Adam(of_generator, lr=config.lr_generator, betas=BETAS)]
    optimizers.append(torch.optim.Adam(of_detector, lr=config.lr_detector, betas=BETAS))
    if discriminator is not None:
        optimizers.append(torch.optim.Adam(discriminator.parameters(), lr=config.lr_discriminator, betas=BETAS))

    def detect(images: Tensor) -> Keypoints:
        """Heads one after the other."""
        detector = model.detector
        features = detector.features(images)
        logits = detector.heatmap_head(features) / detector.temperature
        heatmap = logits.flatten(2).softmax(-1).view_as(logits).unsqueeze(2)
        grid = coordinate_grid(*heatmap.shape[-2:], like=heatmap)
        assert detector.jacobian_head is not None
        maps = detector.jacobian_head(features).unflatten(1, (-1, 4))
        jacobian = (heatmap * maps).sum((-2, -1))
        return Keypoints((heatmap.squeeze(2).unsqueeze(-1) * grid).sum((2, 3)), jacobian.unflatten(-1, (2, 2)))

    def weigh(sparse: SparseMotion) -> Motion:
        """Likewise."""
        inputs = torch.cat([sparse.heatmaps.unsqueeze(2), sparse.warped], dim=2).flatten(1, 2)
        features = dense_motion.hourglass(inputs)
        mask = dense_motion.mask_head(features).softmax(1)
        flow = (sparse.flows * mask.unsqueeze(-1)).sum(1)
        assert dense_motion.occlusion_head is not None
        return Motion(flow, dense_motion.occlusion_head(features).sigmoid(), mask)

    dense_motion.weigh = weigh

    def jacobian_by_autograd(transform: RandomTransform, points: Tensor) -> Tensor:
        moved = transform.points(points)
        rows = [torch.autograd.grad(moved[..., i].sum(), points, create_graph=True)[0] for i in range(2)]
        return torch.stack(rows, -2)

    def step(source: Tensor, driving: Tensor, transform: RandomTransform) -> dict[str, Tensor]:
        weights = config.losses
        at_source, at_driving = detect(source), detect(driving)
        frames = model(source, at_source, at_driving)
        real, generated = [thin(driving) for thin in scales], [thin(frames.images) for thin in scales]
        terms: dict[str, Tensor] = {}
        if backbone is not None:
            layers = len(weights.perceptual)
            each = [
                losses.layer_differences(backbone(a, layers), backbone(b, layers), weights.perceptual)
                for a, b in zip(generated, real, strict=True)
            ]
            terms["perceptual"] = torch.stack(each).sum()
        seen = Keypoints(at_driving.position.detach())
        if discriminator is not None:
            on_generated, on_real = discriminator(generated[:1], seen), discriminator(real[:1], seen)
            terms["gen_gan"] = weights.generator_gan * losses.generator_gan(on_generated)
            terms["feature_matching"] = losses.layer_differences(
                on_generated[0].features, on_real[0].features, weights.feature_matching
            )
        moved = transform.frame(driving, align_corners=model.config.align_corners)
        at_moved = detect(moved)
        assert at_driving.jacobian is not None
        assert at_moved.jacobian is not None
        terms["equivariance_value"] = weights.equivariance_value * losses.equivariance_value(
            at_driving, at_moved, transform
        )
        around = inverse(at_driving.jacobian) @ jacobian_by_autograd(transform, at_moved.position) @ at_moved.jacobian
        terms["equivariance_jacobian"] = weights.equivariance_jacobian * losses.mean_difference(
            identity_like(around), around
        )
        if weights.l1:
            terms["l1"] = weights.l1 * losses.mean_difference(frames.images, driving)
        if weights.spread:
            terms["spread"] = weights.spread * (losses.crowding(at_source) + losses.crowding(at_driving)) / 2
        torch.stack(list(terms.values())).sum().backward()
        for optimizer in optimizers[:2]:
            optimizer.step()
            optimizer.zero_grad()
        if discriminator is not None:
            optimizers[2].zero_grad()
            real, fake = [driving], [frames.images.detach()]
            on_generated, on_real = discriminator(fake, seen), discriminator(real, seen)
            terms["disc_gan"] = weights.discriminator_gan * losses.discriminator_gan(on_generated, on_real)
            terms["disc_gan"].backward()
            optimizers[2].step()
            optimizers[2].zero_grad()
        return terms

    return step


def our_step(networks: TrainingNetworks, config: TrainingConfig) -> Step:
    """A step as `training.loop` makes it."""
    optimizers = build_optimizers(networks, config)

    def step(source: Tensor, driving: Tensor, transform: RandomTransform) -> dict[str, Tensor]:
        source, driving = (images.contiguous(memory_format=torch.channels_last) for images in (source, driving))
        passed = generator_losses(networks, source, driving, transform, config)
        terms = passed.losses
        torch.stack(list(terms.values())).sum().backward()
        optimizers.generator.step()
        optimizers.generator.zero_grad()
        if optimizers.discriminator is not None:
            judged = discriminator_losses(networks, passed, config)
            judged["disc_gan"].backward()
            optimizers.discriminator.step()
            optimizers.discriminator.zero_grad()
            terms = {**terms, **judged}
        return terms

    return step


def in_bfloat16(step: Step) -> Step:
    """The step as `--precision bfloat16` makes it: backwards, formats are those of the way forwards."""

    def lower(source: Tensor, driving: Tensor, transform: RandomTransform) -> dict[str, Tensor]:
        with torch.autocast("cpu", torch.bfloat16):
            return step(source, driving, transform)

    return lower


def measure(
    *, rounds: int, preset: str, size: int, batch: int, backbone: str, backbone_weights: Path | None, threads: int
) -> None:
    """Print the table, for the widths and losses of `preset` and random weights of the networks."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model_config, config = training_preset(preset)
    perceptual = () if backbone == "none" else config.losses.perceptual
    config = replace(
        config, backbone=backbone, losses=replace(config.losses, perceptual=perceptual), joint_detector=False
    )
    sees = None if backbone == "none" else build_backbone(backbone, backbone_weights)
    ways: dict[str, Step] = {}
    model = MotionModel(model_config)
    plain = TrainingNetworks(
        copy.deepcopy(model), build_discriminator(model_config) if config.losses.adversarial else None, sees
    )
    second, together, lower = (TrainingNetworks.build(copy.deepcopy(model), config, backbone=sees) for _ in range(3))
    for networks in (second, together, lower):
        if networks.discriminator is not None and plain.discriminator is not None:
            networks.discriminator.load_state_dict(plain.discriminator.state_dict())
    ways["plain step"] = plain_step(plain.train(), config)
    ways["ours"] = our_step(second, config)
    jointly = replace(config, joint_detector=True)
    ways["ours, one pass of the detector"] = our_step(together, jointly)
    if is_fast(torch.bfloat16, torch.device("cpu")):
        ways["the same in bfloat16"] = in_bfloat16(our_step(lower, jointly))
    with VideoReader(ASSETS / "driving.mp4") as reader:
        clip = torch.cat([fit_uint8(frame, size, size) for frame in reader])
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    totals: dict[str, float] = {}
    for index in range(rounds + 1):
        places = torch.arange(batch) * 5 + index
        source, driving = clip[places % len(clip)], clip[(places + 11) % len(clip)]
        transform = RandomTransform.sample(config.transform, [generator_at(index, i) for i in range(batch)])
        for name, step in ways.items():
            began = time.process_time()
            terms = step(source, driving, transform)
            if index:
                seconds[name].append(time.process_time() - began)
            totals.setdefault(name, torch.stack(list(terms.values())).sum().item())
    if not math.isclose(totals["ours"], totals["plain step"], rel_tol=1e-4):
        raise AssertionError(f"expected both ways to begin with the same loss; got {totals}")
    base = statistics.median(seconds["plain step"])
    print(
        f"{preset}, {size}x{size}, batch {batch}, backbone {backbone}, {threads} thread(s), torch {torch.__version__}, "
        f"{rounds} steps each"
    )
    print(f"{'way':<34}{'CPU s/step':>12}{'ratio':>8}{'first loss':>14}")
    for name, taken in seconds.items():
        median = statistics.median(taken)
        print(f"{name:<34}{median:>12.3f}{base / median:>7.2f}x{totals[name]:>14.5f}")
