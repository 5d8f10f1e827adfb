"""Keyframes on the strength, inside Blender. The folder of the test's files is the first argument."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import bpy
from checks import addon, main, refusal

FILES = Path(sys.argv[-1])
STEPS = 5
"""From the first frame, where nothing moves, to the one where all does."""

SHOWN = 2
"""The frame between them that is compared."""

_ready: list[bool] = []


def prepare() -> None:
    if not _ready:
        addon().register()
        settings = addon("client").Settings
        addon("session").SESSION.settings = settings(os.environ["FOMM_PYTHON"], device="cpu", silent_seconds=120.0)
        _ready.append(True)
    scene = bpy.context.scene
    scene.sequence_editor_create()
    scene.render.fps, scene.render.resolution_x, scene.render.resolution_y = 25, 128, 128
    scene.fomm_strips.size, scene.fomm_strips.folder = "model", str(FILES / "results")


def rising(owner: Any, path: str, first: int) -> None:
    """Keyframes from 0 to 1, straight between them."""
    for frame, value in ((first, 0.0), (first + STEPS, 1.0)):
        setattr(owner.path_resolve(path.rpartition(".")[0]) if "." in path else owner, path.rpartition(".")[2], value)
        owner.keyframe_insert(path, frame=frame)
    for curve in addon("keyframes").curves_of(owner.id_data.animation_data):
        for point in curve.keyframe_points:
            point.interpolation = "LINEAR"


def strips_with(file: str) -> None:
    strips = addon("strip_inputs").strips_of(bpy.context.scene.sequence_editor)
    driving = strips.new_movie(name="talk", filepath=str(FILES / file), channel=1, frame_start=10)
    times = addon("strip_times")
    times.set_ends(driving, (12, 12 + STEPS + 1))
    source = strips.new_image(name="face", filepath=str(FILES / "source.png"), channel=2, frame_start=10)
    for strip in strips:
        strip.select = strip in (driving, source)
    bpy.context.scene.sequence_editor.active_strip = driving


def animated() -> str:
    strips = addon("strip_inputs").strips_of(bpy.context.scene.sequence_editor)
    before = {strip.filepath for strip in strips if strip.type == "MOVIE"}
    assert bpy.ops.fomm.animate_strips() == {"FINISHED"}
    made = next(strip for strip in strips if strip.type == "MOVIE" and strip.filepath not in before)
    assert list(addon("strip_times").ends(made)) == [12, 12 + STEPS + 1]
    return bpy.path.abspath(made.filepath)


def each_strength(file: str) -> dict[str, Any]:
    strips_with(file)
    scene, made = bpy.context.scene, {}
    for strength in (0.0, SHOWN / STEPS, 1.0):
        scene.fomm_strips.strength = strength
        made[f"{strength:g}"] = animated()
    rising(scene, "fomm_strips.strength", 12)
    made["rising"] = animated()
    return made


def check_a_square_movie() -> dict[str, Any]:
    return each_strength("driving.mp4")


def check_a_wide_movie_at_another_rate() -> dict[str, Any]:
    return each_strength("wide.mp4")


def tree_of(name: str, *classes: str) -> tuple[Any, list[Any]]:
    tree = bpy.data.node_groups.new(name, "FommTree")
    tree.w_output = str(FILES / "trees")
    return tree, [tree.nodes.new(f"FommNode_{one}") for one in classes]


def wire(tree: Any, *wires: tuple[Any, Any, str]) -> None:
    for output, node, port in wires:
        tree.links.new(output, addon("nodes").find_socket(node.inputs, port))


def each_run(tree: Any, node: Any, port: str, values: tuple[float, ...], suffix: str) -> dict[str, str]:
    """The files of runs with each value, and with one that rises from the scene's first frame on."""
    bpy.context.scene.frame_start = 3
    made = {}
    for value in (*values, None):
        if value is None:
            rising(node, port, 3)
        else:
            setattr(node, port, value)
        path = addon("operators").output_of(tree).with_suffix(suffix)
        made["rising" if value is None else f"{value:g}"] = str(path)
        assert bpy.ops.fomm.run(tree=tree.name) == {"FINISHED"}
    return made


