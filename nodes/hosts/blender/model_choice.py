"""Beside each choice of a model: the folder that models lie in, and the published ones to be had."""

from __future__ import annotations

import json
from typing import Any

import bpy

from .command import Command
from .preferences import OFFLINE, online, preferences, worker_settings
from .session import SESSION

TICK = 0.3
PUBLISHED = (
    ("vox", "vox", "Faces"),
    ("vox-adv", "vox-adv", "Faces, trained on with a discriminator"),
    ("taichi", "taichi", "Bodies"),
    ("taichi-adv", "taichi-adv", "Bodies, trained on with a discriminator"),
    ("fashion", "fashion", "Clothes"),
    ("mgif", "mgif", "Animations"),
    ("bair", "bair", "Robots"),
    ("nemo", "nemo", "Expressions"),
)

_commands: list[Command] = []
"""The download at work, or the last one."""


def download() -> Command | None:
    """The one at work, or the last one."""
    return _commands[-1] if _commands else None


def command(*arguments: str) -> Command:
    """A command of `fomm` in the worker's Python. Raises OSError where there is none."""
    return Command((SESSION.settings or worker_settings(None)).python, arguments)


class OpenModels(bpy.types.Operator):
    """Open the folder that models lie in: put checkpoints such as vox-cpk.pth.tar there"""

    bl_idname = "fomm.open_models"
    bl_label = "Open the Folder of Models"

    def execute(self: Any, context: Any) -> set[str]:
        own = preferences()
        folder = bpy.path.abspath(own.models) if own is not None and own.models else ""
        if not folder:
            try:
                asked = command("models", "--json")
                asked.wait()
                folder = json.loads(asked.output)["folders"][0]
            except (OSError, ValueError, KeyError, IndexError):
                self.report({"ERROR"}, "There is no worker that could tell. Press Set Up Worker first.")
                return {"CANCELLED"}
        return set(bpy.ops.wm.path_open(filepath=made(folder)))


def made(folder: str) -> str:
    """The folder, which is there then."""
    from pathlib import Path

    Path(folder).mkdir(parents=True, exist_ok=True)
    return folder


class GetModel(bpy.types.Operator):
    """Download a model that the paper's authors published: 150 to 750 MB. A broken download goes on where it was"""

    bl_idname = "fomm.get_model"
    bl_label = "Get a Published Model"
    __annotations__ = {"name": bpy.props.EnumProperty(name="Model", items=PUBLISHED)}

    @classmethod
    def poll(cls, context: Any) -> bool:
        at_work = download()
        return at_work is None or at_work.code is not None

    def invoke(self: Any, context: Any, event: Any) -> set[str]:
        return set(context.window_manager.invoke_confirm(self, event))

    def execute(self: Any, context: Any) -> set[str]:
        if not online():
            self.report({"ERROR"}, OFFLINE)
            return {"CANCELLED"}
        own = preferences()
        folder = ["--to", bpy.path.abspath(own.models)] if own is not None and own.models else []
        try:
            _commands[:] = [command("models", "get", self.name, "--yes", *folder)]
        except OSError as problem:
            self.report({"ERROR"}, f"There is no worker ({problem}). Press Set Up Worker first.")
            return {"CANCELLED"}
        if bpy.app.background:
            _commands[0].wait()
            return _end(self, _commands[0])
        bpy.app.timers.register(_follow, first_interval=TICK, persistent=True)
        return {"FINISHED"}


def _end(operator: Any, ended: Command) -> set[str]:
    _look_anew()
    if ended.code:
        operator.report({"ERROR"}, ended.words)
        return {"CANCELLED"}
    operator.report({"INFO"}, ended.words)
    return {"FINISHED"}


def _look_anew() -> None:
    """The lists of models are asked for again when they are next looked at."""
    SESSION.choices.clear()
    SESSION.asked = False


def _follow() -> float | None:
    from .tree import redraw

    redraw("SEQUENCE_EDITOR")
    redraw("NODE_EDITOR")
    at_work = download()
    if at_work is not None and at_work.code is None:
        return TICK
    _look_anew()
    return None


class CancelDownload(bpy.types.Operator):
    """End the download; what has come is kept, and the next one goes on from there"""

    bl_idname = "fomm.cancel_download"
    bl_label = "Cancel Download"

    @classmethod
    def poll(cls, context: Any) -> bool:
        return not GetModel.poll(context)

    def execute(self: Any, context: Any) -> set[str]:
        _commands[-1].cancel()
        return {"FINISHED"}


def draw(layout: Any) -> None:
    """The two buttons, and the download at work."""
    row = layout.row(align=True)
    row.operator(OpenModels.bl_idname, text="Folder", icon="FILE_FOLDER")
    row.operator_menu_enum(GetModel.bl_idname, "name", text="Get Model", icon="IMPORT")
    at_work = download()
    if at_work is None or at_work.code == 0:
        return
    row = layout.row(align=True)
    if at_work.code is None:
        row.label(text=f"{at_work.share * 100:.0f} %  {at_work.words}")
        row.operator(CancelDownload.bl_idname, text="", icon="X")
    else:
        row.label(text=at_work.words, icon="ERROR")


def stop() -> None:
    """When the add-on is switched off, or Blender ends."""
    at_work = download()
    if at_work is not None and at_work.code is None:
        at_work.cancel()


CLASSES = (OpenModels, GetModel, CancelDownload)
