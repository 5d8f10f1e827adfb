"""Results over their stills, inside Blender: regions, the still's own transform, alpha."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import bpy
from checks import addon, main, refusal
from sequencer import FILES, movie, path, patient_session, prepare, select, span, strips

WHOLE = {"wide": (320, 180), "odd": (321, 181), "clear": (320, 180)}


def still(name: str) -> Any:
    """One that is moved, turned, cut, and seen through a little."""
    strip = strips().new_image(name=name, filepath=str(FILES / f"{name}.png"), channel=2, frame_start=10)
    put = strip.transform
    put.offset_x, put.offset_y, put.scale_x, put.scale_y, put.rotation = 12.0, -7.0, 0.9, 0.8, 0.3
    put.origin = (0.2, 0.6)
    strip.crop.min_x, strip.crop.max_y = 11, 6
    strip.use_flip_x = True
    return strip


def prepared(name: str, region: str, **settings: Any) -> tuple[Any, Any]:
    """The still, and its result with no strength: it shows what the still does."""
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y = 400, 240
    own = scene.fomm_strips
    own.region, own.strength, own.place = region, 0.0, "STILL"
    for word, value in settings.items():
        setattr(own, word, value)
    source = still(name)
    select(source, movie(frames=3))
    assert bpy.ops.fomm.animate_strips() == {"FINISHED"}
    return source, next(strip for strip in strips() if strip.get("fomm"))


def seen(strip: Any, name: str) -> str:
    """The scene's image with this strip alone."""
    scene = bpy.context.scene
    for other in strips():
        other.mute = other != strip
    bpy.ops.fomm.standard_view()
    scene.frame_set(16)
    image = scene.render.image_settings
    if hasattr(image, "media_type"):
        image.media_type = "IMAGE"
    image.file_format, image.color_mode = "PNG", "RGBA"
    scene.render.filepath = str(FILES / f"{name}.png")
    bpy.ops.render.render(write_still=True)
    return scene.render.filepath


def both(name: str, region: str, **settings: Any) -> dict[str, Any]:
    source, made = prepared(name, region, **settings)
    source.frame_final_duration = 20
    what = "-".join([name, region, *map(str, settings.values())])
    frames = path(made) if made.type == "MOVIE" else bpy.path.abspath(made.directory) + made.elements[0].filename
    return {"still": seen(source, f"{what}-still"), "made": seen(made, f"{what}-made"), "frames": frames}


def check_face() -> dict[str, Any]:
    return both("wide", "auto")


def check_face_in_an_odd_picture() -> dict[str, Any]:
    return both("odd", "face")


def check_square_by_hand() -> dict[str, Any]:
    return both("wide", "square", x=0.3, y=0.6, side=0.7, angle=0.2)


def check_middle() -> dict[str, Any]:
    return both("wide", "off")


def check_all() -> dict[str, Any]:
    return both("wide", "off", fit="stretch")


def check_padded() -> dict[str, Any]:
    return both("odd", "off", fit="pad")


def check_alpha_pasted() -> dict[str, Any]:
    return both("clear", "face")


def check_alpha_of_all() -> dict[str, Any]:
    return both("clear", "off", fit="stretch")


def check_masks_of_a_region() -> dict[str, Any]:
    _, made = prepared("wide", "face", occlusion=True)
    tree = addon("compositor").compositor_tree(bpy.context.scene)
    node = next(node for node in tree.nodes if node.get("fomm"))
    assert tuple(node.image.size) == WHOLE["wide"]
    return {"file": path(node.image), "made": path(made)}


def check_masks_beside_pictures() -> None:
    _, made = prepared("clear", "face", occlusion=True)
    assert (made.type, len(made.elements)) == ("IMAGE", 3)
    node = next(node for node in addon("compositor").compositor_tree(bpy.context.scene).nodes if node.get("fomm"))
    assert "occlusion" in node.image.filepath
    assert not any("occlusion" in element.filename for element in made.elements)


def check_run_again() -> None:
    """At another size, and after the still moved: over the still again, unless the user has moved the result."""
    source, made = prepared("wide", "off")
    wide = made.transform.scale_x
    bpy.context.scene.fomm_strips.region = "face"
    source.transform.offset_x = 40.0
    select(made)
    assert bpy.ops.fomm.animate_strips() == {"FINISHED"}
    assert made.name in strips()
    assert made.transform.offset_x == 40.0
    assert abs(made.transform.scale_x - 0.9) < 1e-6 < abs(wide - 0.9)
    made.transform.offset_x = 3.0
    select(made)
    assert bpy.ops.fomm.animate_strips() == {"FINISHED"}
    assert made.transform.offset_x == 3.0
    bpy.context.scene.fomm_strips.region, bpy.context.scene.fomm_strips.fit = "off", "stretch"
    select(made)
    assert bpy.ops.fomm.animate_strips() == {"FINISHED"}
    shown = made.elements[0].orig_width * made.transform.scale_x
    assert abs(shown - 320 * 0.9) < 1


def check_pictures_are_swapped() -> None:
    source, made = prepared("clear", "face")
    before = [element.filename for element in made.elements]
    driving = strips()["talk"]
    driving.frame_final_duration = 5
    select(made)
    assert bpy.ops.fomm.animate_strips() == {"FINISHED"}
    after = [element.filename for element in made.elements]
    assert (len(before), len(after)) == (3, 5)
    assert not set(before) & set(after)
    assert span(made) == span(driving)
    assert source.name in strips()


def check_refusals() -> dict[str, str]:
    said = {}
    own = bpy.context.scene.fomm_strips
    own.region, own.flow = "face", True
    select(still("wide"), movie(frames=3))
    said["flow"] = refusal(bpy.ops.fomm.animate_strips)
    own.flow = False
    empty = strips().new_image(name="empty", filepath=str(FILES / "empty.png"), channel=4, frame_start=10)
    select(empty, strips()["talk"])
    said["no face"] = refusal(bpy.ops.fomm.animate_strips)
    return said


if __name__ == "__main__":
    patient_session()
    main(globals(), prepare)
