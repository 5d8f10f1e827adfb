"""Frames as large as their source: its own pixels ride along with what the model made."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .detail import DetailMode, transfer_detail
from .fitting import FitMode, dimmed, fit, own_size, resize, undimmed
from .prepared import PreparedSource, Rendered


@dataclass(frozen=True, eq=False)
class Large:
    """A source in full resolution, framed as the model's copy of it.

    image: [1, 3, H, W] in 0..1; of a transparent source, as it lies over the background. alpha: [1, 1, H, W], None for
    an opaque one. mode: see `transfer_detail`.
    """

    image: Tensor
    alpha: Tensor | None
    mode: DetailMode

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the frames."""
        height, width = self.image.shape[-2:]
        return height, width

    def images(self, rendered: Rendered, *, clear: bool) -> Tensor:
        """Frames at this size, [n, 3, H, W], or [n, 4, H, W] with straight alpha where `clear`."""
        assert rendered.motion is not None
        generator = rendered.source.network.generator
        made = transfer_detail(
            rendered.images,
            rendered.motion,
            self.image.to(rendered.images),
            align_corners=generator.align_corners,
            mode=self.mode,
        )
        if not clear or self.alpha is None:
            return made
        moved = generator.warp_image(self.alpha.to(made), rendered.motion, padding="border").clamp(0, 1)
        return undimmed(made, moved, torch.tensor(rendered.source.background))

    def hidden(self, occlusion: Tensor) -> Tensor:
        """An occlusion map [n, 1, h, w] of the model's frames at this size."""
        return resize(occlusion, *self.size)


def large_source(picture: Tensor, source: PreparedSource, mode: FitMode, detail: DetailMode) -> Large | None:
    """The image [1, 3 or 4, H, W] that `source` was prepared from by `mode`, in its own resolution; None where it is
    no larger than the frames are without it.
    """
    size = own_size(picture.shape[-2], picture.shape[-1], source.size, mode)
    if size[0] <= source.size[0] or size[1] <= source.size[1]:
        return None
    if picture.shape[1] == 3:
        return Large(fit(picture, *size, mode=mode), None, detail)
    layers = fit(dimmed(picture), *size, mode=mode)
    colour, alpha = layers[:, :3], layers[:, 3:]
    behind = torch.tensor(source.background).reshape(1, -1, 1, 1)
    return Large((colour + (1 - alpha) * behind).clamp(0, 1), alpha, detail)
