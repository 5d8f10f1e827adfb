"""The sequencer's operator inside Blender. The folder of the test's files is the first argument."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import bpy
from checks import addon, main, refusal

FILES = Path(sys.argv[-1])


def prepare() -> None:
    for module in ("progress", "sequencer"):
        if module not in _registered:
            addon(module).register()
            _registered.add(module)
    scene = bpy.context.scene
    scene.sequence_editor_create()
    scene.render.fps, scene.render.resolution_x, scene.render.resolution_y = 25, 128, 128
    scene.fomm_strips.size, scene.fomm_strips.folder = "model", str(FILES / "results")
    scene.fomm_strips.place = "FIT"


_registered: set[str] = set()


def patient_session() -> None:
    """On a busy machine a worker may need a while to follow a cancel; here it counts that it does."""
    session, settings = addon("session").SESSION, addon("client").Settings
    session.settings = settings(os.environ["FOMM_PYTHON"], device="cpu", silent_seconds=120.0, cancel_seconds=60.0)


def strips() -> Any:
    return addon("strip_inputs").strips_of(bpy.context.scene.sequence_editor)


def movie(name: str = "talk", file: str = "driving.mp4", *, start: int = 10, skip: int = 5, frames: int = 6) -> Any:
    strip = strips().new_movie(name=name, filepath=str(FILES / file), channel=1, frame_start=start)
    strip.frame_offset_start = skip
    strip.frame_final_duration = frames
    return strip


def still(name: str = "face", start: int = 10) -> Any:
    return strips().new_image(name=name, filepath=str(FILES / "source.png"), channel=2, frame_start=start)


def effect_on(strip: Any, end: int) -> dict[str, Any]:
    """Arguments of `new_effect`, which differ between versions."""
    length = {"length": end - span(strip)[0]} if bpy.app.version >= (5, 0) else {"frame_end": end}
    return {**length, "input1" if bpy.app.version >= (4, 5) else "seq1": strip}


def speed_control(name: str, over: Any) -> Any:
    start, end = span(over)
    return strips().new_effect(name=name, type="SPEED", channel=6, frame_start=start, **effect_on(over, end))


def select(*chosen: Any) -> None:
    for strip in strips():
        strip.select = strip in chosen
    bpy.context.scene.sequence_editor.active_strip = chosen[-1]


def animate(*chosen: Any) -> Any:
    before = {strip.name for strip in strips()}
    select(*chosen)
    assert bpy.ops.fomm.animate_strips() == {"FINISHED"}
    return next((s for s in strips() if s.name not in before and s.type == "MOVIE"), None)


def span(strip: Any) -> list[int]:
    return list(addon("strip_times").ends(strip))


def folder(name: str) -> Path:
    (FILES / name).mkdir()
    return FILES / name


def path(strip: Any) -> str:
    return bpy.path.abspath(strip.filepath)


def check_plain() -> dict[str, Any]:
    driving, source = movie(), still()
    made = animate(source, driving)
    assert span(made) == span(driving) == [15, 21]
    assert made.channel > max(driving.channel, source.channel)
    return {"file": path(made), "shown": shown(made)}


def check_rerun_replaces_its_own_strip() -> dict[str, Any]:
    driving, source = movie(), still()
    made = animate(source, driving)
    other = strips().new_movie(name="another", filepath=path(made), channel=7, frame_start=15)
    made.blend_alpha, made.name, made.transform.offset_x = 0.5, "mine", 12.0
    made.crop.min_x, made.strobe = 3, 2
    effect = strips().new_effect(name="glow", type="GLOW", channel=9, frame_start=15, **effect_on(made, 21))
    older, channel = path(made), made.channel
    select(made)
    bpy.context.scene.fomm_strips.strength = 0.5
    driving.frame_final_duration = 4
    assert bpy.ops.fomm.animate_strips() == {"FINISHED"}
    movies = [strip for strip in strips() if strip.type == "MOVIE"]
    assert {strip.name for strip in movies} == {"talk", "mine", other.name}
    again = strips()["mine"]
    assert (again.channel, again.blend_alpha, again.transform.offset_x) == (channel, 0.5, 12.0)
    assert (again.crop.min_x, again.strobe) == (3, 2)
    assert strips()["glow"].input_1 == again, "effects stay on the strip"
    assert effect.name == "glow"
    assert span(again) == [15, 19]
    assert path(again) != older
    assert Path(older).is_file()
    select(driving, source, again)
    assert addon("sequencer").pair(bpy.context.scene) == (source, driving)
    select(source, again)
    assert addon("sequencer").pair(bpy.context.scene) == (source, again)
    return {}


def check_a_result_that_was_moved_and_trimmed_stays_so() -> None:
    driving, source = movie(skip=0, frames=20), still()
    made = animate(source, driving)
    made.frame_start += 100
    made.frame_offset_start, made.frame_final_duration = 4, 9
    where, begin = span(made), made.frame_start
    source.name, driving.name = "renamed still", "renamed movie"
    select(made)
    assert bpy.ops.fomm.animate_strips() == {"FINISHED"}
    assert (span(made), made.frame_start) == (where, begin)


def check_a_driver_that_is_moved_meanwhile_takes_its_result_along() -> None:
    driving, source = movie(), still()
    work, results = addon("strip_work"), addon("strip_results")
    found = addon("strip_inputs").driving_of(driving, bpy.context.scene)
    place = work.placed(bpy.context.scene, source, driving, found, bpy.context.scene.fomm_strips)
    driving.frame_start += 40
    driving.name = "another name"
    made = results.bring_in([FILES / "counted.mp4"], place)
    assert span(made) == span(driving) == [55, 61]


def check_reopened() -> dict[str, Any]:
    made = animate(still(), movie())
    first = path(made)
    blend = FILES / "saved" / "film.blend"
    blend.parent.mkdir(exist_ok=True)
    bpy.context.scene.fomm_strips.folder = "//fomm/"
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))
    bpy.ops.wm.open_mainfile(filepath=str(blend))
    select(next(strip for strip in strips() if strip.get("fomm")))
    assert bpy.ops.fomm.animate_strips() == {"FINISHED"}
    again = next(strip for strip in strips() if strip.get("fomm"))
    assert again.filepath.startswith("//fomm")
    assert Path(path(again)).parent == blend.parent / "fomm"
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))
    return {"first": first, "again": path(again), "blend": str(blend)}


def check_held_ends() -> dict[str, Any]:
    driving, source = movie(skip=0, frames=46), still()
    driving.frame_final_end += 7
    driving.frame_final_start -= 3
    made = animate(source, driving)
    assert span(made) == span(driving) == [7, 63]
    assert made.frame_start == 10
    return {}


def check_speed() -> dict[str, Any]:
    driving, source = movie(frames=12), still()
    faster = speed_control("fast", driving)
    faster.speed_control, faster.speed_factor = "MULTIPLY", 2.0
    made = animate(source, faster)
    assert span(made) == span(faster)
    return {"file": path(made)}


def check_own_rate() -> dict[str, Any]:
    """A movie of 25 frames per second which plays at its own rate in a scene of 24. Only a window can add one."""
    bpy.ops.wm.open_mainfile(filepath=str(FILES / "own-rate.blend"))
    bpy.context.scene.fomm_strips.size, bpy.context.scene.fomm_strips.folder = "model", str(FILES / "results")
    driving, source = strips()["talk"], still()
    driving.frame_final_duration = 10
    made = animate(source, driving)
    assert span(made) == span(driving) == [17, 27]
    return {"file": path(made)}


def check_uneven() -> dict[str, Any]:
    """A movie whose frames are uneven: Blender shows it by time, and the result is as long as the strip."""
    driving = strips().new_movie(name="uneven", filepath=str(FILES / "uneven.mp4"), channel=1, frame_start=10)
    driving.frame_offset_start = 3
    start, end = span(driving)
    made = animate(still(), driving)
    assert span(made) == span(driving)
    return {"file": path(made), "frames": end - start, "fps": float(driving.fps)}


def check_image_sequence() -> dict[str, Any]:
    names = sorted(file.name for file in (FILES / "pictures").iterdir())
    sequence = strips().new_image(name="walk", filepath=str(FILES / "pictures" / names[0]), channel=1, frame_start=20)
    for name in names[1:]:
        sequence.elements.append(name)
    sequence.frame_final_duration = len(names)
    sequence.frame_offset_start = 2
    made = animate(still(), sequence)
    assert span(made) == span(sequence) == [22, 20 + len(names)]
    return {"file": path(made)}


def check_movie_frame_as_source() -> dict[str, Any]:
    driving = movie()
    other = strips().new_movie(name="head", filepath=str(FILES / "counted.mp4"), channel=2, frame_start=11)
    bpy.context.scene.frame_set(18)
    picture = addon("strip_render").still_of(other, bpy.context.scene, 18, folder("frame"))
    select(other, driving)
    source, moving = addon("sequencer").pair(bpy.context.scene)
    assert (source, moving) == (other, driving)
    return {"file": str(picture)}


def check_a_phones_picture_stands_as_blender_shows_it() -> dict[str, Any]:
    strip = strips().new_image(name="phone", filepath=str(FILES / "turned.jpg"), channel=2, frame_start=1)
    picture = addon("strip_render").still_of(strip, bpy.context.scene, 1, folder("phone"))
    image = bpy.data.images.load(str(FILES / "turned.jpg"))
    return {"file": str(picture), "shown": list(image.size)}


def check_scene_camera_as_source() -> dict[str, Any]:
    inner = bpy.data.scenes.new("set")
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    inner.collection.objects.link(camera)
    inner.world = bpy.data.worlds.new("sky")
    inner.world.use_nodes = True
    inner.render.engine, inner.cycles.samples, inner.cycles.use_denoising = "CYCLES", 4, False
    inner.render.resolution_x = inner.render.resolution_y = 16
    inner.render.filepath, inner.frame_current = "//untouched", 3
    bpy.context.scene.frame_set(40)
    colour = inner.world.node_tree.nodes["Background"].inputs[0]
    for frame, red in ((1, 0.0), (3, 1.0), (5, 0.0)):  # the strip shows frame 3 of the set at frame 12
        colour.default_value = (red, 0.0, 0.0, 1.0)
        colour.keyframe_insert("default_value", frame=frame)
    inner.view_settings.view_transform = "Standard"
    strip = strips().new_scene(name="stage", scene=inner, channel=2, frame_start=10)
    strip.scene_camera = camera
    picture = addon("strip_render").still_of(strip, bpy.context.scene, 12, folder("camera"))
    assert (inner.render.filepath, inner.frame_current, inner.camera) == ("//untouched", 3, None)
    assert [scene.name for scene in bpy.data.scenes if scene.name.startswith("fomm")] == []
    return {"file": str(picture)}


def check_sound() -> dict[str, Any]:
    driving, source = movie(file="loud.mp4", start=30, skip=4, frames=10), still()
    made = animate(source, driving)
    assert made is not None
    sounds = [strip for strip in strips() if strip.type == "SOUND"]
    if not sounds:
        return {"sound": False}
    assert span(sounds[0]) == span(driving) == [34, 44]
    assert sounds[0].frame_start == 30
    animate(source, driving)
    assert sum(strip.type == "SOUND" for strip in strips()) == 1
    return {"sound": True}


def check_compositor() -> dict[str, Any]:
    driving, source = movie(), still()
    scene = bpy.context.scene
    scene.fomm_strips.occlusion = scene.fomm_strips.flow = True
    tree = addon("compositor").compositor_tree(scene)
    others = len(tree.nodes)
    for _ in range(2):  # a second run takes the same nodes
        animate(source, driving)
        made = {node.label.split(": ")[-1]: node for node in tree.nodes if node.get("fomm")}
        assert set(made) == {"occlusion", "flow"}
        assert len(tree.nodes) == others + 2
    for node in made.values():
        assert (node.frame_start, node.frame_duration) == (15, 6)
        assert node.image.source == "SEQUENCE"
        assert node.image.colorspace_settings.name == "Non-Color"
        assert tuple(node.image.size) == (128, 128)
    assert made["flow"].image.is_float
    assert not made["occlusion"].image.is_float
    return {name: path(node.image) for name, node in made.items()}


def check_refusals() -> dict[str, Any]:
    said: dict[str, str] = {}
    driving, source = movie(), still()

    def refused(name: str, *chosen: Any) -> None:
        select(*chosen)
        said[name] = refusal(bpy.ops.fomm.animate_strips)

    select(source)
    said["one strip"] = refusal(bpy.ops.fomm.animate_strips)
    refused("two stills", source, still("second", 40))
    for name, word, value in (
        ("backwards", "use_reverse_frames", True),
        ("mirrored", "use_flip_x", True),
        ("strobe", "strobe", 3),
    ):
        before = getattr(driving, word)
        setattr(driving, word, value)
        refused(name, source, driving)
        setattr(driving, word, before)
    said["retimed"] = _refused_retiming()
    wandering = speed_control("wandering", driving)
    wandering.speed_control = "FRAME_NUMBER"
    refused("wandering speed", source, wandering)
    strips().remove(wandering)
    meta = strips().new_meta(name="group", channel=5, frame_start=10)
    refused("meta", source, meta)
    driving.filepath = str(FILES / "gone.mp4")
    refused("gone", source, driving)
    assert not [strip for strip in strips() if strip.get("fomm")]
    return said


def _refused_retiming() -> str:
    """Retiming keys can't be made without a window."""
    retimed = SimpleNamespace(type="MOVIE", name="slow", retiming_keys=[1, 2, 3])
    try:
        addon("strip_inputs").driving_of(retimed, bpy.context.scene)
    except ValueError as problem:
        return str(problem)
    raise AssertionError("expected a refusal")


