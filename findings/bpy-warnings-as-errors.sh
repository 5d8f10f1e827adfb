#!/usr/bin/env bash
# bpy 5.3.0 (Blender 5.3, Python 3.13): with warnings as errors, a property that is to be dropped fails the call after it.
#
# Expected: with warnings.simplefilter("error", DeprecationWarning), reading or setting such a property raises the
#   DeprecationWarning, and hasattr and getattr with a default let it pass.
# Seen: the value is read, or set, all the same, and the error is left behind: hasattr, getattr and setattr raise
#   SystemError, "returned a result with an exception set"; a plain read raises it in the next call of a function written
#   in C, even in print. The DeprecationWarning is its cause.
# Why it matters: tests that turn warnings into errors, so that an add-on is ready for Blender 6.0, blame the wrong line,
#   and `except DeprecationWarning` catches nothing.
# What helps: catch SystemError as well and look at its __cause__; or record warnings instead (catch_warnings(record=True)).
# PYTHON313: a Python 3.13, which this version needs (python3.13).
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
"${PYTHON313:-python3.13}" -m venv "$work/env"
"$work/env/bin/python" -m pip install --quiet "bpy==5.3.0" numpy
cat >"$work/look.py" <<'PY'
import os
import sys
import warnings

import bpy

strip = bpy.context.scene.sequence_editor_create().strips.new_effect(
    name="colour", type="COLOR", channel=1, frame_start=10, length=20
)


def raised(call):
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        try:
            call()
        except Exception as problem:
            return type(problem).__name__, type(problem.__cause__).__name__
    return "nothing", ""


def read_then_print():
    value = strip.frame_final_start
    print("this is what fails:", value)


found = {
    "hasattr": raised(lambda: hasattr(strip, "frame_final_start")),
    "getattr with a default": raised(lambda: getattr(strip, "frame_final_start", None)),
    "setattr": raised(lambda: setattr(strip, "frame_final_duration", 7)),
    "a read, then print": raised(read_then_print),
}
for name, told in found.items():
    sys.stdout.write(f"{name}: {told[0]}, caused by {told[1]}\n")
warnings.simplefilter("ignore")
sys.stdout.write(f"the duration is {strip.duration}, as it was set\n")
assert set(found.values()) == {("SystemError", "DeprecationWarning")}, "this finding is out of date"
assert strip.duration == 7, "this finding is out of date"
sys.stdout.flush()
os._exit(0)
PY
"$work/env/bin/python" "$work/look.py"
