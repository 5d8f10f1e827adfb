"""Types of wires and inputs, as ComfyUI names them, and which of them fit."""

from __future__ import annotations

from typing import Final

COMBO: Final = "COMBO"
"""A choice of a list."""

DYNAMIC_COMBO: Final = "COMFY_DYNAMICCOMBO_V3"
"""ComfyUI's choices that bring inputs of their own."""

AUTOGROW: Final = "COMFY_AUTOGROW_V3"
"""ComfyUI's inputs that become more as they are wired."""

ANY: Final = "*"
"""Whatever comes."""

MATCH: Final = "COMFY_MATCHTYPE_V3"
"""The type of another port of the same node; the server leaves it to the front end."""


def fits(given: str, wanted: str) -> bool:
    """Whether a wire that brings one type may lead to an input that takes another: the rule of ComfyUI's server
    (`comfy_execution.validation.validate_node_input` of 0.33), which turns no type into another, not INT into FLOAT.

    Args:
        given, wanted: several types have commas between; a list of choices is a COMBO.
    """
    theirs, ours = ({kind.strip() for kind in kinds.split(",")} for kinds in (given, wanted))
    return given == wanted or bool(theirs & ours) or bool((theirs | ours) & {ANY, MATCH})