def check_dead_worker_leaves_no_strip() -> dict[str, Any]:
    driving, source = movie(skip=0, frames=46), still()
    bpy.context.scene.fomm_strips.size = "auto"
    worker = addon("session").client()

    def kill() -> None:
        with contextlib.suppress(AttributeError, ProcessLookupError):
            os.kill(worker.process.pid, getattr(signal, "SIGKILL", signal.SIGTERM))

    select(source, driving)
    timer = threading.Timer(0.5, kill)
    timer.start()
    said = refusal(bpy.ops.fomm.animate_strips)
    timer.join()
    assert not [strip for strip in strips() if strip.get("fomm")]
    assert [file for file in (FILES / "results").iterdir() if file.name.startswith(".")] == []
    bpy.context.scene.fomm_strips.size = "model"
    assert animate(source, driving) is not None, "the next run starts a worker again"
    return {"said": said}


def check_cancel_leaves_no_strip() -> dict[str, Any]:
    driving, source = movie(skip=0, frames=46), still()
    bpy.context.scene.fomm_strips.size = "auto"
    progress = addon("progress")
    worker = addon("session").client()

    def cancel() -> None:
        bpy_run = progress.running()
        assert bpy_run is not None
        bpy_run.handle.cancel()

    select(source, driving)
    timer = threading.Timer(0.5, cancel)
    timer.start()
    assert bpy.ops.fomm.animate_strips() == {"CANCELLED"}
    timer.join()
    assert not [strip for strip in strips() if strip.get("fomm")]
    assert progress.running() is None
    return {"alive": worker.process is not None}


