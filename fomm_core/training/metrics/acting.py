"""Whether mouth and eyes do what they should: openings by the face mesh and the eye network, blinks, and the mesh."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ...faces import FaceFinder
from .base import Column, Metric

SIDE = 256
"""Pixels of the shorter side in which distances of the mesh are stated, whatever the pictures' size."""
LEAST_SPREAD = 0.02
"""Standard deviation of the true mouth's opening from which a clip says something about how it is followed."""
FEWEST_FRAMES = 8
OPEN_LEVEL = 0.75
"""Quantile of a clip's eye openings that counts as open."""
SHUT, OPEN_AGAIN = 0.6, 0.8
"""Against that: eyes that come below the first are shut, until they come above the second."""
SHUT_STILL = 0.1
"""Opening over the eye's width below which eyes count as shut all through a clip, which then shows no blinks."""
NEAR = 2
"""Frames by which a blink may come early or late."""


@dataclass(frozen=True, eq=False)
class Acted:
    """What is seen of the largest face of n images, NaN where there is none.

    mesh: [n, 468, 2] in pixels of an image of 256. mouth: [n]; eyes: [n], the mean of both; openings as in `Face`.
    """

    mesh: Tensor
    mouth: Tensor
    eyes: Tensor

    @classmethod
    def joined(cls, parts: Sequence[Acted]) -> Acted:
        """One after the other."""
        return cls(*(torch.cat([getattr(part, name) for part in parts]) for name in ("mesh", "mouth", "eyes")))


class Acting(Metric):
    """Compares what mouth and eyes do with what they should do.

    mouth, eyes: mean absolute difference of their openings, as shares of their widths. akd_mesh: the same of the
    coordinates of 468 landmarks, in pixels of an image of 256; turned heads count too, which dlib does not find.
    Over each clip: mouth_r, mouth_slope: correlation with the true opening, and how strongly it is followed (1 is as
    far as in the truth), where the true mouth moves; blinks: the share of the true clip's blinks that the result shows
    within two frames; false_blinks: the share of the result's that the true clip does not.
    """

    of_clips = True
    columns: ClassVar[tuple[Column, ...]] = (
        Column("mouth", "mouth", higher_is_better=False, digits=4),
        Column("mouth_r", "mouth r", higher_is_better=True, digits=3),
        Column("mouth_slope", "mouth slope", higher_is_better=True, digits=3),
        Column("eyes", "eyes", higher_is_better=False, digits=4),
        Column("blinks", "blinks", higher_is_better=True, digits=3),
        Column("false_blinks", "false blinks", higher_is_better=False, digits=3),
        Column("akd_mesh", "AKD (mesh)", higher_is_better=False, digits=3),
    )

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self._finder = FaceFinder(device)

    def look(self, pictures: Tensor) -> Acted:
        """See Metric."""
        scale = SIDE / min(pictures.shape[-2:])
        rows = [self._seen(picture, scale) for picture in pictures]
        mesh, mouths, eyes = zip(*rows, strict=True)
        return Acted(torch.stack(mesh), torch.tensor(mouths), torch.tensor(eyes))

    def _seen(self, picture: Tensor, scale: float) -> tuple[Tensor, float, float]:
        found = self._finder.find(picture, tiles="never")
        if not found:
            return torch.full((468, 2), torch.nan), torch.nan, torch.nan
        face = self._finder.with_eyes(picture, found[0])
        opening = face.eye_opening or (torch.nan, torch.nan)
        return face.points[:, :2] * scale, face.mouth_opening, sum(opening) / 2

    def compare(self, result: Acted, truth: Acted) -> dict[str, Tensor]:
        """See Metric."""
        return {
            "mouth": (result.mouth - truth.mouth).abs(),
            "eyes": (result.eyes - truth.eyes).abs(),
            "akd_mesh": (result.mesh - truth.mesh).abs().mean((1, 2)),
        }

    def over(self, result: Sequence[Acted], truth: Sequence[Acted]) -> dict[str, Tensor]:
        """See Metric: correlation and slope of a clip, and a 0 or 1 for each blink."""
        ours, theirs = Acted.joined(result), Acted.joined(truth)
        correlation, slope = followed(ours.mouth, theirs.mouth)
        made, true = blinks(ours.eyes), blinks(theirs.eyes)
        return {
            "mouth_r": torch.tensor([correlation]),
            "mouth_slope": torch.tensor([slope]),
            "blinks": torch.tensor([float(met(blink, made)) for blink in true]),
            "false_blinks": torch.tensor([float(not met(blink, true)) for blink in made]),
        }


def followed(result: Tensor, truth: Tensor) -> tuple[float, float]:
    """(correlation, slope) of two curves [n]: NaN where the true one hardly moves or too little of either is known; a
    correlation of 0 where the result does not move.
    """
    known = ~(result.isnan() | truth.isnan())
    if int(known.sum()) < FEWEST_FRAMES:
        return torch.nan, torch.nan
    ours, theirs = (curve[known].double() - curve[known].double().mean() for curve in (result, truth))
    spread = theirs.square().mean().sqrt()
    if spread < LEAST_SPREAD:
        return torch.nan, torch.nan
    slope = (ours * theirs).mean() / spread**2
    moves = ours.square().mean().sqrt()
    return float(slope * spread / moves) if moves > 1e-6 else 0.0, float(slope)


def blinks(eyes: Tensor) -> list[tuple[int, int]]:
    """The stretches (first frame, last frame) in which eyes whose openings are [n] are shut."""
    known = eyes[~eyes.isnan()]
    level = float(known.quantile(OPEN_LEVEL)) if len(known) else 0.0
    if level < SHUT_STILL:
        return []
    found: list[tuple[int, int]] = []
    first: int | None = None
    for at, opening in enumerate([*eyes.tolist(), level]):
        if first is None and opening < SHUT * level:
            first = at
        elif first is not None and opening > OPEN_AGAIN * level:
            found.append((first, at - 1))
            first = None
    return found


def met(blink: tuple[int, int], others: Sequence[tuple[int, int]]) -> bool:
    """Whether one of the others comes at the same time, or up to two frames early or late."""
    return any(first <= blink[1] + NEAR and last >= blink[0] - NEAR for first, last in others)
