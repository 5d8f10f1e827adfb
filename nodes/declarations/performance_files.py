"""Blocks that save and load performances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...fomm_core.geometry import Keypoints
from ...fomm_core.motion import format_groups, load_keypoints, parse_groups, save_keypoints
from ..spec import FLOAT, INT, KEYPOINTS, STRING, Host, NodeSpec, category, choice, socket, text
from .border import STILL_FPS
from .mixing import FPS_IN, GROUPS_IN
from .models import file_state


def _save(
    host: Host, keypoints: Keypoints, filename_prefix: str, fps: float, groups: str, format: str
) -> tuple[Any, ...]:
    named = parse_groups(groups, keypoints.count)
    path, name = host.new_file("performances", filename_prefix, f".{format}")
    save_keypoints(path, keypoints, fps=fps, groups=named)
    return keypoints, name


def _load(host: Host, file: str) -> tuple[Any, ...]:
    performance = load_keypoints(host.find("performances", file))
    return (
        performance.keypoints,
        float(performance.fps or STILL_FPS),
        len(performance.keypoints),
        format_groups(performance.groups),
    )


def _file_state(host: Host, values: Mapping[str, Any]) -> str:
    return file_state(host.find("performances", values["file"]))


SAVE_KEYPOINTS = NodeSpec(
    id="FOMM_SaveKeypoints",
    title="Save Keypoints",
    category=category("Keypoints"),
    description="Saves a performance as a small file that drives other images later, without its video.",
    aliases=("fomm", "save performance", "export motion", "template"),
    inputs=(
        socket("keypoints", KEYPOINTS, "keypoints", "Keypoints of a driving clip, from Detect Keypoints."),
        text(
            "filename_prefix",
            "filename prefix",
            "Name of the file, below output/fomm; a number is added. Sub-folders are possible: dance/take.",
            default="performance",
        ),
        FPS_IN,
        GROUPS_IN,
        choice(
            "format",
            "format",
            "safetensors: small, with a checksum. json: text that other tools can read. Load Keypoints accepts both.",
            ("safetensors", "json"),
            advanced=True,
        ),
    ),
    outputs=(
        socket("same", KEYPOINTS, "keypoints", "The same keypoints."),
        socket("file", STRING, "file", "The file's name, as Load Keypoints lists it."),
    ),
    run=_save,
    is_output=True,
)

LOAD_KEYPOINTS = NodeSpec(
    id="FOMM_LoadKeypoints",
    title="Load Keypoints",
    category=category("Keypoints"),
    description="Loads a performance that Save Keypoints wrote.",
    aliases=("fomm", "load performance", "import motion", "template"),
    inputs=(
        choice(
            "file",
            "file",
            (
                "A performance from output/fomm or models/fomm_performances. Press R to see files that have just "
                "been saved."
            ),
            "performances",
        ),
    ),
    outputs=(
        socket("keypoints", KEYPOINTS, "keypoints", "The keypoints of each frame."),
        socket("fps", FLOAT, "fps", "Frames per second saved with it, otherwise 25."),
        socket("frames", INT, "frames", "How many frames there are."),
        socket("groups", STRING, "groups", "Names for groups of keypoints, if they were saved with it."),
    ),
    run=_load,
    fingerprint=_file_state,
)

SPECS = (SAVE_KEYPOINTS, LOAD_KEYPOINTS)
