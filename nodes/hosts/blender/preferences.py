"""What the add-on's preferences say (`preferences_panel` shows them), and where things lie by them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy

from . import pythons
from .client import Settings
from .environment import complete

ROOT = __package__.rsplit(".", 3)[0]
"""The add-on's module, by which Blender knows its preferences."""


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
