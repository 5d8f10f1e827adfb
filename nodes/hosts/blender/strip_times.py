"""Where a strip lies and what it shows, under the names that this Blender has: version 5.3 renamed most of them."""

from __future__ import annotations

from typing import Any

BEFORE = {
    "content_start": "frame_start",
    "content_duration": "frame_duration",
    "content_trim_start": "animation_offset_start",
    "content_trim_end": "animation_offset_end",
    "right_handle_offset": "frame_offset_end",
    "duration": "frame_final_duration",
    "left_handle": "frame_final_start",
    "right_handle": "frame_final_end",
}
"""Names of Blender 5.3, and those of before, which Blender 6.0 is to drop."""


def get(strip: Any, name: str) -> float:
    """A property by its name in Blender 5.3."""
    return float(getattr(strip, _here(strip, name)))


def put(strip: Any, name: str, value: float) -> None:
    """The other way round; handles and durations are whole frames."""
    setattr(strip, _here(strip, name), value)


def _here(strip: Any, name: str) -> str:
    return name if hasattr(strip, name) else BEFORE[name]


def ends(strip: Any) -> tuple[int, int]:
    """The strip's span [start, end) on the timeline."""
    return int(get(strip, "left_handle")), int(get(strip, "right_handle"))


def set_ends(strip: Any, span: tuple[int, int]) -> None:
    """Move its handles; the content stays where it is."""
    put(strip, "left_handle", span[0])
    put(strip, "right_handle", span[1])
