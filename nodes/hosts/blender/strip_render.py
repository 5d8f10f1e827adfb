"""Pictures and clips of strips, made by Blender itself where the worker can't read the file as it is."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bpy

from .span import StripError
from .strip_graph import Still
from .strip_inputs import PICTURES, driving_of, element_size, existing, strips_of
from .strip_times import ends, get, put

OPAQUE = 254.5 / 255
"""Alpha from which a pixel is not transparent."""


def still_of(strip: Any, scene: Any, frame: int, folder: Path) -> Path:
    """An image file of what a strip is at a frame of the timeline: the file itself where the worker can read it, a
    PNG in `folder` otherwise.

    Raises:
        StripError: The strip holds no image, or its file is gone.
    """
    if strip.type == "IMAGE":
        element = strip.strip_elem_from_frame(frame) or strip.elements[0]
        path = existing(f"{strip.directory}{element.filename}", strip.name)
        return path if path.suffix.lower() in PICTURES else _picture(path, folder)
    if strip.type == "MOVIE":
        start, end = ends(strip)
        clip = driving_of(strip, scene).clip
        at = min(max(frame, start, clip.start), end - 1, clip.end - 1)
        index = clip.first + int((at - clip.start) * clip.per_frame)
        return _movie_frame(existing(strip.filepath, strip.name), index, folder)
    if strip.type == "SCENE":
        return _camera(strip, frame, folder)
    raise StripError(
        f"“{strip.name}” can't be the source: it has to be an image, a movie (its frame at the playhead), or a scene "
        "strip (what its camera sees)."
    )


def looked_at(path: Path) -> Still:
    """An image file with its size, and whether any of it is transparent. Raises StripError where it is no image."""
    image = bpy.data.images.load(str(path))
    try:
        width, height = image.size
        alpha = False
        if image.depth in (32, 64, 128):  # bits a pixel, of four channels
            pixels = array("f", bytes(4 * len(image.pixels)))
            image.pixels.foreach_get(pixels)
            alpha = min(pixels[3::4], default=1.0) < OPAQUE
    finally:
        bpy.data.images.remove(image)
    if not width:
        raise StripError(f"{path.name} is not an image that Blender can read.")
    return Still(path, width, height, alpha)


def size_of(path: Path) -> tuple[int, int]:
    """(width, height) of a movie or image; zeros where Blender can't read it."""
    clip = bpy.data.movieclips.load(str(path))
    try:
        width, height = clip.size
    finally:
        bpy.data.movieclips.remove(clip)
    return width, height


def lossless_clip(pictures: Sequence[Path], fps: float, folder: Path) -> Path:
    """An image sequence as a movie, each pixel as it was."""
    first = looked_at(pictures[0])
    with _stage(first.width, first.height) as stage:
        strips = strips_of(stage.sequence_editor)
        strip = strips.new_image(name="pictures", filepath=str(pictures[0]), channel=1, frame_start=1)
        strip.directory = f"{pictures[0].parent}/"
        for picture in pictures[1:]:
            strip.elements.append(picture.name)
        put(strip, "duration", len(pictures))
        stage.frame_end = len(pictures)
        _write_movie(stage, folder / "driving.mkv", fps)
    return folder / "driving.mkv"


def _picture(path: Path, folder: Path) -> Path:
    shown = looked_at(path)
    with _stage(shown.width, shown.height) as stage:
        strips_of(stage.sequence_editor).new_image(name="picture", filepath=str(path), channel=1, frame_start=1)
        return _write_picture(stage, 1, folder)


def _movie_frame(path: Path, index: int, folder: Path) -> Path:
    with _stage(16, 16) as stage:
        strip = strips_of(stage.sequence_editor).new_movie(
            name="movie", filepath=str(path), channel=1, frame_start=1 - index
        )
        stage.render.resolution_x, stage.render.resolution_y = element_size(strip)
        return _write_picture(stage, 1, folder)


def _camera(strip: Any, frame: int, folder: Path) -> Path:
    """What the scene's camera sees, with the scene's own render settings and view."""
    inner = strip.scene
    camera = strip.scene_camera or inner.camera
    if camera is None:
        raise StripError(
            f"“{strip.name}”: its scene “{inner.name}” has no camera. Add one, or choose one in the strip."
        )
    at = round(frame - get(strip, "content_start")) + inner.frame_start
    return camera_picture(inner, camera, at, folder)


def camera_picture(scene: Any, camera: Any, frame: int, folder: Path) -> Path:
    """What a camera of a scene sees at a frame, as PNG, with the scene's own render settings and view."""
    with _as_it_was(scene):
        scene.camera, scene.render.use_sequencer = camera, False
        return _write_picture(scene, frame, folder)


