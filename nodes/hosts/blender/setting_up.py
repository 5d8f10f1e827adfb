"""Set Up Worker: an environment with all libraries, made from within Blender; its progress, report and removal."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from typing import Any

import bpy

from . import pythons
from .environment import Plan, Setup, complete, makers, remove
from .paragraphs import paragraph
from .preferences import OFFLINE, online, preferences, worker_folder
from .session import close

TICK = 0.3
SPACES = ("SEQUENCE_EDITOR", "NODE_EDITOR", "PREFERENCES")

_setups: list[Setup] = []
"""The one at work, or the last one; a list, as Blender gives no other place that lives as long as it does."""


def current() -> Setup | None:
    """The set-up at work, or the one that ended last."""
    return _setups[-1] if _setups else None


def device() -> str:
    """What the user chose, else by the machine: cuda where there is an NVIDIA driver."""
    own = preferences()
    chosen = own.setup_device if own is not None else "auto"
    if chosen != "auto":
        return str(chosen)
    return "cuda" if sys.platform != "darwin" and shutil.which("nvidia-smi") else "cpu"


def plan() -> Plan:
    """What would be made now."""
    own = preferences()
    named = bpy.path.abspath(own.python) if own is not None and own.python else ""
    return Plan(worker_folder(), tuple(makers(named, pythons.makers(), sys.executable)), device())


def _follow() -> float | None:
    """A timer: redraws while it is at work, then takes the new Python into use."""
    setup = current()
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in SPACES:
                area.tag_redraw()
    if setup is None or setup.state == "running":
        return TICK
    take_up(setup)
    return None


def take_up(setup: Setup) -> None:
    """After its end: the next run starts a worker of the new environment."""
    if setup.state == "done":
        own = preferences()
        if own is not None:
            own.python, own.found = "", ""
        close()


class SetUpWorker(bpy.types.Operator):
    """Make an environment for the worker in the add-on's own folder, and install all libraries into it: 1 to 5 GB"""

    bl_idname = "fomm.set_up"
    bl_label = "Set Up Worker"

    @classmethod
    def poll(cls, context: Any) -> bool:
        return not is_running()

    def execute(self: Any, context: Any) -> set[str]:
        if not online():
            self.report({"ERROR"}, OFFLINE)
            return {"CANCELLED"}
        close()
        _setups[:] = [Setup(plan()).start()]
        if not bpy.app.background:
            bpy.app.timers.register(_follow, first_interval=TICK, persistent=True)
            return {"FINISHED"}
        state = _setups[0].wait()
        take_up(_setups[0])
        if state != "done":
            self.report({"ERROR"}, _setups[0].problem or "Cancelled")
            return {"CANCELLED"}
        return {"FINISHED"}


class CancelSetup(bpy.types.Operator):
    """End the set-up; what it has made is removed"""

    bl_idname = "fomm.cancel_setup"
    bl_label = "Cancel"

    @classmethod
    def poll(cls, context: Any) -> bool:
        return is_running()

    def execute(self: Any, context: Any) -> set[str]:
        _setups[-1].cancel()
        return {"FINISHED"}


class CopyReport(bpy.types.Operator):
    """Copy what the set-up did and said, to send it to someone who can help"""

    bl_idname = "fomm.copy_report"
    bl_label = "Copy Report"

    @classmethod
    def poll(cls, context: Any) -> bool:
        return current() is not None

    def execute(self: Any, context: Any) -> set[str]:
        context.window_manager.clipboard = _setups[-1].report
        self.report({"INFO"}, "The report is in the clipboard")
        return {"FINISHED"}


class RemoveWorker(bpy.types.Operator):
    """Remove the worker's environment, with all of its libraries, from the disk"""

    bl_idname = "fomm.remove_worker"
    bl_label = "Uninstall Worker"

    @classmethod
    def poll(cls, context: Any) -> bool:
        return not is_running() and worker_folder().exists()

    def invoke(self: Any, context: Any, event: Any) -> set[str]:
        return set(context.window_manager.invoke_confirm(self, event))

    def execute(self: Any, context: Any) -> set[str]:
        close()
        try:
            remove(worker_folder(), wait=bpy.app.background)
        except OSError as problem:
            self.report({"ERROR"}, f"Not removed: {problem}. Close other Blenders that use it, then try again.")
            return {"CANCELLED"}
        _setups.clear()
        pythons.forget()
        return {"FINISHED"}


def is_running() -> bool:
    """Whether a set-up is at work."""
    setup = current()
    return setup is not None and setup.state == "running"


def draw(layout: Any, context: Any, *, always: bool = False) -> None:
    """The box with the button: in panels while there is no worker, in the preferences always."""
    setup, there = current(), bool(complete(worker_folder()))
    own = preferences()
    named = pythons.VARIABLE in os.environ or (own is not None and own.python)
    failed = setup is not None and setup.state == "failed"
    if not always and not is_running() and not failed and (there or named):
        return
    box = layout.box()
    if setup is not None and setup.state == "running":
        _draw_progress(box, setup)
        return
    if failed and setup is not None:
        box.label(text="Set Up Worker failed", icon="ERROR")
        _lines(box, setup.problem, context)
        box.operator(CopyReport.bl_idname, icon="COPYDOWN")
    elif not there:
        _lines(box, "The networks run in a worker beside Blender. Set it up once; no terminal is needed.", context)
    else:
        box.label(text="The worker is set up", icon="CHECKMARK")
    if own is not None:
        box.prop(own, "setup_device")
    row = box.row(align=True)
    row.operator(SetUpWorker.bl_idname, text="Repair" if there or failed else "Set Up Worker", icon="IMPORT")
    if there or failed:
        row.operator(RemoveWorker.bl_idname, text="Uninstall", icon="TRASH")
    if there and setup is not None:
        row.operator(CopyReport.bl_idname, text="", icon="COPYDOWN")


def _draw_progress(box: Any, setup: Setup) -> None:
    row = box.row(align=True)
    if hasattr(row, "progress"):  # Blender 4
        row.progress(factor=setup.share, text=f"{setup.share * 100:.0f} %")
    else:
        row.label(text=f"{setup.share * 100:.0f} %")
    row.operator(CancelSetup.bl_idname, text="", icon="X")
    box.label(text=setup.words)


def _lines(box: Any, text: str, context: Any) -> None:
    paragraph(box, text, context)


def stop() -> None:
    """When the add-on is switched off, or Blender ends."""
    setup = current()
    if setup is not None and setup.state == "running":
        setup.cancel()
        setup.wait(5.0)
    with contextlib.suppress(ValueError):
        bpy.app.timers.unregister(_follow)


CLASSES = (SetUpWorker, CancelSetup, CopyReport, RemoveWorker)
