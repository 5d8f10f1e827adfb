"""Models that come with the package."""

from __future__ import annotations

from ..errors import CheckpointError
from ..model import MotionModel
from ..shipped import DEFAULT_MODEL, builtin_models
from .reading import load_model


def load_builtin(name: str = DEFAULT_MODEL) -> MotionModel:
    """A built-in model by name; raises CheckpointError naming the choices otherwise."""
    models = builtin_models()
    if name not in models:
        raise CheckpointError(f"expected one of the built-in models {', '.join(models)}; got '{name}'.")
    return load_model(models[name])
