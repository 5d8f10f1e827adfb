"""What the add-on's preferences show: which Python, which folders, or a ComfyUI server instead."""

from __future__ import annotations

from typing import Any

import bpy

from . import pythons, setting_up
from .preferences import ROOT, preferences


class FommPreferences(bpy.types.AddonPreferences):
    """See the names and descriptions of the properties."""

    bl_idname = ROOT
    __annotations__ = {
        "python": bpy.props.StringProperty(
            name="Python",
            subtype="FILE_PATH",
            description="Another Python that has torch and fomm-nodes, to run graphs. Left empty, the environment "
            f"variable {pythons.VARIABLE} counts, then the worker that was set up, then what is found",
        ),
        "models": bpy.props.StringProperty(
            name="Models",
            subtype="DIR_PATH",
            description="Another folder with checkpoints such as vox-cpk.pth.tar, beside those that the command "
            "`fomm models` lists",
        ),
        "inputs": bpy.props.StringProperty(
            name="Input Folder",
            subtype="DIR_PATH",
            description="Where graphs look for files that they name without a folder, as ComfyUI's input folder",
        ),
        "device": bpy.props.StringProperty(
            name="Device", default="auto", description="auto, cpu, cuda, cuda:1, mps: where the networks run"
        ),
        "server": bpy.props.StringProperty(
            name="ComfyUI Server",
            description="Address of a ComfyUI that runs the graphs instead, such as http://127.0.0.1:8188. It needs "
            "fomm-nodes among its custom nodes",
        ),
        "setup_device": bpy.props.EnumProperty(
            name="For",
            description="Which torch Set Up Worker installs",
            items=[
                ("auto", "This Machine", "CUDA where there is an NVIDIA driver, else the CPU (or Metal, on a Mac)", 0),
                ("cpu", "CPU", "About 1 GB", 1),
                ("cuda", "CUDA", "NVIDIA GPUs; about 5 GB", 2),
            ],
        ),
        "found": bpy.props.StringProperty(options={"HIDDEN", "SKIP_SAVE"}),
    }

    def draw(self: Any, context: Any) -> None:
        layout = self.layout
        setting_up.draw(layout, context, always=True)
        row = layout.row(align=True)
        row.prop(self, "python")
        row.operator("fomm.find_python", text="", icon="VIEWZOOM")
        if self.found:
            layout.label(text=self.found)
        for name in ("models", "inputs", "device", "server"):
            layout.prop(self, name)


class FindPython(bpy.types.Operator):
    """Look for a Python that has what is needed, or look at the one that is named."""

    bl_idname = "fomm.find_python"
    bl_label = "Find Python"

    def execute(self: Any, context: Any) -> set[str]:
        own = preferences()
        found = pythons.look_at(bpy.path.abspath(own.python)) if own.python else pythons.find()
        if not found.problem:
            own.python = found.path
        own.found = found.problem or f"Python {found.version}: fine"
        self.report({"ERROR" if found.problem else "INFO"}, own.found)
        return {"FINISHED"}


CLASSES = (FommPreferences, FindPython)
