"""From strips to the files behind them. What can't be taken as it is, is refused with what to do instead."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy

from .keyframes import curves_of
from .span import Clip, StripError, clip_of, pace
from .strip_times import ends, get

PICTURES = (".png", ".bmp")
"""Stills that the worker reads just as Blender does. Others go through Blender, which leaves a phone's JPEG lying."""

MARK = "fomm"
"""The custom property of strips that we made: what they were made from."""

RENDER_IT = "Render it to a movie (Render > Render Animation), and use that"


@dataclass(frozen=True)
class Driving:
    """What moves the source. path: the movie; None for an image sequence, whose images are `pictures`.

    fps: the file's frames per second; for images the scene's. size: (width, height).
    """

    name: str
    clip: Clip
    fps: float
    path: Path | None = None
    pictures: tuple[Path, ...] = ()
    size: tuple[int, int] = (1, 1)


def strips_of(editor: Any) -> Any:
    """The strips at the top level of a sequence editor."""
    return editor.strips if hasattr(editor, "strips") else editor.sequences  # Blender < 4.5


def scene_fps(scene: Any) -> float:
    """Frames per second of a scene."""
    return float(scene.render.fps / scene.render.fps_base)


def driving_of(strip: Any, scene: Any) -> Driving:
    """The moving frames of a strip.

    Raises:
        StripError: The strip does not move, shows them in a way that can't be followed, or its file is gone.
    """
    if strip.type == "SPEED":
        return _sped_up(strip, scene)
    if strip.type == "MOVIE":
        return _movie(strip, scene)
    if strip.type == "IMAGE":
        return _sequence(strip, scene)
    if strip.type == "META":
        raise StripError(f"“{strip.name}” is a meta strip. Ungroup it (Strip > Meta). Or: {RENDER_IT}.")
    raise StripError(
        f"“{strip.name}” is a {_kind(strip)} strip; the driving strip has to be a movie or an image sequence. "
        f"{RENDER_IT}."
    )


def _movie(strip: Any, scene: Any, speed: float = 1.0) -> Driving:
    _check_plain(strip)
    path = existing(strip.filepath, strip.name)
    media, fps = _movie_length(path), float(strip.fps)
    offset = int(get(strip, "content_trim_start"))
    usable = media - int(get(strip, "content_trim_end"))
    start, end = ends(strip)
    length = end + get(strip, "right_handle_offset") - get(strip, "content_start")
    constant = float(getattr(strip, "speed_factor", 1.0))  # of movies in Blender 3.4 and 3.5
    shown = pace(usable, offset, length * constant, fps, scene_fps(scene))
    if shown is None:
        raise StripError(
            f"“{strip.name}” plays its {usable - offset} frames over {length:g} frames of the scene, which is neither "
            f"frame by frame nor at its own rate. Add it anew (Add > Movie). Or: {RENDER_IT}."
        )
    clip = clip_of(usable, offset, get(strip, "content_start"), shown * constant, (start, end), strip.name)
    if speed != 1.0:
        clip = _faster(clip, speed, usable)
    return Driving(strip.name, clip, fps, path, size=element_size(strip))


def _sequence(strip: Any, scene: Any, speed: float = 1.0) -> Driving:
    _check_plain(strip)
    count = len(strip.elements)
    if count < 2:
        raise StripError(
            f"“{strip.name}” is a single image, which does not move. Choose a movie or an image sequence as the "
            "driving strip, and this one as the source."
        )
    offset = int(get(strip, "content_trim_start"))
    usable = count - int(get(strip, "content_trim_end"))
    clip = clip_of(usable, offset, get(strip, "content_start"), 1.0, ends(strip), strip.name)
    clip = clip if speed == 1.0 else _faster(clip, speed, usable)
    names = [strip.elements[index].filename for index in range(clip.first, clip.first + clip.count)]
    pictures = tuple(existing(f"{strip.directory}{name}", strip.name) for name in names)
    return Driving(strip.name, clip, scene_fps(scene), pictures=pictures, size=element_size(strip))


def element_size(strip: Any) -> tuple[int, int]:
    """(width, height) of a strip's first image."""
    element = strip.elements[0]
    return element.orig_width, element.orig_height


def _sped_up(strip: Any, scene: Any) -> Driving:
    if strip.speed_control != "MULTIPLY" or _is_animated(strip, scene) or strip.speed_factor <= 0:
        raise StripError(
            f"“{strip.name}” changes the speed as it goes, or backwards. Set its Speed Control to Multiply, with one "
            f"positive factor. Or: {RENDER_IT}."
        )
    inner = strip.input_1
    if inner.type not in ("MOVIE", "IMAGE"):
        raise StripError(f"“{strip.name}” works on a {_kind(inner)} strip; it has to be a movie or an image sequence.")
    return (_movie if inner.type == "MOVIE" else _sequence)(inner, scene, float(strip.speed_factor))


def _faster(clip: Clip, speed: float, usable: int) -> Clip:
    """The same span under a Speed Control strip; past the last frame Blender holds it."""
    per_frame = clip.per_frame * speed
    left = usable - clip.first
    end = min(clip.end, clip.start + max(1, math.floor(left / per_frame)))
    return Clip(clip.first, min(left, math.ceil((end - clip.start) * per_frame)), per_frame, clip.start, end)


def _check_plain(strip: Any) -> None:
    """Raise where the strip shows its frames in another way than one after the other."""
    name = f"“{strip.name}”"
    if len(getattr(strip, "retiming_keys", ())):
        raise StripError(f"{name} has retiming keys. Remove them (Strip > Retiming > Reset). Or: {RENDER_IT}.")
    if strip.use_reverse_frames:
        raise StripError(f"{name} plays backwards. Switch Reverse Frames off. Or: {RENDER_IT}.")
    if strip.strobe > 1:  # 0 and 1 are the same
        raise StripError(f"{name} has a strobe. Set Strobe to 1. Or: {RENDER_IT}.")
    if strip.use_flip_x or strip.use_flip_y:
        raise StripError(f"{name} is mirrored. Switch Mirror off, and mirror the new strip instead. Or: {RENDER_IT}.")
    if getattr(strip, "stream_index", 0):
        raise StripError(f"{name} shows another than the file's first video. Set Stream Index to 0. Or: {RENDER_IT}.")


def _is_animated(strip: Any, scene: Any) -> bool:
    """Whether a curve or a driver moves the strip's speed."""
    animation = scene.animation_data
    if animation is None:
        return False
    where = strip.path_from_id("speed_factor")
    return any(curve.data_path == where for curve in (*animation.drivers, *curves_of(animation)))


def _movie_length(path: Path) -> int:
    """Frames in a movie, as Blender counts them."""
    clip = bpy.data.movieclips.load(str(path))
    try:
        return int(clip.frame_duration)
    finally:
        bpy.data.movieclips.remove(clip)


def existing(name: str, title: str) -> Path:
    """The file that a strip names; raises StripError where it is gone."""
    path = Path(bpy.path.abspath(name)).resolve()
    if not path.is_file():
        raise StripError(f"“{title}”: the file {path} is not there. Find it again (File > External Data).")
    return path


def _kind(strip: Any) -> str:
    with contextlib.suppress(KeyError):
        return str(strip.bl_rna.properties["type"].enum_items[strip.type].name).lower()
    return str(strip.type).lower()