def kept(owner: Any) -> dict[str, Any]:
    """All that can be set on a strip, and on what hangs on it, but for the names of its files."""
    found: dict[str, Any] = {}
    for name, rna in owner.bl_rna.properties.items():
        value = getattr(owner, name)
        if rna.type == "POINTER" and name in ("transform", "crop", "input_1", "color_balance", "proxy"):
            found[name] = value.name if name == "input_1" else kept(value) if value is not None else None
        elif rna.type == "COLLECTION" and name == "modifiers":
            found[name] = [kept(one) for one in value]
        elif rna.type not in ("POINTER", "COLLECTION") and name not in ("filepath", "rna_type"):
            found[name] = tuple(value) if getattr(rna, "is_array", False) else value
    return found


def check_run_again_with_effect_trim_crop_and_move() -> dict[str, Any]:
    """Strength changes the pixels; nothing else of what was done to the result may change."""
    driving, source = movie(skip=0, frames=20), still()
    made = animate(source, driving)
    made.frame_start += 30
    made.frame_offset_start, made.frame_final_duration, made.channel = 3, 9, 8
    made.name, made.blend_type, made.blend_alpha, made.mute = "hero", "ADD", 0.5, False
    made.transform.offset_x, made.transform.scale_y, made.transform.rotation = 12.0, 0.5, 0.25
    made.crop.min_x, made.crop.max_y, made.use_flip_y = 3, 4, True
    made.color_multiply, made.color_tag = 0.75, "COLOR_03"
    if bpy.app.version[:2] != (5, 0):  # which crashes at that
        made.modifiers.new("bright", "BRIGHT_CONTRAST").bright = 4.0
    glow = strips().new_effect(
        name="glow", type="GLOW", channel=9, frame_start=span(made)[0], **effect_on(made, span(made)[1])
    )
    glow.threshold = 0.25
    made.blend_alpha = 0.25
    made.keyframe_insert("blend_alpha", frame=45)
    select(made)
    before, first, others = (kept(made), kept(glow)), path(made), sorted(strip.name for strip in strips())
    assert before[0]["crop"]["min_x"] == 3
    bpy.context.scene.fomm_strips.strength = 0.25
    assert bpy.ops.fomm.animate_strips() == {"FINISHED"}
    after = (kept(strips()["hero"]), kept(strips()["glow"]))
    changed = [
        (name, one, now[name])
        for was, now in zip(before, after, strict=True)
        for name, one in was.items()
        if one != now[name]
    ]
    assert changed == [], changed
    assert sorted(strip.name for strip in strips()) == others
    (curve,) = addon("keyframes").curves_of(bpy.context.scene.animation_data)
    assert curve.data_path == strips()["hero"].path_from_id("blend_alpha")
    return {"first": first, "again": path(strips()["hero"])}


