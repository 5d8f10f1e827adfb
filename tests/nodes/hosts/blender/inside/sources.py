"""What Blender itself has as a source of a tree, results as strips, presets, and what a bar says; inside Blender."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import bpy
from checks import addon, main, refusal

FILES = Path(sys.argv[-1])
SIDES = (48, 32)
_ready: list[bool] = []


def prepare() -> None:
    if not _ready:
        addon().register()
        settings = addon("client").Settings
        addon("session").SESSION.settings = settings(os.environ["FOMM_PYTHON"], device="cpu", silent_seconds=120.0)
        _ready.append(True)
    bpy.context.scene.sequence_editor_create()


def strips() -> Any:
    return addon("strip_inputs").strips_of(bpy.context.scene.sequence_editor)


def tree_with(kind: str, shows: str = "PreviewImage", **values: Any) -> tuple[Any, Any, Any]:
    """A source that is shown or saved."""
    tree = bpy.data.node_groups.new("Source", "FommTree")
    tree.w_output = str(FILES / "out")
    source, end = tree.nodes.new("FommSourceNode"), tree.nodes.new(f"FommNode_{shows}")
    source.w_kind = kind
    for name, value in values.items():
        setattr(source, f"w_{name}", value)
    tree.links.new(source.outputs[0], end.inputs[0])
    return tree, source, end


def made(tree: Any, end: Any) -> Any:
    assert bpy.ops.fomm.run(tree=tree.name) == {"FINISHED"}
    return addon("results").result_of(end)


def painted(name: str = "painted") -> Any:
    """An image with no file: red on the left, blue on the right."""
    image = bpy.data.images.new(name, *SIDES)
    left, right = [1.0, 0.0, 0.0, 1.0], [0.0, 0.0, 1.0, 1.0]
    image.pixels = (left * (SIDES[0] // 2) + right * (SIDES[0] // 2)) * SIDES[1]
    return image


def check_an_image_that_has_no_file() -> None:
    tree, source, end = tree_with("IMAGE", image=painted())
    result = made(tree, end)
    assert tuple(result.size) == SIDES
    assert [round(value) for value in (*result.pixels[:3], *result.pixels[-4:-1])] == [1, 0, 0, 0, 0, 1]
    source.w_image.pixels = [0.0, 1.0, 0.0, 1.0] * (SIDES[0] * SIDES[1])
    assert [round(value) for value in made(tree, end).pixels[:3]] == [0, 1, 0], "as it is now"


def check_an_image_with_a_file_is_read_as_it_is() -> None:
    image = bpy.data.images.load(str(FILES / "source.png"))
    tree, source, _ = tree_with("IMAGE", image=image)
    addon("sources").write_sources([tree], bpy.context.scene)
    assert Path(source.file) == FILES / "source.png"


def check_images_of_any_kind_are_written_as_they_are() -> None:
    """Also by a Blender that has no way to write a copy; colours and alpha stay, and so does the image."""
    render, kinds = addon("strip_render"), {}
    kinds["no alpha"] = bpy.data.images.load(str(FILES / "source.png"))
    kinds["float"] = bpy.data.images.new("float", *SIDES, float_buffer=True, alpha=True)
    kinds["see-through"] = bpy.data.images.new("see-through", *SIDES, alpha=True)
    kinds["data"] = bpy.data.images.new("data", *SIDES, alpha=True, is_data=True)
    for name in ("float", "see-through", "data"):
        row = [value for x in range(SIDES[0]) for value in (x / SIDES[0], 0.25, 0.75, 1 - x / SIDES[0] / 2)]
        kinds[name].pixels = row * SIDES[1]
    before = len(bpy.data.images)
    for name, image in kinds.items():
        about = (image.filepath, image.file_format, image.source, image.is_dirty)
        twin, copy = FILES / f"{name} twin.png", FILES / f"{name} copy.png"
        render._save_twin(image, twin)
        render.write_image(image, copy)
        assert (image.filepath, image.file_format, image.source, image.is_dirty) == about, name
        one, other = (bpy.data.images.load(str(path)) for path in (twin, copy))
        assert tuple(one.size) == tuple(image.size)
        steps = [[round(255 * value) for value in loaded.pixels] for loaded in (one, other, image)]
        apart = max(abs(a - b) for a, b in zip(*steps[:2], strict=True))
        assert apart <= 1, (name, apart)
        assert image.is_float or steps[0] == steps[2], name
        for loaded in (one, other):
            bpy.data.images.remove(loaded)
    assert len(bpy.data.images) == before
    empty = bpy.data.images.load(str(FILES / "source.png"))
    empty.filepath = str(FILES / "gone.png")
    for write in (render._save_twin, render.write_image):
        assert refusal(write, image=empty, path=FILES / "empty.png")


def check_a_camera() -> None:
    scene = bpy.context.scene
    scene.camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    scene.collection.objects.link(scene.camera)
    scene.render.engine, scene.cycles.samples = "CYCLES", 1
    scene.render.resolution_x, scene.render.resolution_y = SIDES
    before = (scene.render.filepath, scene.frame_start, scene.frame_end, scene.render.image_settings.file_format)
    tree, _, end = tree_with("CAMERA")
    assert tuple(made(tree, end).size) == SIDES
    after = (scene.render.filepath, scene.frame_start, scene.frame_end, scene.render.image_settings.file_format)
    assert after == before


def check_a_strip_moves() -> None:
    strips().new_movie(name="talk", filepath=str(FILES / "driving.mp4"), channel=1, frame_start=1)
    tree, _, end = tree_with("STRIP", "SaveVideo", strip="talk")
    assert made(tree, end).frame_duration == 46
    graph = addon("api_export").api_graph(tree)
    assert [entry["class_type"] for entry in graph.values()] == ["LoadVideo", "SaveVideo"]


def check_what_is_missing_is_told() -> None:
    for kind, word in (("IMAGE", "choose an image"), ("CAMERA", "no camera"), ("STRIP", "choose a movie")):
        tree, _, _ = tree_with(kind, "SaveVideo" if kind == "STRIP" else "PreviewImage")
        said = refusal(bpy.ops.fomm.run, tree=tree.name)
        assert word in said, said
    tree, _, _ = tree_with("VIEWPORT")
    assert "3D Viewport" in refusal(bpy.ops.fomm.run, tree=tree.name)


def check_a_source_in_a_group_stays_one() -> None:
    tree, source, _ = tree_with("IMAGE", image=painted())
    group = addon("grouping").make_group(tree, [source])
    inner = next(node for node in group.node_tree.nodes if node.bl_idname == "FommSourceNode")
    assert inner.w_image == bpy.data.images["painted"]
    graph = addon("api_export").api_graph(tree)
    assert sorted(entry["class_type"] for entry in graph.values()) == ["LoadImage", "PreviewImage"]
    assert len(next(e for e in graph.values() if e["class_type"] == "PreviewImage")["inputs"]["images"]) == 2


def check_results_become_strips() -> None:
    scene = bpy.context.scene
    scene.frame_current = 11
    strips().new_movie(name="talk", filepath=str(FILES / "driving.mp4"), channel=3, frame_start=1)
    tree, _, end = tree_with("STRIP", "SaveVideo", strip="talk")
    made(tree, end)
    assert bpy.ops.fomm.to_sequencer(tree=tree.name, node=end.name) == {"FINISHED"}
    strip = scene.sequence_editor.active_strip
    assert addon("strip_times").ends(strip) == (11, 11 + 46)
    assert strip.channel == 4, "above what is there"
    tree, _, end = tree_with("IMAGE", "SaveImage", image=painted("another"))
    made(tree, end)
    assert bpy.ops.fomm.to_sequencer(tree=tree.name, node=end.name) == {"FINISHED"}
    strip = scene.sequence_editor.active_strip
    assert strip.type == "IMAGE"
    assert addon("strip_times").ends(strip) == (11, 11 + 2 * scene.render.fps)


def check_names_of_numbered_pictures() -> None:
    assert addon("to_sequencer").following(Path("a_009.png"), 3) == ["a_010.png", "a_011.png"]


def check_presets_keep_settings() -> None:
    settings = bpy.context.scene.fomm_strips
    settings.smoothing, settings.strength, settings.folder = "gaussian", 0.75, "//elsewhere/"
    assert bpy.ops.fomm.add_preset(name="calm") == {"FINISHED"}
    settings.smoothing, settings.strength, settings.folder = "none", 1.0, "//here/"
    path = next(
        Path(folder) / "calm.py"
        for folder in bpy.utils.preset_paths("fomm/strips")
        if (Path(folder) / "calm.py").is_file()
    )
    assert bpy.ops.script.execute_preset(filepath=str(path), menu_idname="FOMM_MT_presets") == {"FINISHED"}
    assert (settings.smoothing, settings.strength, settings.folder) == ("gaussian", 0.75, "//here/")
    path.unlink()


def check_the_bar_says_frames_and_time() -> None:
    progress = addon("progress")
    told = addon("client").Progress
    assert progress.frame_of(told("Animate", 40, 92), 46) is None, "keypoints are found first"
    assert progress.frame_of(told("Animate", 58, 92), 46) == 12
    assert progress.frame_of(told("Load", 1, 3), 46) is None
    pace = progress.Pace()
    assert pace.left("Animate", 0.0, 10.0) is None
    assert pace.left("Animate", 0.1, 11.0) is None, "too early"
    assert pace.left("Animate", 0.5, 14.0) == 4.0
    assert pace.left("Save", 0.0, 15.0) is None, "another node"
    assert [progress.in_words(seconds) for seconds in (0.2, 8, 200, 4800)] == ["1 s", "8 s", "3 min", "1 h 20 min"]


if __name__ == "__main__":
    main(globals(), prepare)
