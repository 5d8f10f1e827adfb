"""Dense motion: the other value that travels between the stages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import KeypointError


@dataclass(frozen=True, eq=False)
class Motion:
    """Dense motion of B frames: which point of the source each pixel is taken from.

    Attributes:
        flow: [B, h, w, 2] float32, (x, y) in -1..1: source coordinates for each pixel of the new frame.
        occlusion: [B, 1, h, w] in 0..1, **1 if the source shows what is needed**, 0 if it must be invented; None for
            models without an occlusion map.
        mask: [B, K + 1, h, w] in 0..1, the share of the background (index 0) and of each keypoint's motion; None if it
            was not kept.
        levels: Smaller occlusion maps [B, 1, ...], the smallest first, of models that predict one for each level of
            their generator (TPS); `occlusion` is then the largest.

    Raises:
        KeypointError: The flow has another shape.

    Example:
        >>> import torch
        >>> from fomm_nodes.fomm_core import Motion
        >>> motion = Motion(torch.zeros(4, 64, 64, 2), torch.ones(4, 1, 64, 64))
        >>> len(motion[1:3])
        2
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
        """Apply a function to the flow and to all maps that there are.

        Args:
            change: A function of a tensor [B, ...].

        Returns:
            The changed motion.
        """
        return Motion(
            change(self.flow),
            None if self.occlusion is None else change(self.occlusion),
            None if self.mask is None else change(self.mask),
            tuple(change(level) for level in self.levels),
        )

    def to(self, device: torch.device | str) -> Motion:
        """Move all tensors to a device.

        Args:
            device: Where to.

        Returns:
            The same motion on `device`.
        """
        return self.each(lambda values: values.to(device))

    @staticmethod
    def cat(parts: Sequence[Motion]) -> Motion:
        """Join in time.

        Args:
            parts: The motions, in order.

        Returns:
            All frames; occlusion, mask and levels are kept only if every part has them.
        """
        occlusions = [part.occlusion for part in parts if part.occlusion is not None]
        masks = [part.mask for part in parts if part.mask is not None]
        return Motion(
            torch.cat([part.flow for part in parts]),
            torch.cat(occlusions) if len(occlusions) == len(parts) else None,
            torch.cat(masks) if len(masks) == len(parts) else None,
            tuple(map(torch.cat, zip(*(part.levels for part in parts), strict=False))),
        )
