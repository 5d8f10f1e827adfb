"""What a session makes: a source that is ready to be moved, and frames with all that is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .fitting import resize, undimmed
from .geometry import Keypoints, Motion, resize_maps
from .model import MotionModel


@dataclass(frozen=True, eq=False)
class PreparedSource:
    """All that a source needs computed once, however long the clip; made by `AnimationSession.prepare`.

    image: [1, C, H, W] float32. keypoints: of one frame, float32 on the CPU. features: what the generator moves, the
    smallest last. small: the copy that dense motion warps (None for models without).
    shown: (height, width) that frames are resized to; None leaves them at the image's.
    alpha: [1, 1, H, W], the opacity of a source that lies over `background`, an RGB colour in 0..1; None: no say.
    still: [1, H, W] in 0..1, white where nothing moves (`motion.hold`); None: all may.
    """

    image: Tensor
    keypoints: Keypoints
    features: tuple[Tensor, ...]
    small: Tensor | None
    network: MotionModel
    shown: tuple[int, int] | None = None
    alpha: Tensor | None = None
    background: tuple[float, ...] = (1.0, 1.0, 1.0)
    still: Tensor | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the frames to come."""
        return self.shown or self.working

    @property
    def working(self) -> tuple[int, int]:
        """(height, width) of what the networks see: `size`, or the nearest that they take."""
        height, width = self.image.shape[-2:]
        return height, width

    @property
    def picture(self) -> Tensor:
        """The source as the frames show it, [1, C, H, W] at `size`."""
        return resize(self.image, *self.size)


@dataclass(frozen=True, eq=False)
class Rendered:
    """A chunk of n rendered frames, with the motion that led to them.

    Attributes:
        images: [n, C, H, W] float32 in 0..1.
        motion: The dense motion of these frames; None for a model without.
        source: The source they were rendered from.

    Example:
        >>> import torch
        >>> from fomm_nodes.fomm_core import AnimationSession, load_builtin
        >>> session = AnimationSession(load_builtin())
        >>> source = session.prepare(torch.rand(1, 3, 128, 128))
        >>> rendered = next(session.render(source, source.keypoints))
        >>> rendered.images.shape[-2:] == rendered.occlusion.shape[-2:]
        True
    """

    images: Tensor
    motion: Motion | None
    source: PreparedSource

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, frames: slice | Sequence[int]) -> Rendered:
        """Some of the frames, in that order."""
        return Rendered(self.images[frames], None if self.motion is None else self.motion[frames], self.source)

    @property
    def occlusion(self) -> Tensor | None:
        """The occlusion map [n, 1, H, W] at the frames' size: 1 for pixels taken from the source, 0 for invented ones;
        None if the model has no map.
        """
        if self.motion is None or self.motion.occlusion is None:
            return None
        return resize(resize_maps(self.motion.occlusion, *self.source.working), *self.source.size)

    @property
    def warped(self) -> Tensor | None:
        """The source moved by the flow alone, [n, C, H, W] in 0..1; None for a model without dense motion."""
        if self.motion is None:
            return None
        moved = self.source.network.generator.warp_image(self.source.image, self.motion)
        return resize(moved, *self.source.size)

    @property
    def alpha(self) -> Tensor | None:
        """The source's opacity, moved by the flow that moves its pixels, [n, 1, H, W] in 0..1; None for an opaque
        source.

        What the flow brings in from outside the image is as opaque as the edge of the image.
        """
        opacity = self.source.alpha
        if opacity is None:
            return None
        if self.motion is None:
            moved = opacity.expand(len(self), -1, -1, -1)
        else:
            moved = self.source.network.generator.warp_image(opacity, self.motion, padding="border").clamp(0, 1)
        return resize(moved, *self.source.size)

    @property
    def transparent(self) -> Tensor:
        """The frames with straight alpha and no trace of the background at their edges, [n, C + 1, H, W] in 0..1;
        `images` for an opaque source.
        """
        opacity = self.alpha
        if opacity is None:
            return self.images
        return undimmed(self.images, opacity, torch.tensor(self.source.background))
