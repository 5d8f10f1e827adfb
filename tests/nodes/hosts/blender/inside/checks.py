"""What runs inside Blender: functions named `check_...`, each in a fresh file, results as lines of JSON."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import traceback
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import bpy

ROOT = Path(__file__).resolve().parents[5]
NAME = "fomm_addon"


def addon(module: str = "") -> ModuleType:
    """A module of the add-on, which is loaded as Blender loads one: under a name of its own."""
    if NAME not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            NAME, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
        )
        assert spec is not None
        assert spec.loader is not None
        sys.modules[NAME] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[NAME])
    return importlib.import_module(f"{NAME}.nodes.hosts.blender.{module}") if module else sys.modules[NAME]


def refusal(call: Any, **arguments: Any) -> str:
    """What an operator, or one of our functions, says when it refuses."""
    try:
        call(**arguments)
    except (RuntimeError, ValueError) as problem:
        return str(problem)
    raise AssertionError("expected a refusal")


def main(checks: dict[str, Any], prepare: Any) -> None:
    """Run the checks; what Blender is to drop, and we still use, fails them. bpy with own classes may hang or crash at
    its exit, so there is none.
    """
    warnings.filterwarnings("error", category=DeprecationWarning, module=rf"{NAME}\.")
    for name, check in list(checks.items()):
        if not name.startswith("check_"):
            continue
        told: dict[str, Any] = {"check": name, "error": "", "told": {}}
        try:
            bpy.ops.wm.read_factory_settings(use_empty=True)
            prepare()
            told["told"] = check() or {}
        except BaseException:
            told["error"] = traceback.format_exc()
        print(f"\n@@{json.dumps(told)}", flush=True)
    addon("session").close()
    sys.stdout.flush()
    os._exit(0)