def viewport_picture(path: Path) -> Path:
    """What the largest 3D view shows, as PNG in the size of a render. Raises StripError where none is open."""
    windows = bpy.context.window_manager.windows
    views = [(window, area) for window in windows for area in window.screen.areas if area.type == "VIEW_3D"]
    if bpy.app.background or not views:
        raise StripError("No 3D Viewport is open. Open one, or use the camera.")
    window, area = max(views, key=lambda view: view[1].width * view[1].height)
    region = next(region for region in area.regions if region.type == "WINDOW")
    scene = window.scene
    with _as_it_was(scene), bpy.context.temp_override(window=window, area=area, region=region):
        _as_png(scene)
        scene.render.filepath, scene.render.use_file_extension = str(path), False
        bpy.ops.render.opengl(write_still=True, view_context=True)
    if not path.is_file():
        raise StripError("The 3D Viewport could not be rendered.")
    return path


def write_image(image: Any, path: Path) -> Path:
    """One of Blender's images as PNG, as it is now. Raises StripError where it has no pixels."""
    before = image.file_format
    try:
        if "save_copy" in bpy.types.Image.bl_rna.functions["save"].parameters:
            image.file_format = "PNG"
            image.save(filepath=str(path), save_copy=True)
        else:  # Blender 4.2 would make the file the image's own
            _save_twin(image, path)
    except RuntimeError as problem:
        raise StripError(f"“{image.name}” can't be written: {problem}".strip()) from problem
    finally:
        image.file_format = before
    return path


def _save_twin(image: Any, path: Path) -> None:
    if not all(image.size):
        raise RuntimeError("it has no pixels")
    twin = bpy.data.images.new(image.name, *image.size, alpha=True, float_buffer=image.is_float)
    try:
        twin.colorspace_settings.name, twin.alpha_mode = image.colorspace_settings.name, image.alpha_mode
        pixels = array("f", bytes(4 * len(image.pixels)))
        image.pixels.foreach_get(pixels)
        if image.channels != twin.channels:  # without alpha
            found, pixels = pixels, array("f", [1.0]) * len(twin.pixels)
            for channel in range(3):
                pixels[channel::4] = found[min(channel, image.channels - 1) :: image.channels]
        twin.pixels.foreach_set(pixels)
        twin.filepath_raw, twin.file_format = str(path), "PNG"
        twin.save()
    finally:
        bpy.data.images.remove(twin)


@contextmanager
def _stage(width: int, height: int) -> Iterator[Any]:
    """A scene of its own that shows strips pixel by pixel, one to one."""
    stage = bpy.data.scenes.new("fomm")
    try:
        stage.sequence_editor_create()
        stage.frame_start = stage.frame_end = stage.frame_current = 1
        stage.display_settings.display_device = "sRGB"
        stage.view_settings.view_transform = "Standard"
        stage.view_settings.look = "None"
        render = stage.render
        render.resolution_x, render.resolution_y, render.resolution_percentage = width, height, 100
        render.use_sequencer, render.use_compositing, render.dither_intensity = True, False, 0.0
        yield stage
    finally:
        bpy.data.scenes.remove(stage)


def _write_picture(scene: Any, frame: int, folder: Path) -> Path:
    """A frame as PNG. As an animation of one frame: a single image is rendered at the frame of the scene in view."""
    _as_png(scene)
    scene.frame_start = scene.frame_end = frame
    scene.render.filepath, scene.render.use_file_extension = str(folder / "source-"), True
    return _render(scene, Path(scene.render.frame_path(frame=frame)))


def _as_png(scene: Any) -> None:
    image = scene.render.image_settings
    if hasattr(image, "media_type"):  # Blender 5
        image.media_type = "IMAGE"
    image.file_format, image.color_mode, image.color_depth = "PNG", "RGBA", "8"


def _write_movie(scene: Any, path: Path, fps: float) -> None:
    render = scene.render
    render.fps, render.fps_base = round(fps), round(fps) / fps
    if hasattr(render.image_settings, "media_type"):
        render.image_settings.media_type = "VIDEO"
    render.image_settings.file_format, render.image_settings.color_mode = "FFMPEG", "RGB"
    render.ffmpeg.format, render.ffmpeg.codec, render.ffmpeg.audio_codec = "MKV", "FFV1", "NONE"
    render.filepath, render.use_file_extension = str(path), False
    _render(scene, path)


def _render(scene: Any, path: Path) -> Path:
    try:
        bpy.ops.render.render(scene=scene.name, animation=True)
    except RuntimeError as problem:
        raise StripError(f"Blender could not render what is needed: {problem}".strip()) from problem
    if not path.is_file():
        raise StripError("Blender rendered nothing: cancelled, or another render is under way. Try again.")
    return path


@contextmanager
def _as_it_was(scene: Any) -> Iterator[None]:
    """Put back what a render of a user's scene needs changed."""
    image, render = scene.render.image_settings, scene.render
    names = (
        (image, ("media_type", "file_format", "color_mode", "color_depth")),
        (render, ("filepath", "use_sequencer", "use_file_extension")),
        (scene, ("camera", "frame_start", "frame_end")),
    )
    before = [(holder, name, getattr(holder, name)) for holder, all in names for name in all if hasattr(holder, name)]
    frame = scene.frame_current
    try:
        yield
    finally:
        for holder, name, value in before:
            setattr(holder, name, value)
        scene.frame_set(frame)
