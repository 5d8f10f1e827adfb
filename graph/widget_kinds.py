"""The types of input that a canvas shows as a widget, and what it puts into a new one.

Facts of ComfyUI's front end, versions 1.27 to 1.58.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .types import DYNAMIC_COMBO

DYNAMIC_GROUP = "COMFY_DYNAMICGROUP_V3"
BOX, BOXES, CURVE, COMPARISON = "BOUNDING_BOX", "BOUNDING_BOXES", "CURVE", "IMAGECOMPARE"

BOX_SIDES: Mapping[str, int] = {"x": 0, "y": 0, "width": 512, "height": 512}

NEW: Mapping[str, Any] = {
    "INT": 0,
    "FLOAT": 0.0,
    "BOOLEAN": False,
    **dict.fromkeys(("STRING", "MARKDOWN", "TEXTAREA"), ""),
    "COLOR": "#000000",
    "COLORS": [],
    BOX: BOX_SIDES,
    BOXES: [],
    CURVE: {"points": [[0, 0], [1, 1]], "interpolation": "monotone_cubic"},
    "RANGE": {"min": 0, "max": 1},
    "VIDEO_EDIT": {
        "trim": {"start_time": 0, "duration": 0},
        "crop": {"x": 0, "y": 0, "width": 0, "height": 0},
    },
    "COMPOSITOR": {},
    "CHART": {},
    "GALLERIA": [],
    "LIGHT_INFO_PREVIEW": [],
    COMPARISON: ["", ""],
}
"""What a new widget holds whose class states no default; null for the other types."""

UNSAVED = frozenset({COMPARISON, "CAMERA_INFO_STATE", "RESOLUTION_PREVIEW"})
"""Types whose widgets have no place among the saved values."""

UNSENT = frozenset({"CAMERA_INFO_STATE", "RESOLUTION_PREVIEW", "CAMERA_ANGLE_VIEW", DYNAMIC_GROUP})
"""Types whose widgets a server is not told of."""

WIDGET_TYPES = frozenset(
    {
        *NEW,
        *UNSENT,
        *("COMBO", DYNAMIC_COMBO, "PAINTER", "WEBCAM", "AUDIO_RECORD"),
        *("LOAD_3D", "LOAD_3D_ANIMATION", "LOAD_3D_ADVANCED", "PREVIEW_3D"),
    }
)
