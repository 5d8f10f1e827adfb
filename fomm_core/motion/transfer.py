"""Carry the movement of a driving clip over to the keypoints of a source image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from torch import Tensor

from ..errors import KeypointError
from ..geometry import Keypoints, identity_like, local_inverse, upright
from .checks import check_alike, check_counts, check_frames, check_number, check_single
from .scale import movement_scale
from .signs import like_signs

TransferMode = Literal["relative", "absolute", "avd"]
Disentangle = Callable[[Keypoints, Keypoints], Keypoints]
"""Keypoints of the source (one frame) and of T driving frames -> T frames: a model's avd network."""


@dataclass(frozen=True)
class TransferOptions:
    """How motion is transferred.

    Attributes:
        mode: "relative" adds the driver's motion since the anchor frame to the source's keypoints, which keeps the
            source's proportions; "absolute" uses the driver's keypoints as they are, shape included; "avd" combines the
            driver's motion with the source's shape, for models that have learned to.
        relative_jacobian: In relative mode, transfer the local maps as well. False keeps the driver's own, as
            published; None transfers them if the keypoints have them; True requires them. Covariances are always the
            driver's own.
        adapt_scale: In relative mode, scale the motion by how large the source is in its image, compared with the
            driver.
        strength: 0 to 2, the share of the motion: 0 leaves the source at rest, 1 is the published formula, 2
            exaggerates.

    Raises:
        KeypointError: A value is out of range.

    Example:
        >>> from fomm_nodes.fomm_core import TransferOptions
        >>> TransferOptions(mode="absolute", strength=0.8).adapt_scale
        True
    """

    mode: TransferMode = "relative"
    relative_jacobian: bool | None = None
    adapt_scale: bool = True
    strength: float = 1.0

    def __post_init__(self) -> None:
        if self.mode not in get_args(TransferMode):
            raise KeypointError(f"expected a mode of relative, absolute or avd; got {self.mode!r}")
        check_number("a strength", self.strength, 0, 2)


def transfer(
    source: Keypoints,
    driving: Keypoints,
    anchor: Keypoints | None = None,
    options: TransferOptions | None = None,
    *,
    scale: float | None = None,
    avd: Disentangle | None = None,
) -> Keypoints:
    """Transfer motion: the source's keypoints, moved as the driver moves. Frames are independent of each other.

    Args:
        source: Keypoints of the source, one frame.
        driving: Keypoints of T >= 1 frames.
        anchor: The one driving frame whose pose equals the source's, such as `driving[0]`; the same one for every part
            of a clip. Needed in relative mode only.
        options: `TransferOptions()` by default.
        scale: The scale of the motion in relative mode, instead of the one that `options.adapt_scale` would compute.
        avd: The network for the mode "avd" (see `AnimationSession.avd`).

    Returns:
        Keypoints of T frames, with the times and the confidence of `driving`.

    Raises:
        KeypointError: There is no driving frame, `source` or `anchor` is not one frame, the numbers of keypoints
            differ, only some of the inputs have Jacobians, none have them although `relative_jacobian=True`, or the
            mode "avd" lacks `avd`.

    Example:
        >>> import torch
        >>> from fomm_nodes.fomm_core import Keypoints, TransferOptions, transfer
        >>> source, driving = Keypoints(torch.zeros(1, 10, 2)), Keypoints(torch.rand(25, 10, 2))
        >>> moved = transfer(source, driving, driving[0], TransferOptions(adapt_scale=False))
        >>> bool((moved.position[0] == 0).all())
        True
    """
    options = options or TransferOptions()
    check_single("source", source)
    check_frames("driving", driving)
    check_counts("source", source, "driving", driving)
    check_alike("source", source, "driving", driving)
    if options.mode == "avd":
        if avd is None:
            raise KeypointError(
                "expected a model with an avd network for the mode 'avd'; got none: connect such a model (its file has "
                "'avd_network'), or choose relative or absolute"
            )
        driving = replace(avd(source, driving), times=driving.times)
    if options.mode != "relative":
        position = _between(source.position, driving.position, options.strength)
        jacobian = _jacobian_kept(source, driving, options)
        covariance = _covariance_kept(source, driving, options)
        return replace(driving, position=position, jacobian=jacobian, covariance=covariance)

    if anchor is None:
        raise KeypointError("expected an anchor frame for relative transfer; got none: pass driving[0], for instance")
    check_single("anchor", anchor)
    check_counts("source", source, "anchor", anchor)
    check_alike("source", source, "anchor", anchor)
    if scale is None:
        scale = movement_scale(source, anchor) if options.adapt_scale else 1.0
    check_number("a movement scale", scale, 0, above=True)
    position = source.position + (driving.position - anchor.position) * (options.strength * scale)
    kept = options.relative_jacobian is False
    jacobian = _jacobian_kept(source, driving, options) if kept else _jacobian_moved(source, driving, anchor, options)
    covariance = _covariance_kept(source, driving, options)
    return replace(driving, position=position, jacobian=jacobian, covariance=covariance)


def _jacobian_kept(source: Keypoints, driving: Keypoints, options: TransferOptions) -> Tensor | None:
    """The driver's own jacobians [T, K, 2, 2], faded in from the source's by the strength."""
    if source.jacobian is None or driving.jacobian is None:
        return None
    start = source.jacobian
    if driving.covariance is not None and options.strength != 1:
        start = like_signs(start, driving.jacobian)
    return _between(start, driving.jacobian, options.strength)


def _covariance_kept(source: Keypoints, driving: Keypoints, options: TransferOptions) -> Tensor | None:
    """The driver's own covariances [T, K, 2, 2]; weaker movement fades them in, stronger does not go beyond them."""
    if source.covariance is None or driving.covariance is None:
        return None
    return _between(source.covariance, driving.covariance, min(options.strength, 1))


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
    driving_from_anchor = driving.jacobian @ local_inverse(anchor)  # [T, K, 2, 2]
    if driving.covariance is not None and options.strength != 1:
        driving_from_anchor = upright(driving_from_anchor)
    change = _between(identity_like(driving_from_anchor), driving_from_anchor, options.strength)
    return change @ source.jacobian


def _between(start: Tensor, end: Tensor, share: float) -> Tensor:
    """Linear in `share`: exactly `start` at 0 and exactly `end` at 1, beyond it up to 2."""
    if share == 1:
        return end
    return torch.lerp(start.expand_as(end), end, share)
