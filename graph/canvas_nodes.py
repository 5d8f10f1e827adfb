"""What exists on ComfyUI's canvas alone: kinds of nodes that no server knows, and the modes of nodes that don't run."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

NOTES: Final = frozenset({"Note", "MarkdownNote", "Label (rgthree)", "Bookmark (rgthree)"})
SWITCHBOARDS: Final = frozenset(
    f"Fast {what} (rgthree)" for what in ("Muter", "Bypasser", "Groups Muter", "Groups Bypasser", "Actions Button")
)
REROUTE: Final = "Reroute"
"""The front end's own; packs have more."""

REROUTES: Final = frozenset({REROUTE, "Reroute (rgthree)"})
PRIMITIVE: Final = "PrimitiveNode"
"""Holds the value of the widget that it is wired to."""

SENDER: Final = "SetNode"
"""Sends under a name what others, far away, receive."""

RECEIVER: Final = "GetNode"
CANVAS_ONLY: Final = NOTES | SWITCHBOARDS | REROUTES | {PRIMITIVE, SENDER, RECEIVER}


class Mode(IntEnum):
    """Whether a node runs; the other numbers mean that it does."""

    MUTED = 2
    BYPASSED = 4
