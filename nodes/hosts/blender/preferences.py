"""The add-on's preferences: which Python, which folders, or a ComfyUI server instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy

from . import pythons
from .client import Settings
from .environment import complete

ROOT = __package__.rsplit(".", 3)[0]
"""The add-on's module, by which Blender knows its preferences."""


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
            name="Input folder",
            subtype="DIR_PATH",
            description="Where graphs look for files that they name without a folder, as ComfyUI's input folder",
        ),
        "device": bpy.props.StringProperty(
            name="Device", default="auto", description="auto, cpu, cuda, cuda:1, mps: where the networks run"
        ),
        "server": bpy.props.StringProperty(
            name="ComfyUI server",
            description="Address of a ComfyUI that runs the graphs instead, such as http://127.0.0.1:8188. Needs "
            'pip install "fomm-nodes[farm]" in the Python above',
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
        from . import setting_up

        layout = self.layout
        setting_up.draw(layout, context, always=True)
        row = layout.row(align=True)
        row.prop(self, "python")
        row.operator("fomm.find_python", text="", icon="VIEWZOOM")
        if self.found:
            layout.label(text=self.found)
        for name in ("models", "inputs", "device", "server"):
            layout.prop(self, name)


def preferences() -> Any:
    """Ours; None where the add-on was registered by hand, as tests do."""
    addon = bpy.context.preferences.addons.get(ROOT)
    return addon.preferences if addon is not None else None


OFFLINE = "Blender is set to stay offline. Allow Online Access in Preferences > System, then try again."


def online() -> bool:
    """Whether the user lets add-ons use the network; before Blender 4.2 nobody was asked."""
    return bool(getattr(bpy.app, "online_access", True))


def worker_folder() -> Path:
    """Where Set Up Worker puts the environment: it stays when the add-on is updated, and goes with it."""
    try:
        return Path(bpy.utils.extension_path_user(ROOT, path="worker"))
    except (AttributeError, ValueError):  # Blender before 4.2, or unpacked by hand
        return Path(bpy.utils.user_resource("DATAFILES", path="fomm_nodes")) / "worker"


def worker_settings(shown: Path | None) -> Settings:
    """How to start a worker now."""
    own = preferences()
    if own is None:
        return Settings(pythons.chosen("", complete(worker_folder())), shown=shown)
    return Settings(
        pythons.chosen(bpy.path.abspath(own.python), complete(worker_folder())),
        inputs=_folder(own.inputs),
        models=_folder(own.models),
        device=own.device or "auto",
        server=own.server.strip(),
        shown=shown,
    )


def _folder(text: str) -> tuple[Path, ...]:
    return (Path(bpy.path.abspath(text)),) if text else ()


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
