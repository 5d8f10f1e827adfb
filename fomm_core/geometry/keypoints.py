"""The two values that travel between the stages: keypoints over time, and dense motion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..errors import KeypointError


@dataclass(frozen=True, eq=False)
class Keypoints:
    """K keypoints in each of T frames, with the local affine map around each (eq. 4 of the paper).

    position: [T, K, 2], (x, y) in -1..1, corner-aligned.
    jacobian: [T, K, 2, 2], d image / d reference at the keypoint; None for zero-order models.
    times: [T + 1] float64 on the CPU, seconds, rising: frame i is shown from times[i] to times[i + 1]. None where
        frames follow each other evenly, at a rate that is stated elsewhere.
    confidence: [T, K] in 0..1, how sure the detector was (`heatmap_confidence`); None where nobody measured it.
    """

    position: Tensor
    jacobian: Tensor | None = None
    times: Tensor | None = None
    confidence: Tensor | None = None

    def __post_init__(self) -> None:
        if self.position.ndim != 3 or self.position.shape[-1] != 2:
            raise KeypointError(f"expected positions of shape [T, K, 2]; got {list(self.position.shape)}")
        expected = (*self.position.shape, 2)
        if self.jacobian is not None and tuple(self.jacobian.shape) != expected:
            raise KeypointError(f"expected jacobians of shape {list(expected)}; got {list(self.jacobian.shape)}")
        if self.times is not None:
            check_times(self.times, self.position.shape[0])
        if self.confidence is not None and self.confidence.shape != self.position.shape[:2]:
            raise KeypointError(
                f"expected a confidence of shape {list(self.position.shape[:2])}; got {list(self.confidence.shape)}"
            )

    def __len__(self) -> int:
        return self.position.shape[0]

    def __getitem__(self, frames: int | slice) -> Keypoints:
        """The keypoints of one frame or of a slice of frames; the time axis stays. IndexError outside the clip.

        A slice in steps of one keeps its times; other steps lose them.
        """
        if not isinstance(frames, slice):
            frame = range(len(self))[frames]
            frames = slice(frame, frame + 1)
        return Keypoints(
            self.position[frames],
            None if self.jacobian is None else self.jacobian[frames],
            self._times_of(frames),
            None if self.confidence is None else self.confidence[frames],
        )

    def at(self, frames: Sequence[int] | Tensor) -> Keypoints:
        """The keypoints of those frames in that order, which may repeat; untimed."""
        rows = torch.as_tensor(frames, dtype=torch.long)
        return Keypoints(
            self.position[rows],
            None if self.jacobian is None else self.jacobian[rows],
            None,
            None if self.confidence is None else self.confidence[rows],
        )

    def _times_of(self, frames: slice) -> Tensor | None:
        start, stop, step = frames.indices(len(self))
        return self.times[start : stop + 1] if self.times is not None and step == 1 and stop > start else None

    @property
    def count(self) -> int:
        """K, the number of keypoints in a frame."""
        return self.position.shape[1]

    def to(self, device: torch.device | str) -> Keypoints:
        """The same keypoints on `device`."""
        jacobian = None if self.jacobian is None else self.jacobian.to(device)
        confidence = None if self.confidence is None else self.confidence.to(device)
        return Keypoints(self.position.to(device), jacobian, self.times, confidence)

    def expand(self, frames: int) -> Keypoints:
        """One frame's keypoints repeated `frames` times, without copying; untimed."""
        if frames == len(self):
            return self
        jacobian = None if self.jacobian is None else self.jacobian.expand(frames, -1, -1, -1)
        confidence = None if self.confidence is None else self.confidence.expand(frames, -1)
        return Keypoints(self.position.expand(frames, -1, -1), jacobian, None, confidence)

    def without_jacobian(self) -> Keypoints:
        """The positions alone."""
        return replace(self, jacobian=None)

    @staticmethod
    def cat(parts: Sequence[Keypoints]) -> Keypoints:
        """Join clips in time. Where all have times, each goes on where the one before ends; otherwise none is kept. So
        with confidence: kept where all have it.
        """
        confidences = [part.confidence for part in parts if part.confidence is not None]
        jacobians = [part.jacobian for part in parts if part.jacobian is not None]
        if jacobians and len(jacobians) != len(parts):
            raise KeypointError("expected all parts with jacobians, or all without; got a mixture")
        return Keypoints(
            torch.cat([part.position for part in parts]),
            torch.cat(jacobians) if jacobians else None,
            _joined([part.times for part in parts]),
            torch.cat(confidences) if confidences and len(confidences) == len(parts) else None,
        )


def check_times(times: Tensor, frames: int) -> None:
    """Raise KeypointError where times are not [frames + 1], finite and rising."""
    if tuple(times.shape) != (frames + 1,) or times.dtype != torch.float64:
        kind = str(times.dtype).removeprefix("torch.")
        raise KeypointError(
            f"expected times [{frames + 1}] in float64, the end included; got {list(times.shape)} {kind}"
        )
    if not times.isfinite().all() or not (times.diff() > 0).all():
        raise KeypointError("expected finite times that rise; got others: detect the keypoints again")


def _joined(parts: Sequence[Tensor | None]) -> Tensor | None:
    known = [part for part in parts if part is not None]
    if not known or len(known) != len(parts):
        return None
    joined = [known[0]]
    for part in known[1:]:
        joined.append(part[1:] - part[0] + joined[-1][-1])
    return torch.cat(joined)


@dataclass(frozen=True, eq=False)
class Motion:
    """Dense motion of B frames: where each pixel of the driving pose is taken from in the source.

    flow:      [B, h, w, 2] float32, (x, y) in -1..1: source coordinates for each pixel of the new frame.
    occlusion: [B, 1, h, w] in 0..1, **1 where the source shows what is needed**, 0 where it must be invented;
               None for models without an occlusion map.
    mask:      [B, K + 1, h, w], the share of the background (index 0) and of each keypoint's motion; None if not kept.
    """

    flow: Tensor
    occlusion: Tensor | None = None
    mask: Tensor | None = None

    def __post_init__(self) -> None:
        if self.flow.ndim != 4 or self.flow.shape[-1] != 2:
            raise KeypointError(f"expected a flow of shape [B, h, w, 2]; got {list(self.flow.shape)}")

    def __len__(self) -> int:
        return self.flow.shape[0]

    def __getitem__(self, frames: slice | Sequence[int]) -> Motion:
        return Motion(
            self.flow[frames],
            None if self.occlusion is None else self.occlusion[frames],
            None if self.mask is None else self.mask[frames],
        )

    def to(self, device: torch.device | str) -> Motion:
        """The same motion on `device`."""
        return Motion(
            self.flow.to(device),
            None if self.occlusion is None else self.occlusion.to(device),
            None if self.mask is None else self.mask.to(device),
        )

    @staticmethod
    def cat(parts: Sequence[Motion]) -> Motion:
        """Join in time; an occlusion or mask stays only where every part has one."""
        occlusions = [part.occlusion for part in parts if part.occlusion is not None]
        masks = [part.mask for part in parts if part.mask is not None]
        return Motion(
            torch.cat([part.flow for part in parts]),
            torch.cat(occlusions) if len(occlusions) == len(parts) else None,
            torch.cat(masks) if len(masks) == len(parts) else None,
        )
