"""The examples that come with the add-on, as a list with images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import bpy.utils.previews

from .blocks import titled

WORKFLOWS = Path(__file__).resolve().parents[3] / "workflows"
PICTURES = Path(__file__).resolve().parent / "template_pictures"
FIRST = "animate"

_pictures: list[Any] = []
_items: list[tuple[str, str, str, int, int]] = []
"""Blender keeps no hold of the words of a list that is made as it goes."""


def names() -> list[str]:
    """All that there are; the simplest first."""
    return sorted((path.stem for path in WORKFLOWS.glob("*.json")), key=lambda name: (name != FIRST, name))


def _choices(owner: Any, context: Any) -> list[tuple[str, str, str, int, int]]:
    if not _items:
        loaded = bpy.utils.previews.new()
        _pictures.append(loaded)
        for number, name in enumerate(names()):
            icon = loaded.load(name, str(PICTURES / f"{name}.jpg"), "IMAGE").icon_id
            _items.append((name, titled(name.replace("-", " ")), "", icon, number))
    return _items


def draw(layout: Any, context: Any) -> None:
    """The chosen one's image, which opens the list; and the button."""
    layout.template_icon_view(context.window_manager, "fomm_template", show_labels=True, scale_popup=5.0)
    layout.operator("fomm.open_example").name = context.window_manager.fomm_template


def register() -> None:
    """Add the choice, which no file keeps."""
    bpy.types.WindowManager.fomm_template = bpy.props.EnumProperty(
        name="Example", description="A tree that comes with the add-on", items=_choices, options=set()
    )


def unregister() -> None:
    """Take it away again, and its images."""
    del bpy.types.WindowManager.fomm_template
    _items.clear()
    while _pictures:
        bpy.utils.previews.remove(_pictures.pop())
