"""Carry the movement of a driving clip over to the keypoints of a source picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from torch import Tensor

from ..errors import KeypointError
from ..geometry import Keypoints, identity_like, inverse
from .checks import check_counts, check_frames, check_number, check_single
from .scale import movement_scale

TransferMode = Literal["relative", "absolute"]


@dataclass(frozen=True)
class TransferOptions:
    """How movement is transferred.

    mode: "relative" adds the driver's movement since the anchor frame to the source's keypoints, which keeps the
        source's proportions; "absolute" takes the driver's keypoints as they are, shape included.
    relative_jacobian: in relative mode, carry the local maps over as well (False: keep the driver's own, as published).
        None uses them where the keypoints have them; True insists.
    adapt_scale: in relative mode, scale movement by how large the source stands in its picture against the driver.
    strength: 0..2, the share of the movement: 0 is the source at rest, 1 the published formula, 2 exaggerated.
    """

    mode: TransferMode = "relative"
    relative_jacobian: bool | None = None
    adapt_scale: bool = True
    strength: float = 1.0

    def __post_init__(self) -> None:
        if self.mode not in get_args(TransferMode):
            raise KeypointError(f"expected a mode of {' or '.join(get_args(TransferMode))}; got {self.mode!r}")
        check_number("a strength", self.strength, 0, 2)


def transfer(
    source: Keypoints,
    driving: Keypoints,
    anchor: Keypoints | None = None,
    options: TransferOptions | None = None,
    *,
    scale: float | None = None,
) -> Keypoints:
    """The keypoints to render: those of the source, moved as the driver moves. Frames are independent of each other.

    Args:
        source: keypoints of the picture, one frame.
        driving: keypoints of T >= 1 frames.
        anchor: the one driving frame whose pose equals the source's, `driving[0]` unless another was chosen; the same
            one for every part of a clip. Not needed in absolute mode.
        options: defaults to `TransferOptions()`.
        scale: the movement scale in relative mode, in place of the one that `options.adapt_scale` would compute.

    Returns:
        T frames of keypoints, with the times and the confidence of the driving ones.

    Raises:
        KeypointError: no driving frame, other than one frame of source or anchor, counts that differ, jacobians in
            some of the inputs only, or none where `relative_jacobian=True` asks for them.
    """
    options = options or TransferOptions()
    check_single("source", source)
    check_frames("driving", driving)
    check_counts("source", source, "driving", driving)
    _check_jacobians(source=source, driving=driving)
    if options.mode == "absolute":
        position = _between(source.position, driving.position, options.strength)
        return replace(driving, position=position, jacobian=_jacobian_kept(source, driving, options))

    if anchor is None:
        raise KeypointError("expected an anchor frame for relative transfer; got none: pass driving[0], for instance")
    check_single("anchor", anchor)
    check_counts("source", source, "anchor", anchor)
    if scale is None:
        scale = movement_scale(source, anchor) if options.adapt_scale else 1.0
    check_number("a movement scale", scale, 0, above=True)
    position = source.position + (driving.position - anchor.position) * (options.strength * scale)
    if options.relative_jacobian is False:
        return replace(driving, position=position, jacobian=_jacobian_kept(source, driving, options))
    return replace(driving, position=position, jacobian=_jacobian_moved(source, driving, anchor, options))


def _jacobian_kept(source: Keypoints, driving: Keypoints, options: TransferOptions) -> Tensor | None:
    """The driver's own jacobians [T, K, 2, 2], faded in from the source's by the strength."""
    if source.jacobian is None or driving.jacobian is None:
        return None
    return _between(source.jacobian, driving.jacobian, options.strength)


def _jacobian_moved(
    source: Keypoints, driving: Keypoints, anchor: Keypoints, options: TransferOptions
) -> Tensor | None:
    """The change of the local maps since the anchor, applied to the source's: [T, K, 2, 2]."""
    if source.jacobian is None or driving.jacobian is None:
        if options.relative_jacobian:
            raise KeypointError(
                "expected keypoints with jacobians for relative_jacobian=True; got positions only: the model is of "
                "zero order (estimate_jacobian=False). Leave relative_jacobian at None, or turn it off"
            )
        return None
    _check_jacobians(source=source, anchor=anchor)
    assert anchor.jacobian is not None
    driving_from_anchor = driving.jacobian @ inverse(anchor.jacobian)  # [T, K, 2, 2]
    change = _between(identity_like(driving_from_anchor), driving_from_anchor, options.strength)
    return change @ source.jacobian


def _between(start: Tensor, end: Tensor, share: float) -> Tensor:
    """Linear in `share`: exactly `start` at 0 and exactly `end` at 1, beyond it up to 2."""
    if share == 1:
        return end
    return torch.lerp(start.expand_as(end), end, share)


def _check_jacobians(**sets: Keypoints) -> None:
    """Raise where some of the named keypoints have jacobians and others have none."""
    having = [name for name, keypoints in sets.items() if keypoints.jacobian is not None]
    lacking = [name for name, keypoints in sets.items() if keypoints.jacobian is None]
    if having and lacking:
        raise KeypointError(
            f"expected jacobians in all keypoints or in none; got them in {having[0]} but not in {lacking[0]}: "
            "detect both with the same model"
        )
