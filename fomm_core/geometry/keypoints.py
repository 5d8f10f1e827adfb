"""Keypoints over time: one of the two values that travel between the stages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..errors import KeypointError


@dataclass(frozen=True, eq=False)
class Keypoints:
    """K keypoints in each of T frames, with the local affine map around each (equation 4 of the paper).

    Attributes:
        position: [T, K, 2], (x, y) in -1..1, corner-aligned: -1 and 1 are the centres of the outermost pixels.
        jacobian: [T, K, 2, 2], d image / d reference at the keypoint, rows (x, y); None for zero-order models.
        times: [T + 1] float64 on the CPU, in seconds, increasing: frame i is shown from times[i] to times[i + 1]. None
            if frames follow each other evenly, at a rate that is stated elsewhere.
        confidence: [T, K] in 0..1, how sure the detector was (`heatmap_confidence`); None if unknown.
        covariance: [T, K, 2, 2], symmetric, the extent of the region around each keypoint; None for models of points.

    Raises:
        KeypointError: The shapes do not fit each other, or the times do not increase.

    Example:
        >>> import torch
        >>> from fomm_nodes.fomm_core import Keypoints
        >>> keypoints = Keypoints(torch.zeros(25, 10, 2))
        >>> len(keypoints), keypoints.count, len(keypoints[5:10])
        (25, 10, 5)
    """

    position: Tensor
    jacobian: Tensor | None = None
    times: Tensor | None = None
    confidence: Tensor | None = None
    covariance: Tensor | None = None

    def __post_init__(self) -> None:
        if self.position.ndim != 3 or self.position.shape[-1] != 2:
            raise KeypointError(f"expected positions of shape [T, K, 2]; got {list(self.position.shape)}")
        expected = (*self.position.shape, 2)
        if self.jacobian is not None and tuple(self.jacobian.shape) != expected:
            raise KeypointError(f"expected jacobians of shape {list(expected)}; got {list(self.jacobian.shape)}")
        if self.covariance is not None and tuple(self.covariance.shape) != expected:
            raise KeypointError(f"expected covariances of shape {list(expected)}; got {list(self.covariance.shape)}")
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
        return replace(self.each(lambda values: values[frames]), times=self._times_of(frames))

    def each(self, change: Callable[[Tensor], Tensor]) -> Keypoints:
        """Apply a function to the positions and to everything else that there is for each keypoint.

        Args:
            change: A function of a tensor [T, K, ...]. It may change T and K, but not the axes after them.

        Returns:
            The changed keypoints, without times.
        """
        return Keypoints(
            change(self.position),
            None if self.jacobian is None else change(self.jacobian),
            confidence=None if self.confidence is None else change(self.confidence),
            covariance=None if self.covariance is None else change(self.covariance),
        )

    def at(self, frames: Sequence[int] | Tensor) -> Keypoints:
        """Select frames.

        Args:
            frames: Frame numbers from 0, in any order; they may repeat.

        Returns:
            The keypoints of those frames in that order, without times.
        """
        rows = torch.as_tensor(frames, dtype=torch.long)
        return self.each(lambda values: values[rows])

    def _times_of(self, frames: slice) -> Tensor | None:
        start, stop, step = frames.indices(len(self))
        return self.times[start : stop + 1] if self.times is not None and step == 1 and stop > start else None

    @property
    def count(self) -> int:
        """K, the number of keypoints in a frame."""
        return self.position.shape[1]

    def to(self, device: torch.device | str) -> Keypoints:
        """Move all tensors but the times to a device.

        Args:
            device: Where to.

        Returns:
            The same keypoints on `device`.
        """
        return replace(self.each(lambda values: values.to(device)), times=self.times)

    def expand(self, frames: int) -> Keypoints:
        """Repeat one frame without copying it.

        Args:
            frames: The number of frames.

        Returns:
            That many frames, without times.
        """
        if frames == len(self):
            return self
        return self.each(lambda values: values.expand(frames, *values.shape[1:]))

    def without_jacobian(self) -> Keypoints:
        """Leave out the Jacobians.

        Returns:
            The same keypoints with `jacobian=None`.
        """
        return replace(self, jacobian=None)

    @staticmethod
    def cat(parts: Sequence[Keypoints]) -> Keypoints:
        """Join clips in time.

        Args:
            parts: The clips, in order.

        Returns:
            All frames. Times and confidence are kept only if all parts have them; each part's times then continue where
            the previous part ends.

        Raises:
            KeypointError: Only some of the parts have Jacobians or covariances.
        """
        confidences = [part.confidence for part in parts if part.confidence is not None]
        return Keypoints(
            torch.cat([part.position for part in parts]),
            _all_or_none("jacobians", [part.jacobian for part in parts]),
            _joined([part.times for part in parts]),
            torch.cat(confidences) if confidences and len(confidences) == len(parts) else None,
            _all_or_none("covariances", [part.covariance for part in parts]),
        )


def _all_or_none(name: str, values: Sequence[Tensor | None]) -> Tensor | None:
    """Joined; raises KeypointError where only some are there."""
    there = [value for value in values if value is not None]
    if there and len(there) != len(values):
        raise KeypointError(f"expected all parts with {name}, or all without; got a mixture")
    return torch.cat(there) if there else None


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
