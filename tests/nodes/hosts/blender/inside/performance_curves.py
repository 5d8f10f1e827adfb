"""Performances on F-curves, inside Blender. The folder of the test's files is the first argument."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import bpy
from checks import addon, main, refusal

FILES = Path(sys.argv[-1])
EDITED, FRAME, VALUE = "keypoint 1: position y", 3, 0.3125
FIRST = 7
_ready: list[bool] = []


def prepare() -> None:
    if not _ready:
        addon().register()
        _ready.append(True)
    bpy.context.scene.frame_start = FIRST


def loaded(name: str) -> Any:
    assert bpy.ops.fomm.load_performance(filepath=str(FILES / name)) == {"FINISHED"}
    return bpy.context.view_layer.objects.active


def saved(owner: Any) -> str:
    """The name of the file that comes of it."""
    before = {path.name for path in FILES.iterdir()}
    assert bpy.ops.fomm.save_performance(object=owner.name) == {"FINISHED"}
    (made,) = {path.name for path in FILES.iterdir()} - before
    return made


def curve_of(owner: Any, name: str) -> Any:
    curves = addon("keyframes").curves_of(owner.animation_data)
    return next(curve for curve in curves if curve.data_path == f'["{name}"]')


def check_unedited() -> dict[str, Any]:
    return {path.name: saved(loaded(path.name)) for path in sorted(FILES.glob("kept-*"))}


def check_one_key_edited() -> dict[str, Any]:
    owner = loaded("kept-all.safetensors")
    curve_of(owner, EDITED).keyframe_points[FRAME].co[1] = VALUE
    bpy.context.scene.frame_set(FIRST + FRAME)
    assert owner[EDITED] == VALUE, "the curve moves the property"
    return {"made": saved(owner)}


def check_curves_are_named_and_grouped() -> dict[str, Any]:
    owner = loaded("kept-all.safetensors")
    curves = addon("keyframes").curves_of(owner.animation_data)
    assert {curve.keyframe_points[0].co[0] for curve in curves} == {FIRST}
    assert {curve.keyframe_points[-1].co[0] - len(curve.keyframe_points) for curve in curves} == {FIRST - 1}
    return {"curves": [[curve.group.name, curve.data_path] for curve in curves]}


def check_a_file_opened_again() -> dict[str, Any]:
    """The .blend file alone is enough: the performance it was loaded from may be gone."""
    source = FILES / "gone_004.safetensors"
    source.write_bytes((FILES / "kept-all.safetensors").read_bytes())
    name = loaded(source.name).name
    source.unlink()
    bpy.ops.wm.save_as_mainfile(filepath=str(FILES / "edit.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(FILES / "edit.blend"))
    return {"made": [saved(bpy.data.objects[name]) for _ in range(2)]}


def check_a_curve_taken_away_leaves_its_value() -> dict[str, Any]:
    owner = loaded("kept-all.safetensors")
    assert owner.keyframe_delete(f'["{EDITED}"]', frame=FIRST)
    curve = curve_of(owner, EDITED)
    while len(curve.keyframe_points):
        curve.keyframe_points.remove(curve.keyframe_points[0])
    owner[EDITED] = VALUE
    return {"made": saved(owner)}


def check_refusals() -> dict[str, Any]:
    said = {}
    for path in sorted(FILES.glob("bad-*")):
        said[path.name] = refusal(bpy.ops.fomm.load_performance, filepath=str(path))
    assert not bpy.data.objects, "nothing is left behind"
    bpy.data.objects.new("Empty", None)
    said["empty"] = refusal(bpy.ops.fomm.save_performance, object="Empty")
    owner = loaded("kept-all.safetensors")
    owner.fomm_performance.folder = str(FILES / "nowhere")
    said["folder"] = refusal(bpy.ops.fomm.save_performance, object=owner.name)
    owner.fomm_performance.folder = str(FILES)
    curve_of(owner, EDITED).modifiers.new("GENERATOR").coefficients = (0.0, 3e38)  # per frame of the scene
    said["infinite"] = refusal(bpy.ops.fomm.save_performance, object=owner.name)
    owner.animation_data_clear()
    del owner[EDITED]
    said["property"] = refusal(bpy.ops.fomm.save_performance, object=owner.name)
    return said


if __name__ == "__main__":
    main(globals(), prepare)