def check_what_counts_as_the_files_pixels() -> dict[str, Any]:
    """Of all views that this Blender has, those that the panel calls the file's colours show each pixel as it is."""
    scene, view = bpy.context.scene, bpy.context.scene.view_settings
    strip = strips().new_image(name="tones", filepath=str(FILES / "tones.png"), channel=1, frame_start=1)
    strip.frame_final_duration = 5
    told = {}
    for name in ("Standard", "Raw", "AgX", "Filmic", "Filmic Log", "False Color", "Khronos PBR Neutral", "ACES 2.0"):
        try:
            view.view_transform = name
        except TypeError:  # this Blender has none of that name
            continue
        view.look, view.exposure, view.gamma = "None", 0.0, 1.0
        told[name] = (addon("sequencer").shows_files_colours(view), rendered(scene, f"view {name}"))
    for word, value in (("exposure", 0.5), ("gamma", 1.2)):
        bpy.ops.fomm.standard_view()
        setattr(view, word, value)
        told[word] = (addon("sequencer").shows_files_colours(view), rendered(scene, f"view {word}"))
    return told


def check_what_blender_is_to_drop_would_fail() -> None:
    """Our modules run with such warnings as errors, in all of these checks."""
    world = bpy.data.worlds.new("sky")
    said = ""
    try:
        exec("world.use_nodes", {"__name__": f"{addon().__name__}.nodes.probe", "world": world})
    except (DeprecationWarning, SystemError) as problem:  # Blender returns a value beside the error
        said = f"{problem} {problem.__cause__}"
    assert ("use_nodes" in said) == (bpy.app.version >= (5, 0)), said


def check_standard_view() -> dict[str, Any]:
    view = bpy.context.scene.view_settings
    view.view_transform, view.exposure = "AgX" if bpy.app.version >= (4, 0) else "Filmic", 1.0
    assert bpy.ops.fomm.standard_view() == {"FINISHED"}
    assert (view.view_transform, view.exposure) == ("Standard", 0.0)
    return {}


def shown(strip: Any) -> str:
    """What Blender shows of the strip in its third frame, as an image."""
    scene = bpy.context.scene
    for other in strips():
        other.mute = other != strip
    bpy.ops.fomm.standard_view()
    scene.frame_set(span(strip)[0] + 2)
    return rendered(scene, "shown")


def rendered(scene: Any, name: str) -> str:
    """The scene's image, as a file."""
    target = FILES / f"{name}.png"
    image = scene.render.image_settings
    if hasattr(image, "media_type"):
        image.media_type = "IMAGE"
    image.file_format, scene.render.filepath = "PNG", str(target)
    scene.render.resolution_percentage = 100
    bpy.ops.render.render(write_still=True)
    return str(target)


if __name__ == "__main__":
    patient_session()
    main(globals(), prepare)
