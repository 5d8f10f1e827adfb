"""Types of inputs, as ComfyUI names them: a choice, and those that bring or multiply other inputs."""

from __future__ import annotations

from typing import Final

COMBO: Final = "COMBO"
"""A choice of a list."""

DYNAMIC_COMBO: Final = "COMFY_DYNAMICCOMBO_V3"
"""ComfyUI's choices that bring inputs of their own."""

AUTOGROW: Final = "COMFY_AUTOGROW_V3"
"""ComfyUI's inputs that become more as they are wired."""
