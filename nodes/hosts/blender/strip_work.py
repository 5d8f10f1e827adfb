"""What is to be made of a still and a driving strip, and what becomes of the files."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import bpy

from . import compositor
from .held import Held, strip_id
from .keyframes import values_of
from .over_time import PORT, with_strength
from .strip_graph import ANIMATES, Look, Request, Still, animation, crops
from .strip_inputs import Driving, driving_of, strips_of
from .strip_render import looked_at, lossless_clip, still_of
from .strip_results import Place, bring_in, sound_for
from .strip_times import ends, get
from .takes import numbered

OCCLUSION = re.compile(r"_occlusion(_\d+)?\.png$")
"""Names of masks, beside frames that are images too."""


@dataclass(frozen=True)
class Prepared:
    """An animation that can be run. title: for the user. stem: of its files."""

    title: str
    stem: str
    request: Request
    place: Place


def prepare(scene: Any, source: Any, driving: Any, folder: Path) -> Prepared:
    """From two strips to a graph. folder: for files that Blender has to write for the worker.

    Raises:
        StripError: The strips, or their settings, can't be used.
    """
    found = driving_of(driving, scene)
    settings = scene.fomm_strips
    still, look = looked_at(still_of(source, scene, scene.frame_current, folder)), settings.look(scene)
    request = _request(still, found, look, folder)
    values = values_of(settings, PORT, range(found.clip.start, found.clip.end))
    if values is not None:
        request = replace(request, graph=with_strength(request.graph, ANIMATES, values))
    place = replace(
        placed(scene, source, driving, found, settings),
        still=(still.width, still.height),
        cut="" if crops(look, still) else look.fit,
    )
    title = f"{source.name} as {driving.name}"
    return Prepared(title, f"{source.name}-{driving.name}", request, place)


def _request(still: Still, found: Driving, look: Look, folder: Path) -> Request:
    if found.path is not None:
        return animation(still, found.path, found.clip, found.fps, look, found.size)
    movie = lossless_clip(found.pictures, found.fps, folder)
    return animation(still, movie, replace(found.clip, first=0), found.fps, look, found.size)


def placed(scene: Any, source: Any, driving: Any, found: Driving, settings: Any) -> Place:
    """Where the result will go."""
    strips = strips_of(scene.sequence_editor)
    place = Place(
        scene=Held.of(scene),
        source=source.name,
        driving=driving.name,
        ids=(strip_id(source, strips), strip_id(driving, strips)),
        begin=get(driving, "content_start"),
        clip=found.clip,
        span=ends(driving),
        channel=max(source.channel, driving.channel),
        fit=settings.place,
    )
    sound = sound_for(found, scene, place.mark) if settings.sound else None
    return place if sound is None else replace(place, sound=sound[0], sound_start=sound[1])


def folder_for(folder: str) -> Path:
    """The folder of the settings; a passing one for "//" before the file is saved."""
    if folder.startswith("//") and not bpy.data.is_saved:
        return Path(tempfile.gettempdir()) / "fomm-blender"
    return Path(bpy.path.abspath(folder))


def output_for(folder: str, stem: str, promised: Iterable[str] = ()) -> Path:
    """A name that no file has yet, nor will get (`promised`), in the folder of the settings."""
    return numbered(folder_for(folder), stem, promised)


def show_files(files: Sequence[Path], place: Place) -> Any:
    """Put what a run made on the timeline and into the compositor; returns the strip, None where the scene is gone.

    By the kinds of the files: a server does not tell which node made them.
    """
    movies = [path for path in files if path.suffix == ".mp4"]
    pictures = [path for path in files if path.suffix == ".png"]
    masks = pictures if movies else [path for path in pictures if OCCLUSION.search(path.name)]
    strip = bring_in(movies or [path for path in pictures if path not in masks], place)
    if strip is None:
        return None
    scene = place.scene.find(bpy.data.scenes)
    flows = [path for path in files if path.suffix == ".exr"]
    for kind, some in (("occlusion", masks), ("flow", flows)):
        if some:
            name = f"{place.source} as {place.driving}: {kind}"
            compositor.bring_in(scene, name, some, place.clip.start, place.mark)
    return strip


def amiss(strip: Any, place: Place) -> str:
    """What to tell of a result that has another length, as Blender counts it, than the frames it was made for; empty
    where it has not.
    """
    made, wanted = int(get(strip, "content_duration")), place.clip.end - place.clip.start
    if made == wanted:
        return ""
    rest = "the last one is held" if made < wanted else "the last ones are not seen"
    return f" It has {made} frames for {wanted} of the scene: {rest}."