def check_a_tree() -> dict[str, Any]:
    classes = ("FOMM_LoadExample", "FOMM_LoadModel", "FOMM_AnimateVideo", "SaveVideo")
    tree, (example, model, animate, save) = tree_of("Rising", *classes)
    animate.w_size = "model"
    wire(
        tree,
        (model.outputs[0], animate, "model"),
        (example.outputs[0], animate, "source"),
        (example.outputs[1], animate, "driving"),
        (animate.outputs[0], save, "video"),
    )
    return each_run(tree, animate, "w_strength", (0.0, SHOWN / STEPS, 1.0), ".mp4")


def check_weights_of_a_blend() -> dict[str, Any]:
    """Held at the first, then crossfaded: a keyframe is what the same number is in that frame."""
    classes = ("FOMM_LoadExample", "FOMM_LoadModel", "FOMM_DetectKeypoints", "FOMM_EditPerformance")
    tree, (example, model, detect, edit, blend, keep) = tree_of(
        "Fading", *classes, "FOMM_BlendKeypoints", "FOMM_SaveKeypoints"
    )
    edit.w_mirror = True
    detect.w_size = "model"
    wire(
        tree,
        (model.outputs[0], detect, "model"),
        (example.outputs[1], detect, "images"),
        (detect.outputs[0], edit, "keypoints"),
        (detect.outputs[0], blend, "first"),
        (edit.outputs[0], blend, "second"),
        (blend.outputs[0], keep, "keypoints"),
    )
    made = each_run(tree, blend, "w_weight", (0.0, 1.0), ".safetensors")
    blend.w_over_time = "0: 1"
    return {"made": made, "said": refusal(bpy.ops.fomm.run, tree=tree.name)}


def check_what_cannot_be_followed_is_refused() -> dict[str, Any]:
    strips_with("driving.mp4")
    scene, said = bpy.context.scene, []
    rising(scene, "fomm_strips.strength", 12)
    for name, value in (("mode", "absolute"), ("anchor", "best")):
        before = getattr(scene.fomm_strips, name)
        setattr(scene.fomm_strips, name, value)
        said.append(refusal(bpy.ops.fomm.animate_strips))
        setattr(scene.fomm_strips, name, before)
    scene.animation_data_clear()
    scene.driver_add("fomm_strips.strength").driver.expression = "0.5"
    said.append(refusal(bpy.ops.fomm.animate_strips))
    return {"said": said}


def check_another_length_is_told() -> None:
    """As a server may give it, or a movie that another program cuts short."""
    strips_with("driving.mp4")
    scene = bpy.context.scene
    work = addon("strip_work")
    prepared = work.prepare(scene, *addon("strip_choice").pair(scene), FILES)
    strip = work.show_files([FILES / "driving.mp4"], prepared.place)
    assert work.amiss(strip, prepared.place) == " It has 46 frames for 6 of the scene: the last ones are not seen."
    longer = replace(prepared.place, clip=replace(prepared.place.clip, end=prepared.place.clip.start + 50))
    assert "the last one is held" in work.amiss(strip, longer)


def check_other_settings_take_no_keyframes() -> None:
    tree = bpy.data.node_groups.new("Tree", "FommTree")
    followed = addon("over_time").FOLLOWED
    moving = set()
    for block in addon("blocks").blocks().values():
        node = tree.nodes.new(block.idname)
        properties = node.bl_rna.properties
        moving |= {(block.name, port.name) for port in block.widgets if properties[port.attribute].is_animatable}
    assert moving == set(followed.items())
    strips = bpy.context.scene.fomm_strips
    own = {one.identifier for one in strips.bl_rna.properties if one.is_animatable} - {"rna_type", "name"}
    assert own == {"strength"}


if __name__ == "__main__":
    main(globals(), prepare)
