#!/usr/bin/env bash
# bpy 5.3.0 (Blender 5.3, Python 3.13): the compositor's tree of a scene has moved once more, and strips have new names.
#
# Expected: Scene.compositing_node_group, which took the place of Scene.node_tree in Blender 5.0, stays; so do
#   frame_start, animation_offset_start and frame_offset_end of strips.
# Seen: reading or setting compositing_node_group raises a DeprecationWarning, "expected to be removed in Blender 6.0".
#   Its place is Scene.compositor_effects, a list: setting the old one makes an effect "Scene Effect" there. Strips have
#   content_start, content_duration, content_trim_start, content_trim_end, left_handle_offset, right_handle_offset and
#   duration; the old names still give the same numbers, with the same warning.
# Why it matters: an add-on that serves 4.2 to 5.3 meets three homes of the compositor's tree and two sets of names, and
#   Python hides DeprecationWarnings of imported modules.
# What helps: ask for the new names with hasattr; turn these warnings into errors in the add-on's tests.
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

NAMES = {
    "frame_start": "content_start",
    "frame_duration": "content_duration",
    "frame_final_start": "left_handle",
    "frame_final_duration": "duration",
    "frame_offset_start": "left_handle_offset",
    "frame_offset_end": "right_handle_offset",
}


def told(read):
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        value = read()
    return value, [str(one.message) for one in heard if one.category is DeprecationWarning]


scene = bpy.context.scene
tree = bpy.data.node_groups.new("compositing", "CompositorNodeTree")
_, heard = told(lambda: setattr(scene, "compositing_node_group", tree))
effects = [(effect.name, effect.node_group == tree) for effect in scene.compositor_effects]
print("compositing_node_group:", *heard)
print("compositor_effects:", effects)
assert any("Blender 6.0" in words for words in heard), "it is not to be dropped: this finding is out of date"
assert effects == [("Scene Effect", True)], "this finding is out of date"

strip = scene.sequence_editor_create().strips.new_effect(
    name="colour", type="COLOR", channel=1, frame_start=10, length=20
)
for old, new in NAMES.items():
    value, heard = told(lambda: getattr(strip, old))
    print(f"{old} = {value:g}, {new} = {getattr(strip, new):g}: {heard}")
    assert value == getattr(strip, new), "this finding is out of date"
    assert heard, "this finding is out of date"
sys.stdout.flush()
os._exit(0)
PY
"$work/env/bin/python" "$work/look.py"
