"""Everything that knows the First Order Motion Model, and nothing that knows a host.

The shortest use:

    model = load_model("vox")                                # a name, or a file; or load_builtin()
    session = AnimationSession(model, device="cuda")
    source = prepare_source(session, image)                # [1, 3, H, W] in 0..1
    driving = session.detect(frames)                         # [T, 3, H, W], or batches of them
    for rendered in session.render(source, drive(source.keypoints, driving, AnimationOptions())):
        rendered.images                                      # [n, 3, h, w]
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .animation import AnimationOptions, drive, prepare_source
    from .checkpoints import convert, load_builtin, load_model, read_checkpoint, save_model
    from .config import PRESETS, MotionModelConfig
    from .errors import FommError
    from .geometry import Keypoints, Motion
    from .model import MotionModel
    from .motion import TransferOptions, transfer
    from .session import AnimationSession, Rendered

__all__ = [
    "PRESETS",
    "AnimationOptions",
    "AnimationSession",
    "FommError",
    "Keypoints",
    "Motion",
    "MotionModel",
    "MotionModelConfig",
    "Rendered",
    "TransferOptions",
    "convert",
    "drive",
    "load_builtin",
    "load_model",
    "prepare_source",
    "read_checkpoint",
    "save_model",
    "transfer",
]

_HOMES = {
    "PRESETS": "config",
    "AnimationOptions": "animation",
    "AnimationSession": "session",
    "FommError": "errors",
    "Keypoints": "geometry",
    "Motion": "geometry",
    "MotionModel": "model",
    "MotionModelConfig": "config",
    "Rendered": "session",
    "TransferOptions": "motion",
    "convert": "checkpoints",
    "drive": "animation",
    "load_builtin": "checkpoints",
    "load_model": "checkpoints",
    "prepare_source": "animation",
    "read_checkpoint": "checkpoints",
    "save_model": "checkpoints",
    "transfer": "motion",
}


def __getattr__(name: str) -> Any:
    """Import a public name from where it lives when it is first asked for: errors and graphs need no torch."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
