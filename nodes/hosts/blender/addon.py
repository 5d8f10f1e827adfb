"""Switching the add-on on and off."""

from __future__ import annotations

import atexit
from typing import Any

import bpy

from . import (
    graph_files,
    grouping,
    groups,
    model_choice,
    nodes,
    operators,
    panels,
    performance_curves,
    preferences_panel,
    progress,
    queue_panel,
    sequencer,
    session,
    setting_up,
    sockets,
    sources,
    templates,
    to_sequencer,
    tree,
    values,
)

_CLASSES: list[type] = []


def register() -> None:
    """Bring everything into Blender."""
    fixed = (
        *preferences_panel.CLASSES,
        *setting_up.CLASSES,
        *model_choice.CLASSES,
        *sockets.CLASSES,
        *values.CLASSES,
        *groups.CLASSES,
        *grouping.CLASSES,
        tree.FommTree,
        *sources.CLASSES,
        *operators.CLASSES,
        *graph_files.CLASSES,
        *to_sequencer.CLASSES,
        *panels.CLASSES,
    )
    for one in (*fixed, *nodes.node_classes()):
        bpy.utils.register_class(one)
        _CLASSES.append(one)
    tree.add_menu()
    templates.register()
    progress.register()
    sequencer.register()
    performance_curves.register()
    bpy.app.handlers.load_post.append(_after_load)
    atexit.register(session.close)
    atexit.register(setting_up.stop)
    atexit.register(queue_panel.forget)
    atexit.register(model_choice.stop)
    bpy.app.timers.register(_sync_once, first_interval=0.0)


def unregister() -> None:
    """Take everything away again; the worker ends."""
    if bpy.app.timers.is_registered(_sync_once):
        bpy.app.timers.unregister(_sync_once)
    setting_up.stop()
    model_choice.stop()
    session.close()
    atexit.unregister(session.close)
    queue_panel.forget()
    atexit.unregister(setting_up.stop)
    atexit.unregister(queue_panel.forget)
    atexit.unregister(model_choice.stop)
    bpy.app.handlers.load_post.remove(_after_load)
    performance_curves.unregister()
    sequencer.unregister()
    progress.unregister()
    templates.unregister()
    tree.remove_menu()
    while _CLASSES:
        bpy.utils.unregister_class(_CLASSES.pop())


def _sync_once() -> None:
    """Files can't be touched while Blender registers."""
    tree.sync_all()


@bpy.app.handlers.persistent
def _after_load(*_: Any) -> None:
    queue_panel.forget()
    tree.sync_all()
