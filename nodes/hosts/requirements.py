"""Libraries that only some blocks need, and that are not installed with the others."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.util import find_spec

NEEDED: Mapping[str, tuple[str, str]] = {"FOMM_Train": ("lightning_fabric", "lightning-fabric")}
"""(module, name on PyPI) by block."""


def lacking(block: str) -> str | None:
    """What to say of a block whose library is missing; None where it can run."""
    if block not in NEEDED:
        return None
    module, package = NEEDED[block]
    if find_spec(module) is not None:
        return None
    return (
        f"expected the library {package}, which training needs; it is not installed. Run: "
        f"{_quoted(sys.executable)} -m pip install {package}"
    )


def _quoted(path: str) -> str:
    return f'"{path}"' if " " in path else path
