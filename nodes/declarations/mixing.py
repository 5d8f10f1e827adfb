"""Blocks that change keypoints over time, all or some of them: smooth, blend."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...fomm_core.errors import KeypointError
from ...fomm_core.geometry import Keypoints
from ...fomm_core.motion import (
    BETA,
    MIN_CUTOFF,
    blend,
    curve_values,
    matched,
    parse_curve,
    parse_groups,
    parse_weights,
    smooth_gaussian,
    smooth_one_euro,
)
from ..spec import KEYPOINTS, Host, NodeSpec, category, choice, decimal, socket, text
from .border import STILL_FPS

ONE_EURO, GAUSSIAN = "one-euro", "gaussian"

FPS_IN = decimal(
    "fps",
    "fps",
    (
        "Frames per second of the clip. Connect the fps of Detect Keypoints or Load Keypoints, or leave it at 25. "
        "Keypoints of a video with uneven frames carry their own times."
    ),
    default=STILL_FPS,
    minimum=0.1,
    maximum=1000.0,
)
GROUPS_IN = text(
    "groups",
    "groups",
    "Names for groups of keypoints, such as mouth: 8; head: 1-3, 5. Connect the groups of Group Keypoints.",
)


def _smooth(
    host: Host,
    keypoints: Keypoints,
    method: str,
    sigma: float,
    calmness: float,
    quickness: float,
    fps: float,
    only_keypoints: str,
    groups: str,
) -> tuple[Any, ...]:
    if method == GAUSSIAN:
        smoothed = smooth_gaussian(keypoints, sigma=sigma)
    else:
        smoothed = smooth_one_euro(keypoints, fps=fps, min_cutoff=calmness, beta=quickness)
    return (_mixed(keypoints, smoothed, 1.0, only_keypoints, groups),)


def _blend(
    host: Host,
    first: Keypoints,
    second: Keypoints,
    weight: float,
    only_keypoints: str,
    lengths: str,
    groups: str,
    over_time: str,
) -> tuple[Any, ...]:
    first, second = matched(first, second, "stop" if lengths == "equal" else lengths)  # type: ignore[arg-type]
    return (_mixed(first, second, _over_time(over_time, max(len(first), len(second)), weight), only_keypoints, groups),)


def _over_time(curve: str, frames: int, weight: float) -> Tensor:
    """The weight of each frame, [T, 1]."""
    if "s" in curve:
        raise KeypointError(f"expected a curve over frames, such as 0: 0, 25: 1; got seconds in {curve[:80]!r}")
    points = parse_curve(curve, STILL_FPS)
    values = curve_values(points, frames) if points else torch.full((frames,), weight, dtype=torch.float64)
    return values[:, None]


def _mixed(first: Keypoints, second: Keypoints, weight: float | Tensor, only_keypoints: str, groups: str) -> Keypoints:
    """`weight` of the second, one or [T, 1] of each frame, of all keypoints or of those that are named."""
    weights = parse_weights(only_keypoints, parse_groups(groups, first.count), first.count)
    if weights is None:
        return blend(first, second, weight)
    shares, turning = (torch.tensor(one, dtype=torch.float64) * weight for one in weights)
    return blend(first, second, shares, turning=turning)


SMOOTH_KEYPOINTS = NodeSpec(
    id="FOMM_SmoothKeypoints",
    title="Smooth Keypoints",
    category=category("Keypoints"),
    description="Removes jitter from keypoints over time.",
    aliases=("fomm", "stabilize", "jitter", "one euro filter", "gaussian smoothing"),
    inputs=(
        socket("keypoints", KEYPOINTS, "keypoints", "Keypoints of a clip."),
        choice(
            "method",
            "method",
            "one-euro: steadies what is at rest and leaves fast motion alone. gaussian: an even blur over time.",
            (ONE_EURO, GAUSSIAN),
        ),
        decimal(
            "sigma",
            "sigma",
            "gaussian: the standard deviation of the blur, in frames. 1 is light, 3 strong.",
            default=1.5,
            minimum=0.0,
            maximum=50.0,
            step=0.1,
        ),
        decimal(
            "calmness",
            "calmness",
            "one-euro: cut-off frequency at rest, in Hz. Lower is steadier, and slower to react.",
            default=MIN_CUTOFF,
            minimum=0.01,
            maximum=30.0,
            step=0.05,
        ),
        decimal(
            "quickness",
            "quickness",
            "one-euro: how quickly the filter opens up when something moves. Higher follows faster.",
            default=BETA,
            minimum=0.0,
            maximum=100.0,
            step=0.1,
        ),
        FPS_IN,
        text(
            "only_keypoints",
            "only keypoints",
            (
                "What to smooth, by the names of groups or the numbers of keypoints: mouth, 3-5. A number after it "
                "is a share, and one after a slash that of rotation: mouth 0.5, head 1/0.2. Empty: all."
            ),
        ),
        GROUPS_IN,
    ),
    outputs=(socket("smoothed", KEYPOINTS, "keypoints", "The same clip, smoothed."),),
    run=_smooth,
)

BLEND_KEYPOINTS = NodeSpec(
    id="FOMM_BlendKeypoints",
    title="Blend Keypoints",
    category=category("Keypoints"),
    description="Mixes two performances: all keypoints, or only some of them.",
    aliases=("fomm", "mix", "merge performances", "lerp", "crossfade"),
    inputs=(
        socket("first", KEYPOINTS, "first", "A clip, or a single frame, which is held."),
        socket("second", KEYPOINTS, "second", "A clip of the same length, or a single frame, which is held."),
        decimal(
            "weight",
            "weight",
            "0 is only the first, 1 only the second.",
            default=0.5,
            minimum=0.0,
            maximum=1.0,
            step=0.05,
        ),
        text(
            "only_keypoints",
            "only keypoints",
            (
                "What to take from the mix, by the names of groups or the numbers of keypoints: mouth, 3-5; the "
                "others stay as in the first. A number after it is a share of the weight, and one after a slash "
                "that of rotation: mouth 0.8, head 1/0.2. Empty: all. Draw Keypoints shows the numbers."
            ),
        ),
        choice(
            "lengths",
            "lengths",
            (
                "What to do if the numbers of frames differ. shorter: the longer clip is cut. equal: report an "
                "error. Otherwise the result is as long as the first, and the second is looped, held at its last "
                "frame, played back and forth (ping-pong), or played slower or faster (stretched)."
            ),
            ("shorter", "equal", "looped", "held", "ping-pong", "stretched"),
            advanced=True,
        ),
        GROUPS_IN,
        text(
            "over_time",
            "over time",
            (
                "The weight at some frames, straight between them: 0: 0, 25: 1 fades from the first to the second "
                "over 25 frames. Used instead of weight, unless it is empty."
            ),
            advanced=True,
        ),
    ),
    outputs=(socket("keypoints", KEYPOINTS, "keypoints", "The mix."),),
    run=_blend,
)

SPECS = (SMOOTH_KEYPOINTS, BLEND_KEYPOINTS)
