"""Dense motion: the other value that travels between the stages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import KeypointError


@dataclass(frozen=True, eq=False)
class Motion:
    """Dense motion of B frames: where each pixel of the driving pose is taken from in the source.

    flow:      [B, h, w, 2] float32, (x, y) in -1..1: source coordinates for each pixel of the new frame.
    occlusion: [B, 1, h, w] in 0..1, **1 where the source shows what is needed**, 0 where it must be invented;
               None for models without an occlusion map.
    mask:      [B, K + 1, h, w], the share of the background (index 0) and of each keypoint's motion; None if not kept.
    levels:    smaller occlusion maps [B, 1, ...], the smallest first, of models that predict one for each level of
               their generator (TPS); `occlusion` is the largest then.
    """

    flow: Tensor
    occlusion: Tensor | None = None
    mask: Tensor | None = None
    levels: tuple[Tensor, ...] = ()

    def __post_init__(self) -> None:
        if self.flow.ndim != 4 or self.flow.shape[-1] != 2:
            raise KeypointError(f"expected a flow of shape [B, h, w, 2]; got {list(self.flow.shape)}")

    def __len__(self) -> int:
        return self.flow.shape[0]

    def __getitem__(self, frames: slice | Sequence[int]) -> Motion:
        return self.each(lambda values: values[frames])

    def each(self, change: Callable[[Tensor], Tensor]) -> Motion:
        """What `change` makes of the flow and of all maps that there are."""
        return Motion(
            change(self.flow),
            None if self.occlusion is None else change(self.occlusion),
            None if self.mask is None else change(self.mask),
            tuple(change(level) for level in self.levels),
        )

    def to(self, device: torch.device | str) -> Motion:
        """The same motion on `device`."""
        return self.each(lambda values: values.to(device))

    @staticmethod
    def cat(parts: Sequence[Motion]) -> Motion:
        """Join in time; an occlusion, mask or levels stay only where every part has them."""
        occlusions = [part.occlusion for part in parts if part.occlusion is not None]
        masks = [part.mask for part in parts if part.mask is not None]
        return Motion(
            torch.cat([part.flow for part in parts]),
            torch.cat(occlusions) if len(occlusions) == len(parts) else None,
            torch.cat(masks) if len(masks) == len(parts) else None,
            tuple(map(torch.cat, zip(*(part.levels for part in parts), strict=False))),
        )
