"""New strips for finished files: above the driving strip, over the same span, in place of what an earlier run made."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy

from .span import Clip
from .strip_inputs import MARK, Driving, ends, scene_fps, strips_of

log = logging.getLogger("fomm.blender")

KEPT = ("blend_type", "blend_alpha", "mute", "lock", "color_tag", "use_flip_x", "use_flip_y", "color_multiply")
KEPT_PLACE = ("offset_x", "offset_y", "scale_x", "scale_y", "rotation")


@dataclass(frozen=True)
class Place:
    """Where a result goes. Names, not strips: those may be gone when it is finished.

    scene, source, driving: names. span: of the driving strip. sound: of which file to add a sound strip, if any.
    """

    scene: str
    source: str
    driving: str
    clip: Clip
    span: tuple[int, int]
    channel: int
    fit: str = "FIT"
    sound: Path | None = None
    sound_start: float = 0.0

    @property
    def mark(self) -> str:
        """What strips of this pair carry, so that the next run finds them."""
        return json.dumps({"source": self.source, "driving": self.driving}, sort_keys=True)


def made_from(strip: Any) -> Mapping[str, str] | None:
    """{"source": ..., "driving": ...} of a strip that we made; None for others."""
    try:
        told = json.loads(strip.get(MARK, "null"))
    except (TypeError, ValueError):
        return None
    return told if isinstance(told, dict) and {"source", "driving"} <= set(told) else None


def put(path: Path, place: Place) -> Any:
    """Show a finished movie on the timeline; returns its strip, or None where the scene is gone."""
    scene = bpy.data.scenes.get(place.scene)
    if scene is None:
        return None
    editor = scene.sequence_editor or scene.sequence_editor_create()
    strips = strips_of(editor)
    older = [strip for strip in strips if strip.get(MARK) == place.mark]
    pictures = next((strip for strip in older if strip.type == "MOVIE"), None)
    kept = _kept(pictures) if pictures is not None else None
    channel = pictures.channel if pictures is not None else 0
    for strip in older:
        strips.remove(strip)
    if not channel or _taken(strips, channel, place.span):
        channel = _free_channel(strips, place.channel + 1, place.span)
    strip = strips.new_movie(
        name=f"{place.source} as {place.driving}",
        filepath=_relative(path),
        channel=channel,
        frame_start=place.clip.start,
        fit_method=place.fit,
    )
    _trim(strip, place.span)
    strip[MARK] = place.mark
    strip.colorspace_settings.name = "sRGB"
    if kept is not None:
        _give_back(strip, kept)
    if place.sound is not None:
        _add_sound(strips, scene, place, channel)
    for other in strips:
        other.select = other == strip
    editor.active_strip = strip
    return strip


def sound_for(driving: Driving, scene: Any, marks: str) -> tuple[Path, float] | None:
    """The file whose sound belongs under the result, and the second at which the result starts in it. None where the
    timeline has that sound already, or where the strip does not play at the pace of its sound.
    """
    if driving.path is None or abs(driving.clip.per_frame * scene_fps(scene) / driving.fps - 1) > 1e-3:
        return None
    start, end = driving.clip.start, driving.clip.end
    for strip in scene.sequence_editor.strips_all if hasattr(scene.sequence_editor, "strips_all") else _all(scene):
        if strip.type == "SOUND" and strip.get(MARK) != marks and strip.sound is not None:
            first, last = ends(strip)
            same = Path(bpy.path.abspath(strip.sound.filepath)).resolve() == driving.path
            if same and first < end and last > start:
                return None
    return driving.path, driving.clip.first / driving.fps


def _all(scene: Any) -> Any:
    return scene.sequence_editor.sequences_all  # Blender < 4.5


def _add_sound(strips: Any, scene: Any, place: Place, channel: int) -> None:
    fps = scene_fps(scene)
    begin = place.clip.start - place.sound_start * fps
    try:
        strip = strips.new_sound(
            name=f"{place.driving} (sound)",
            filepath=_relative(place.sound),
            channel=_free_channel(strips, channel + 1, place.span),
            frame_start=round(begin),
        )
    except RuntimeError as problem:  # a file without sound, or a Blender without
        log.info("no sound strip: %s", problem)
        return
    if strip.frame_duration <= 1:
        strips.remove(strip)
        return
    strip.frame_start = begin
    _trim(strip, (place.clip.start, min(place.clip.end, round(begin + strip.frame_duration))))
    strip[MARK] = place.mark


def _trim(strip: Any, span: tuple[int, int]) -> None:
    if hasattr(strip, "left_handle"):
        strip.left_handle, strip.right_handle = span
    else:
        strip.frame_final_start, strip.frame_final_end = span


def _free_channel(strips: Any, channel: int, span: tuple[int, int]) -> int:
    while _taken(strips, channel, span):
        channel += 1
    return channel


def _taken(strips: Any, channel: int, span: tuple[int, int]) -> bool:
    return any(strip.channel == channel and ends(strip)[0] < span[1] and ends(strip)[1] > span[0] for strip in strips)


def _relative(path: Path | None) -> str:
    """Relative to the saved .blend file, as Blender itself adds files."""
    return bpy.path.relpath(str(path)) if bpy.data.is_saved else str(path)


def _kept(strip: Any) -> dict[str, Any]:
    """What a user may have set on a result."""
    settings = {name: getattr(strip, name) for name in KEPT}
    place = {name: getattr(strip.transform, name) for name in KEPT_PLACE}
    return {"name": strip.name, "settings": settings, "place": place}


def _give_back(strip: Any, kept: Mapping[str, Any]) -> None:
    for target, values in ((strip, kept["settings"]), (strip.transform, kept["place"])):
        for name, value in values.items():
            setattr(target, name, value)
    strip.name = kept["name"]


def results_in(editor: Any) -> Iterator[Any]:
    """The movie strips that we made."""
    return (strip for strip in strips_of(editor) if strip.type == "MOVIE" and made_from(strip))
