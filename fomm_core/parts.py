"""Parts of people and faces: soft masks of them, and images whose parts come from another (part swap)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .errors import ImageError, KeypointError
from .fitting import as_rgb
from .geometry import Keypoints, Motion, resize_maps, warp
from .model import MotionModel
from .networks import KeypointDetector, part_motion
from .session import AnimationSession

HARD = 0.5


@dataclass(frozen=True, eq=False)
class Parts:
    """The parts of T images. masks: [T, K + 1, h, w], summing to 1, the background first. keypoints: of each part."""

    keypoints: Keypoints
    masks: Tensor

    def __len__(self) -> int:
        return len(self.masks)

    @property
    def count(self) -> int:
        """Parts, and the background."""
        return self.masks.shape[1]


@dataclass(frozen=True, eq=False)
class Swapped:
    """n images [n, C, H, W] in 0..1, and what of them comes from the source, [n, 1, H, W]."""

    images: Tensor
    mask: Tensor


def check_parts(model: MotionModel) -> None:
    """Raise KeypointError for a model that knows no parts."""
    if model.config.family != "partswap":
        raise KeypointError(
            f"expected a model of part swap, with a segmentation; '{model.name}' is of '{model.config.family}' and has "
            "none. Load one, such as vox-10segments."
        )


def chosen_parts(parts: Sequence[int], count: int) -> list[int]:
    """The same numbers, each once; raises KeypointError outside 0..count-1, or for none. 0 is the background."""
    wrong = [part for part in parts if not 0 <= part < count]
    if wrong or not parts:
        got = ", ".join(map(str, wrong)) or "none"
        raise KeypointError(f"expected numbers of parts from 0 (the background) to {count - 1}; got {got}.")
    return sorted(set(parts))


def mask_of(masks: Tensor, parts: Sequence[int], *, hard: bool = False) -> Tensor:
    """The parts of these numbers together, [T, 1, h, w] of masks [T, K + 1, h, w]. hard: black or white."""
    together = masks[:, chosen_parts(parts, masks.shape[1])].sum(1, keepdim=True)
    return (together > HARD).to(together) if hard else together


def detect_parts(session: AnimationSession, frames: Tensor | Iterable[Tensor]) -> Parts:
    """The parts of images [T, C, H, W] in 0..1 or of batches of them, at a size that the model takes; on the CPU.

    Raises KeypointError for a model of another family, ImageError for no image.
    """
    check_parts(session.model)
    found = [_parts(session, chunk) for batch in _batches(frames) for chunk in as_rgb(batch).split(session.chunk)]
    if not found:
        raise ImageError("expected at least one image; got none.")
    keypoints = Keypoints.cat([part.keypoints.to("cpu") for part in found])
    return Parts(keypoints, torch.cat([part.masks.cpu() for part in found]))


def swap_parts(
    session: AnimationSession,
    source: Tensor,
    target: Tensor | Iterable[Tensor],
    parts: Sequence[int],
    *,
    hard: bool = False,
    of_source: bool = False,
) -> Iterator[Swapped]:
    """Pictures of the target with the chosen parts of the source, moved into the target's pose, in chunks.

    Args:
        source: [1, C, H, W] in 0..1, at a size that the model takes.
        target: images of that size, [T, C, H, W], or batches of them.
        parts: their numbers, 0 for the background.
        hard: mask edges black or white; otherwise as soft as the model finds them.
        of_source: the mask is where the source has the parts, moved; otherwise where the target has them.

    Raises:
        KeypointError: a model of another family, or a part that it does not have.
        ImageError: more than one source, or sizes that differ.
    """
    check_parts(session.model)
    parts = chosen_parts(parts, session.config.num_keypoints + 1)
    source = as_rgb(source)
    if len(source) != 1:
        raise ImageError(f"expected one source image; got {len(source)}.")
    at_source = _parts(session, source)
    with torch.inference_mode():
        features = session.network(*source.shape[-2:]).generator.encode(source.to(session.device))[-1]
    for batch in _batches(target):
        if batch.shape[-2:] != source.shape[-2:]:
            raise ImageError(
                f"expected target images of the source's size, {list(source.shape[-2:])}; got "
                f"{list(batch.shape[-2:])}: fit both to the model."
            )
        for chunk in as_rgb(batch).split(session.chunk):
            yield _swapped(session, at_source, features, chunk, parts, hard=hard, of_source=of_source)


def _batches(frames: Tensor | Iterable[Tensor]) -> Iterable[Tensor]:
    return [frames] if isinstance(frames, Tensor) else frames


@torch.inference_mode()
def _parts(session: AnimationSession, pictures: Tensor) -> Parts:
    detector = session.network(*pictures.shape[-2:]).detector
    assert isinstance(detector, KeypointDetector)
    return Parts(*detector.parts(pictures.to(session.device)))


@torch.inference_mode()
def _swapped(
    session: AnimationSession,
    source: Parts,
    features: Tensor,
    pictures: Tensor,
    parts: Sequence[int],
    *,
    hard: bool,
    of_source: bool,
) -> Swapped:
    network = session.network(*pictures.shape[-2:])
    target = _parts(session, pictures)
    motion = motion_between(network, source, target)
    mask = mask_of(target.masks, parts, hard=hard)
    if of_source:
        mask = moved_mask(network, mask_of(source.masks, parts, hard=hard), motion)
    own = network.generator.encode(pictures.to(session.device))[-1]
    painted = network.generator.decode(mixed(network, own, features, mask, motion))
    return Swapped(painted, resize_maps(mask, *pictures.shape[-2:]))


def motion_between(model: MotionModel, source: Parts, target: Parts) -> Motion:
    """From the target's pose to the one source."""
    frames = len(target)
    source_masks = source.masks.expand(frames, -1, -1, -1)
    visibility = model.config.generator.estimate_occlusion_map
    return part_motion(
        source.keypoints.expand(frames), target.keypoints, source_masks, target.masks, visibility=visibility
    )


def moved_mask(model: MotionModel, mask: Tensor, motion: Motion) -> Tensor:
    """A mask of the source [1, 1, h, w] in the target's pose, [B, 1, h, w]."""
    return warp(mask.expand(len(motion), -1, -1, -1), motion.flow, align_corners=model.config.align_corners)


def mixed(model: MotionModel, own: Tensor, features: Tensor, mask: Tensor, motion: Motion) -> Tensor:
    """Features of the target [B, C, h, w], under the mask those of the source, moved."""
    shown = resize_maps(mask, *own.shape[-2:]).to(own)
    return own * (1 - shown) + model.generator.move(features, motion) * shown
