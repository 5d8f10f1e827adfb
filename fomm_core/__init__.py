"""Everything that knows the First Order Motion Model, and nothing that knows a host.

The shortest use:

    model = load_model("vox-cpk.pth.tar")                    # or load_builtin()
    session = AnimationSession(model, device="cuda")
    source = prepare_source(session, picture)                # [1, 3, H, W] in 0..1
    driving = session.detect(frames)                         # [T, 3, H, W], or batches of them
    for rendered in session.render(source, drive(source.keypoints, driving, AnimationOptions())):
        rendered.images                                      # [n, 3, h, w]
"""

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
