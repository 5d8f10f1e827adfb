"""Published `.pth.tar` <-> safetensors by an explicit key table; strict, safe, and told apart by shapes."""

from ..shipped import ASSETS, DEFAULT_MODEL, builtin_models
from .builtin import load_builtin
from .checkpoint import Checkpoint
from .reading import load_discriminator, load_model, model_from_checkpoint, read_checkpoint
from .recognise import matching_presets, nearest_preset, recognise
from .writing import convert, save_model, write_published, write_safetensors

__all__ = [
    "ASSETS",
    "DEFAULT_MODEL",
    "Checkpoint",
    "builtin_models",
    "convert",
    "load_builtin",
    "load_discriminator",
    "load_model",
    "matching_presets",
    "model_from_checkpoint",
    "nearest_preset",
    "read_checkpoint",
    "recognise",
    "save_model",
    "write_published",
    "write_safetensors",
]
