"""Which device runs the networks where no graph program decides, and in which number format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....fomm_core.errors import FommError

if TYPE_CHECKING:
    import torch

PRECISIONS = ("float32", "bfloat16", "float16")


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


def dtype_of(precision: str, *, fast_half: bool) -> torch.dtype:
    """The number format for a choice of precision; "auto" is float16 where the device is fast with it, else float32."""
    import torch

    if precision == "auto":
        return torch.float16 if fast_half else torch.float32
    if precision not in PRECISIONS:
        raise FommError(f"expected a precision of auto, {', '.join(PRECISIONS)}; got {precision!r}.")
    dtype: torch.dtype = getattr(torch, precision)
    return dtype
