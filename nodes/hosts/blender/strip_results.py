"""New strips for finished files: above the driving strip, over the same span, in place of what an earlier run made."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import bpy

from .held import Held, strip_of
from .span import Clip
from .strip_inputs import MARK, Driving, scene_fps, strips_of
from .strip_lying import STILL, keep_place, lay_over
from .strip_render import size_of
from .strip_times import ends, get, put, set_ends

log = logging.getLogger("fomm.blender")

SESSION = uuid.uuid4().hex
"""Of this Blender."""

SPAN = "fomm_span"
"""Under this name a strip that we made keeps [start of its content, start, end] as the run placed it."""


@dataclass(frozen=True)
class Place:
    """Where a result goes. Ids and names, not strips: those may be gone when it is finished.

    source, driving: names. ids: of both strips. begin: where the driving strip lay when the run began. span: of the
    driving strip then. fit: how it fills the image. still: (width, height) of the source. cut: how frames were made
    of all of it, for `covered`; empty where it was pasted back. sound: of which file to add a sound strip, if any.
    """

    scene: Held
    source: str
    driving: str
    ids: tuple[str, str]
    begin: float
    clip: Clip
    span: tuple[int, int]
    channel: int
    fit: str = "FIT"
    still: tuple[int, int] = (0, 0)
    cut: str = ""
    sound: Path | None = None
    sound_start: float = 0.0

    @property
    def mark(self) -> str:
        """What strips of this pair carry, so that the next run finds them."""
        return json.dumps({"source": self.source, "driving": self.driving, "ids": self.ids}, sort_keys=True)

    def is_of(self, strip: Any) -> bool:
        """Whether a strip is a result of the same pair; files of older versions know the names alone."""
        made = made_from(strip)
        if made is None:
            return False
        if "ids" in made:
            return tuple(made["ids"]) == self.ids
        return (made["source"], made["driving"]) == (self.source, self.driving)

    def moved(self, frames: int) -> Place:
        """The same, for a driving strip that was moved meanwhile."""
        start, end = self.span
        clip = replace(self.clip, start=self.clip.start + frames, end=self.clip.end + frames)
        return replace(self, clip=clip, span=(start + frames, end + frames), begin=self.begin + frames)


def place_to(place: Place) -> dict[str, Any]:
    """As JSON has it. The number of the scene holds in this session alone."""
    return {**asdict(place), "sound": None if place.sound is None else str(place.sound), "session": SESSION}


def place_from(told: Mapping[str, Any]) -> Place:
    """The other way round. Raises KeyError, TypeError or ValueError for what is none."""
    values = {name: value for name, value in told.items() if name != "session"}
    scene = values["scene"] if told["session"] == SESSION else {**values["scene"], "number": None}
    pairs = {name: tuple(values[name]) for name in ("ids", "span", "still")}
    sound = None if values["sound"] is None else Path(values["sound"])
    return Place(**{**values, **pairs, "scene": Held(**scene), "clip": Clip(**values["clip"]), "sound": sound})


def made_from(strip: Any) -> Mapping[str, Any] | None:
    """{"source": name, "driving": name, "ids": [of both]} of a strip that we made; None for others."""
    try:
        told = json.loads(strip.get(MARK, "null"))
    except (TypeError, ValueError):
        return None
    return told if isinstance(told, dict) and {"source", "driving"} <= set(told) else None


def bring_in(files: Sequence[Path], place: Place) -> Any:
    """Show a finished movie, or numbered images, on the timeline; returns the strip, or None where the scene is gone.

    A strip that an earlier run made for the pair stays, with all that was done to it, and gets the new file.
    """
    scene = place.scene.find(bpy.data.scenes)
    if scene is None:
        return None
    editor = scene.sequence_editor or scene.sequence_editor_create()
    strips = strips_of(editor)
    driving = strip_of(strips, place.ids[1], place.driving)
    if driving is not None and (moved := round(get(driving, "content_start") - place.begin)):
        place = place.moved(moved)
    older = [strip for strip in strips if place.is_of(strip)]
    still = strip_of(strips, place.ids[0], place.source) if place.fit == STILL else None
    kind = "MOVIE" if len(files) == 1 and files[0].suffix == ".mp4" else "IMAGE"
    strip = next((strip for strip in older if strip.type == kind), None)
    sizes = place.still, size_of(files[0])
    if strip is None:
        strip = _new(strips, files, place, kind)
        if still is not None:
            lay_over(strip, still, sizes, place.cut)
    else:
        before = file_of(strip)
        size = size_of(before) if before.is_file() else sizes[1]
        _swap(strip, files, place)
        keep_place(strip, size, still, sizes, place.cut)
    for other in older:
        if other.type in ("MOVIE", "IMAGE") and other != strip:  # the still had alpha then, or has it now
            strips.remove(other)
    strip[MARK], strip[SPAN] = place.mark, [place.clip.start, *place.span]
    strip.colorspace_settings.name = "sRGB"
    sounds = [strip for strip in older if strip.type == "SOUND"]
    if any(list(sound.get(SPAN, ())) != [place.clip.start, *place.span] for sound in sounds):
        for sound in sounds:
            strips.remove(sound)
        sounds = []
    if place.sound is not None and not sounds:
        _add_sound(strips, scene, place, strip.channel)
    for other in strips:
        other.select = other == strip
    editor.active_strip = strip
    return strip


def _new(strips: Any, files: Sequence[Path], place: Place, kind: str) -> Any:
    words: dict[str, Any] = {
        "name": f"{place.source} as {place.driving}",
        "filepath": _relative(files[0]),
        "channel": _free_channel(strips, place.channel + 1, place.span),
        "frame_start": place.clip.start,
        "fit_method": "ORIGINAL" if place.fit == STILL else place.fit,
    }
    strip = strips.new_movie(**words) if kind == "MOVIE" else strips.new_image(**words)
    if kind == "IMAGE":
        _show_pictures(strip, files)
    set_ends(strip, place.span)
    return strip


def _show_pictures(strip: Any, files: Sequence[Path]) -> None:
    """Have an image strip show these, in their order."""
    left = len(strip.elements)
    for path in files:
        strip.elements.append(path.name)
    for _ in range(left):
        strip.elements.pop(0)
    strip.directory = f"{_relative(files[0].parent)}/"


def file_of(strip: Any) -> Path:
    """The file that a MOVIE or IMAGE strip shows, or its first image."""
    name = strip.filepath if strip.type == "MOVIE" else f"{strip.directory}{strip.elements[0].filename}"
    return Path(bpy.path.abspath(name))


def _swap(strip: Any, files: Sequence[Path], place: Place) -> None:
    """Give a strip another file. Where the driving strip covers other frames than at the last run, its ends follow by
    as much; what the user moved and trimmed stays moved and trimmed.
    """
    began, was_start, was_end = strip.get(SPAN) or (place.clip.start, *place.span)
    left, right = ends(strip)
    begin = get(strip, "content_start") + place.clip.start - began
    if strip.type == "MOVIE":
        strip.filepath = _relative(files[0])
    else:
        _show_pictures(strip, files)
    put(strip, "content_start", begin)
    set_ends(strip, (left + place.span[0] - was_start, right + place.span[1] - was_end))


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
            name=f"{place.driving} (audio)",
            filepath=_relative(place.sound),
            channel=_free_channel(strips, channel + 1, place.span),
            frame_start=round(begin),
        )
    except RuntimeError as problem:  # a file without sound, or a Blender without
        log.info("no sound strip: %s", problem)
        return
    if (frames := int(get(strip, "content_duration"))) <= 1:
        strips.remove(strip)
        return
    put(strip, "content_start", begin)
    set_ends(strip, (place.clip.start, min(place.clip.end, round(begin + frames))))
    strip[MARK], strip[SPAN] = place.mark, [place.clip.start, *place.span]


def _free_channel(strips: Any, channel: int, span: tuple[int, int]) -> int:
    while _taken(strips, channel, span):
        channel += 1
    return channel


def _taken(strips: Any, channel: int, span: tuple[int, int]) -> bool:
    return any(strip.channel == channel and ends(strip)[0] < span[1] and ends(strip)[1] > span[0] for strip in strips)


def _relative(path: Path | None) -> str:
    """Relative to the saved .blend file, as Blender itself adds files."""
    return bpy.path.relpath(str(path)) if bpy.data.is_saved else str(path)


def results_in(editor: Any) -> Iterator[Any]:
    """The strips with images that we made."""
    return (strip for strip in strips_of(editor) if strip.type in ("MOVIE", "IMAGE") and made_from(strip))
