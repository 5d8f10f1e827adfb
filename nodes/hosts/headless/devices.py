"""Which device runs the networks where no graph program decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....fomm_core.errors import FommError

if TYPE_CHECKING:
    import torch


def choose_device(name: str) -> torch.device:
    """The device of that name; 'auto' is the fastest there is. Raises FommError where it can't be used."""
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as problem:
        reason = (str(problem).strip() or type(problem).__name__).splitlines()[0]
        raise FommError(
            f"expected a device that torch {torch.__version__} can use; '{name}' is none ({reason}). `fomm doctor` "
            "lists the devices; --device cpu works everywhere."
        ) from problem
    return device
