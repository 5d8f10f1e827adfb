"""One step of training: the losses of generator and detector, then those of the discriminator.

The order in which networks see images is the published one, since batch norm and spectral norm remember: the
detector sees source, driving, and deformed driving frames; the discriminator generated, then real ones, in both parts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ..errors import TrainingError
from ..geometry import Keypoints
from ..model import Frames, MotionModel, build_discriminator
from ..networks import MultiScaleDiscriminator, Verdict
from . import losses
from .config import TrainingConfig
from .family import Draws, background_motion, check_trains, rebuilt_motion, warp_loss
from .landmarks import TIED, acting_map, check_tied, opening_difference, read_again, tied, tied_difference
from .pyramid import Pyramid
from .quick import use_fast_layers
from .transform import RandomTransform


class TrainingNetworks(nn.Module):
    """The model, its discriminator where there is one, and the frozen backbone of the perceptual loss.

    The backbone is no part of `state_dict()` and `parameters()`, but follows `to(device)`.
    """

    def __init__(
        self,
        model: MotionModel,
        discriminator: MultiScaleDiscriminator | None = None,
        backbone: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.discriminator = discriminator
        self._frozen = () if backbone is None else (backbone.eval().requires_grad_(False),)

    @staticmethod
    def build(model: MotionModel, config: TrainingConfig, *, backbone: nn.Module | None = None) -> TrainingNetworks:
        """`model`, quickened, with a new discriminator where the losses ask for one, in training mode.

        `backbone`: see `perceptual.build_backbone`. TrainingError where the losses need what is not given.
        """
        check_trains(model)
        discriminator = build_discriminator(model.config) if config.losses.adversarial else None
        if config.losses.adversarial and discriminator is None:
            raise TrainingError(
                f"expected a discriminator in the model's configuration, since generator_gan is "
                f"{config.losses.generator_gan}; got none. Train with generator_gan 0, or choose a preset that has one."
            )
        if config.perceptual and backbone is None:
            raise TrainingError(f"expected the backbone '{config.backbone}' for the perceptual loss; got none.")
        if config.losses.landmarks or config.losses.readback or config.losses.openings:
            check_tied(model.config.num_keypoints)
        if config.phase == "avd":
            return _for_avd(model)
        use_fast_layers(model)
        networks = TrainingNetworks(model, discriminator, backbone if config.perceptual else None).train()
        model.requires_grad_(True)
        model.detector.requires_grad_(not config.freeze_detector).train(not config.freeze_detector)
        return networks

    @property
    def backbone(self) -> nn.Module | None:
        """(Images [B, 3, H, W] in 0..1, number of layers) -> features of each; None where no loss asks for it."""
        return self._frozen[0] if self._frozen else None

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> TrainingNetworks:
        super()._apply(fn, recurse)
        for module in self._frozen:
            module._apply(fn, recurse)
        return self


def _for_avd(model: MotionModel) -> TrainingNetworks:
    """All but the network of the mode "avd" is frozen, and works as it does in animation."""
    assert model.avd is not None
    networks = TrainingNetworks(model).eval().requires_grad_(False)
    model.avd.train().requires_grad_(True)
    return networks


@dataclass(frozen=True, eq=False)
class GeneratorPass:
    """What the generator's part of a step leaves behind.

    losses: scalars by name (perceptual, l1, spread, landmarks, readback, gen_gan, feature_matching, equivariance_value,
    equivariance_jacobian, warp, background), weighted already: their sum is what is differentiated. Losses that are off
    are absent.
    generated, real: the images at all scales, cut off from the generator. verdicts: on the real ones, where they stay
    the same in the discriminator's part.
    """

    losses: dict[str, Tensor]
    frames: Frames
    source_keypoints: Keypoints
    driving_keypoints: Keypoints
    generated: Pyramid
    real: Pyramid
    verdicts: list[Verdict] | None


def generator_losses(
    networks: TrainingNetworks,
    source: Tensor,
    driving: Tensor,
    transform: RandomTransform,
    config: TrainingConfig,
    points: Tensor | None = None,
    draws: Draws | None = None,
) -> GeneratorPass:
    """Rebuild `driving` from `source` (both [B, C, H, W] in 0..1) and measure how far off it is.

    With a frozen detector there is nothing that the equivariance losses could teach: they are left out. points: where
    mouth and eyes are in both frames, [B, 2, 64, 2], see `data.Pairs`. draws: see `family.Draws`.
    """
    weights, draws = config.losses, draws or Draws()
    at_source, at_driving, at_transformed = detect(networks.model, source, driving, transform, config)
    background, around = background_motion(networks.model, source, driving, config, draws)
    frames = rebuild(networks.model, source, at_source, at_driving, background, draws)
    generated, real = Pyramid(frames.images), Pyramid(driving)
    terms: dict[str, Tensor] = {}
    if config.perceptual:
        terms["perceptual"] = perceptual_loss(networks, generated, real, config)
    if weights.l1:
        difference = losses.mean_difference(frames.images, driving)
        if weights.acting and points is not None:
            more = weights.acting * acting_map(points, *driving.shape[-2:])
            difference = difference + losses.weighted_difference(frames.images, driving, more)
        terms["l1"] = weights.l1 * difference
    if weights.spread and not config.freeze_detector:
        terms["spread"] = weights.spread * (losses.crowding(at_source) + losses.crowding(at_driving)) / 2
    if weights.landmarks and not config.freeze_detector:
        terms["landmarks"] = weights.landmarks * over_both(tied_difference, at_source, at_driving, points)
    if weights.readback or weights.openings:
        read, wanted = read_again(networks.model.detector, frames.images), tied(at_driving).detach()
        if weights.readback:
            terms["readback"] = weights.readback * losses.mean_difference(read, wanted)
        if weights.openings:
            gaps = opening_difference(read, wanted) + over_both(opening_difference, at_source, at_driving, points)
            terms["openings"] = weights.openings * gaps
    verdicts = None
    if weights.adversarial:
        adversarial, verdicts = adversarial_losses(networks, generated, real, at_driving, config)
        terms.update(adversarial)
    if at_transformed is not None:
        if weights.equivariance_value:
            value = losses.equivariance_value(at_driving, at_transformed, transform)
            terms["equivariance_value"] = weights.equivariance_value * value
        if weights.equivariance_jacobian and at_driving.jacobian is not None:
            motion = networks.model.config.dense_motion
            revert_axes = motion is not None and motion.revert_axes
            value = losses.equivariance_jacobian(at_driving, at_transformed, transform, revert_axes=revert_axes)
            terms["equivariance_jacobian"] = weights.equivariance_jacobian * value
    if weights.warp and frames.motion is not None:
        terms["warp"] = weights.warp * warp_loss(networks.model.generator, source, driving, frames.motion)
    if around is not None:
        terms["background"] = around
    return GeneratorPass(terms, frames, at_source, at_driving, generated.detach(), real, verdicts)


def detect(
    model: MotionModel, source: Tensor, driving: Tensor, transform: RandomTransform, config: TrainingConfig
) -> tuple[Keypoints, Keypoints, Keypoints | None]:
    """Keypoints of source, driving, and (where a loss asks for them) of the deformed driving frames."""
    if config.freeze_detector:
        with torch.no_grad():
            both = model.detect(torch.cat([source, driving]))
        return both[: len(source)], both[len(source) :], None
    pictures = [source, driving]
    if config.losses.equivariance:
        pictures.append(transform.frame(driving, align_corners=model.config.align_corners))
    if config.joint_detector:
        together = model.detect(torch.cat(pictures))
        found = [together[i * len(source) : (i + 1) * len(source)] for i in range(len(pictures))]
    else:
        found = [model.detect(picture) for picture in pictures]
    return found[0], found[1], found[2] if len(found) == 3 else None


def rebuild(
    model: MotionModel,
    source: Tensor,
    at_source: Keypoints,
    at_driving: Keypoints,
    background: Tensor | None,
    draws: Draws,
) -> Frames:
    """The model's frames; `warped` is there to be looked at, and takes no part in what is learned."""
    if model.dense_motion is None:
        return Frames(model.generator(source, None), None, None)
    motion = rebuilt_motion(model, source, at_source, at_driving, background, draws)
    images = model.generator(source, motion)
    with torch.no_grad():
        warped = model.generator.warp_image(source, motion)
    return Frames(images, motion, warped)


