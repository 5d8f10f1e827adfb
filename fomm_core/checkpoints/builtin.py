"""Models that come with the package."""

from __future__ import annotations

from pathlib import Path

from ..errors import CheckpointError
from ..model import MotionModel
from .reading import load_model

ASSETS = Path(__file__).resolve().parent.parent / "assets"
DEFAULT_MODEL = "demo-64"


def builtin_models() -> dict[str, Path]:
    """Name -> file of every built-in model."""
    return {path.stem: path for path in sorted(ASSETS.glob("*.safetensors"))}


def load_builtin(name: str = DEFAULT_MODEL) -> MotionModel:
    """A built-in model by name; raises CheckpointError naming the choices otherwise."""
    models = builtin_models()
    if name not in models:
        raise CheckpointError(f"expected one of the built-in models {', '.join(models)}; got '{name}'.")
    return load_model(models[name])
