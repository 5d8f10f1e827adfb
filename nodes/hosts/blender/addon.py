"""Switching the add-on on and off."""

from __future__ import annotations

import atexit
from typing import Any

import bpy

from . import nodes, operators, panels, preferences, sockets, tree
from .session import SESSION

_CLASSES: list[type] = []


def register() -> None:
    """Bring everything into Blender."""
    fixed = (*preferences.CLASSES, *sockets.CLASSES, tree.FommTree, *operators.CLASSES, *panels.CLASSES)
    for one in (*fixed, *nodes.node_classes()):
        bpy.utils.register_class(one)
        _CLASSES.append(one)
    tree.add_menu()
    bpy.types.NODE_HT_header.append(panels.draw_header)
    bpy.app.handlers.load_pre.append(_before_load)
    bpy.app.handlers.load_post.append(_after_load)
    atexit.register(SESSION.close)
    bpy.app.timers.register(_sync_once, first_interval=0.0)


def unregister() -> None:
    """Take everything away again; the worker ends."""
    if bpy.app.timers.is_registered(_sync_once):
        bpy.app.timers.unregister(_sync_once)
    SESSION.close()
    atexit.unregister(SESSION.close)
    bpy.app.handlers.load_post.remove(_after_load)
    bpy.app.handlers.load_pre.remove(_before_load)
    bpy.types.NODE_HT_header.remove(panels.draw_header)
    tree.remove_menu()
    while _CLASSES:
        bpy.utils.unregister_class(_CLASSES.pop())


def _sync_once() -> None:
    """Files can't be touched while Blender registers."""
    tree.sync_all()


@bpy.app.handlers.persistent
def _before_load(*_: Any) -> None:
    """The tree that the job is for goes away."""
    SESSION.cancel()


@bpy.app.handlers.persistent
def _after_load(*_: Any) -> None:
    tree.sync_all()
