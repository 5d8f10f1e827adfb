"""Models that come with the package."""

from __future__ import annotations

from ..errors import CheckpointError
from ..model import MotionModel
from ..shipped import DEFAULT_MODEL, builtin_models
from .reading import load_model


def load_builtin(name: str = DEFAULT_MODEL) -> MotionModel:
    """Load a model that comes with the package.

    Args:
        name: Its name, as `fomm models` lists it.

    Returns:
        The model in eval mode, float32, on the CPU.

    Raises:
        CheckpointError: There is no such model; the message lists the choices.

    Example:
        >>> from fomm_nodes.fomm_core import load_builtin
        >>> load_builtin().config.frame_size
        (128, 128)
    """
    models = builtin_models()
    if name not in models:
        raise CheckpointError(f"expected one of the built-in models {', '.join(models)}; got '{name}'.")
    return load_model(models[name])
