"""Processes that tests start."""

from __future__ import annotations

import signal
import sys
from typing import Any

if sys.platform == "win32":
    INTERRUPTIBLE: dict[str, Any] = {}
else:

    def _heed() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    INTERRUPTIBLE = {"preexec_fn": _heed}
"""For `subprocess.Popen(..., **INTERRUPTIBLE)`: the child heeds Ctrl-C even where pytest does not.

A shell without job control starts what runs in its background with SIGINT ignored, and children inherit that.
"""
