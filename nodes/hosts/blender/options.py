"""Options of properties."""

from __future__ import annotations

from typing import Any

import bpy

FIXED: dict[str, Any] = {"options": set()}
"""For settings of a whole run: keyframes on them would be ignored, so Blender takes none."""

RELATIVE = {"options": {"PATH_SUPPORTS_BLEND_RELATIVE"}} if bpy.app.version >= (4, 5, 0) else FIXED
"""For paths that may begin with "//", the .blend file's folder; older versions take that of all paths."""
