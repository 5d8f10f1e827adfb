"""Processes of this very package, whatever name it goes by here, installed or not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

BOOT = """
import importlib, importlib.util, sys
root, module = sys.argv[1:3]
spec = importlib.util.spec_from_file_location("fomm_nodes", root + "/__init__.py", submodule_search_locations=[root])
sys.modules["fomm_nodes"] = package = importlib.util.module_from_spec(spec)
spec.loader.exec_module(package)
importlib.import_module("fomm_nodes.batch." + module).main()
"""


def start(module: str, errors: int | IO[bytes], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Run `main` of a module of `batch`, with pipes to and from it.

    errors: where its standard error goes. environment: variables, where the user has not set them.
    """
    # A session of its own: Ctrl-C is the driver's business.
    alone: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        alone = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return subprocess.Popen(
        [sys.executable, "-c", BOOT, str(Path(__file__).resolve().parents[1]), module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        env={**environment, **os.environ},
        **alone,
    )