def over_both(
    difference: Callable[[Tensor, Tensor], Tensor], at_source: Keypoints, at_driving: Keypoints, points: Tensor | None
) -> Tensor:
    """The mean, over source and driving frame, of a difference between tied keypoints [B, 10, 2] and their points; 0
    where no clip tells.
    """
    if points is None:
        return at_source.position.new_zeros(())
    known = points[:, :, TIED]
    return (difference(tied(at_source), known[:, 0]) + difference(tied(at_driving), known[:, 1])) / 2


def perceptual_loss(networks: TrainingNetworks, generated: Pyramid, real: Pyramid, config: TrainingConfig) -> Tensor:
    """Differences of the backbone's features, over all scales and layers (section 3.3 of the paper), weighted."""
    assert networks.backbone is not None
    total = []
    layers = max(i for i, weight in enumerate(config.losses.perceptual, 1) if weight)
    for scale in config.scales:
        with torch.no_grad():
            expected = networks.backbone(real.at(scale), layers)
        got = networks.backbone(generated.at(scale), layers)
        total.append(losses.layer_differences(got, expected, config.losses.perceptual))
    return torch.stack(total).sum()


def adversarial_losses(
    networks: TrainingNetworks, generated: Pyramid, real: Pyramid, at_driving: Keypoints, config: TrainingConfig
) -> tuple[dict[str, Tensor], list[Verdict] | None]:
    """gen_gan and feature_matching, weighted, and the verdicts on real images where they are worth keeping.

    The discriminator learns nothing here: its parameters take part as constants. Without spectral norm (whose estimate
    advances with each pass) its verdicts on real images will be the same in its own part, and are kept with their
    graph.
    """
    discriminator = networks.discriminator
    assert discriminator is not None
    seen = _detached(at_driving)
    constants = {name: parameter.detach() for name, parameter in discriminator.named_parameters()}
    on_generated = functional_call(discriminator, constants, (_at_scales(discriminator, generated), seen))
    terms = {"gen_gan": config.losses.generator_gan * losses.generator_gan(on_generated)}
    if not any(config.losses.feature_matching):
        return terms, None
    keep = not any(name.endswith("weight_orig") for name in constants)
    with torch.set_grad_enabled(keep):
        on_real = discriminator(_at_scales(discriminator, real), seen)
    differences = [
        losses.layer_differences(got.features, [f.detach() for f in expected.features], config.losses.feature_matching)
        for got, expected in zip(on_generated, on_real, strict=True)
    ]
    terms["feature_matching"] = torch.stack(differences).sum()
    return terms, on_real if keep else None


def discriminator_losses(networks: TrainingNetworks, pass_: GeneratorPass, config: TrainingConfig) -> dict[str, Tensor]:
    """{"disc_gan": scalar}, weighted; gradients reach the discriminator alone. Call it after the generator's step."""
    discriminator = networks.discriminator
    assert discriminator is not None
    seen = _detached(pass_.driving_keypoints)
    on_generated = discriminator(_at_scales(discriminator, pass_.generated), seen)
    on_real = pass_.verdicts
    if on_real is None:
        on_real = discriminator(_at_scales(discriminator, pass_.real), seen)
    return {"disc_gan": config.losses.discriminator_gan * losses.discriminator_gan(on_generated, on_real)}


def _at_scales(discriminator: MultiScaleDiscriminator, pyramid: Pyramid) -> list[Tensor]:
    return [pyramid.at(scale) for scale in discriminator.scales]


def _detached(keypoints: Keypoints) -> Keypoints:
    jacobian = None if keypoints.jacobian is None else keypoints.jacobian.detach()
    return Keypoints(keypoints.position.detach(), jacobian)
