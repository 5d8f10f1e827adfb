"""Presets of the sequencer's settings, in Blender's own menu and folder for presets."""

from __future__ import annotations

from typing import Any

import bpy
from bl_operators.presets import AddPresetBase

from .strip_settings import FOMM_PG_strips

FOLDER = "fomm/strips"
NOT_KEPT = frozenset({"folder", "x", "y", "side", "angle"})
"""What belongs to one film, or to one still."""


class FOMM_MT_presets(bpy.types.Menu):
    """Settings that were saved before"""

    bl_label = "Presets"
    preset_subdir = FOLDER
    preset_operator = "script.execute_preset"
    draw = bpy.types.Menu.draw_preset


class FOMM_OT_add_preset(AddPresetBase, bpy.types.Operator):
    """Save these settings under a name, or remove them"""

    bl_idname = "fomm.add_preset"
    bl_label = "Add Preset"
    preset_menu = "FOMM_MT_presets"
    preset_subdir = FOLDER
    preset_defines = ("settings = bpy.context.scene.fomm_strips",)
    preset_values = tuple(f"settings.{name}" for name in FOMM_PG_strips.__annotations__ if name not in NOT_KEPT)


def draw(layout: Any) -> None:
    """Menu, plus and minus, as Blender's own panels have them."""
    row = layout.row(align=True)
    row.menu(FOMM_MT_presets.__name__, text=FOMM_MT_presets.bl_label)
    row.operator(FOMM_OT_add_preset.bl_idname, text="", icon="ADD")
    row.operator(FOMM_OT_add_preset.bl_idname, text="", icon="REMOVE").remove_active = True


CLASSES = (FOMM_MT_presets, FOMM_OT_add_preset)
