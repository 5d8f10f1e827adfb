"""Arguments that several commands take in the same form."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

PRECISIONS = ("float32", "bfloat16", "float16")
"""As `fomm_core.precision` names them, which loads torch."""


def add_precision_argument(
    group: Any, help: str, *, choices: Sequence[str] = ("auto", *PRECISIONS), earlier: bool = True
) -> None:
    """`--precision`, whose default is the first choice. earlier: under its former name `--dtype`, too."""
    group.add_argument("--precision", choices=choices, default=choices[0], help=help)
    if earlier:
        group.add_argument(
            "--dtype", dest="precision", choices=choices, default=argparse.SUPPRESS, help=argparse.SUPPRESS
        )
