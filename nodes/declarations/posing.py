"""The block that poses keypoints by hand: its canvas in ComfyUI writes key poses, which anyone may write as well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ...fomm_core.geometry import Keypoints
from ...fomm_core.motion import apply_poses, parse_groups, parse_poses
from ..spec import IMAGE, INT, KEYPOINTS, Drawn, Host, NodeSpec, category, integer, socket, text
from .border import images_from_graph
from .clips import keypoints_at_constant_rate
from .mixing import FPS_IN, GROUPS_IN

MOST_DRAWN = 2000
"""Frames of a performance whose points the canvas shows."""


def _pose(
    host: Host, keypoints: Keypoints, poses: str, length: int, fps: float, groups: str, picture: Tensor | None
) -> tuple[Any, ...]:
    keypoints = keypoints_at_constant_rate(keypoints)
    parse_groups(groups, keypoints.count)
    done = apply_poses(keypoints, parse_poses(poses, keypoints.count), length or None)
    return done, len(done)


def _drawn(values: Mapping[str, Any]) -> Drawn:
    """What the canvas shows: the image, and where the points are before they are moved by hand."""
    keypoints: Keypoints = keypoints_at_constant_rate(values["keypoints"])
    picture = values.get("picture")
    groups = parse_groups(values["groups"], keypoints.count)
    data = {
        "points": keypoints.position[:MOST_DRAWN].double().cpu().tolist(),
        "frames": len(keypoints),
        "groups": {name: list(numbers) for name, numbers in groups.items()},
        "jacobians": keypoints.jacobian is not None,
    }
    return Drawn(data, None if picture is None else images_from_graph(picture)[0])


EDIT_KEYPOINTS = NodeSpec(
    id="FOMM_EditKeypoints",
    title="Edit Keypoints",
    category=category("Keypoints"),
    description=(
        "Pose a still like a puppet: move, rotate and stretch its keypoints by hand, at key poses on a timeline."
    ),
    aliases=("fomm", "puppet", "pose editor", "animate by hand", "keyframes", "expression editor"),
    inputs=(
        socket(
            "keypoints",
            KEYPOINTS,
            "keypoints",
            "Keypoints of a still, from Detect Keypoints; or a performance to apply the poses to.",
        ),
        text(
            "poses",
            "poses",
            "The key poses as JSON, as the canvas writes them. Empty: nothing is moved.",
        ),
        integer(
            "length",
            "length",
            "Number of frames if the keypoints are those of a still; 0 ends at the last key pose.",
            default=50,
            minimum=0,
            maximum=100_000,
        ),
        FPS_IN,
        GROUPS_IN,
        socket("picture", IMAGE, "picture", "Shown behind the points, as Detect Keypoints saw it.", optional=True),
    ),
    outputs=(
        socket("posed", KEYPOINTS, "keypoints", "The performance, for this source: it does not need Transfer Motion."),
        socket("count", INT, "frames", "How many frames it has."),
    ),
    run=_pose,
    drawn=_drawn,
)

SPECS = (EDIT_KEYPOINTS,)
