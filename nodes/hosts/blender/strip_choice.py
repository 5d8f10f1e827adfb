"""Which of the selected strips are stills, and which move them."""

from __future__ import annotations

from typing import Any

from .held import strip_of
from .span import StripError
from .strip_inputs import strips_of
from .strip_results import made_from

MOST = 1000
"""Animations that one selection may ask for."""


def pair(scene: Any) -> tuple[Any, Any]:
    """The strips to work on: (source, driving).

    Raises:
        StripError: Another choice is needed.
    """
    editor = _editor(scene)
    strips, active = strips_of(editor), editor.active_strip
    chosen = [strip for strip in strips if strip.select and strip.type != "SOUND"]
    if len(chosen) == 1 and (made := made_from(chosen[0])):
        names = made["source"], made["driving"]
        source, driving = (strip_of(strips, *of) for of in zip(made.get("ids", ("", "")), names, strict=True))
        if source is None or driving is None:
            gone = names[0] if source is None else names[1]
            raise StripError(f"“{chosen[0].name}” was made from “{gone}”, which is not there any more.")
        return source, driving
    if len(chosen) > 2:  # results among them; on its own a result may drive another still
        chosen = [strip for strip in chosen if not made_from(strip)]
    chosen = _without_sped_up(chosen)
    if len(chosen) != 2:
        raise StripError(f"Select two strips: the still and the movie that moves it (now: {len(chosen)}).")
    stills = [strip for strip in chosen if is_still(strip)]
    if len(stills) == 2:
        raise StripError("Both strips are stills. One of the two has to move: a movie or an image sequence.")
    if not stills:
        if active not in chosen:
            raise StripError("Both strips move. Click the driving one last; of the other, the frame at the playhead.")
        stills = [strip for strip in chosen if strip != active]
    source = stills[0]
    return source, next(strip for strip in chosen if strip != source)


def pairs(scene: Any) -> list[tuple[Any, Any]]:
    """Each selected still with each selected movie, for the queue; results of ours are left out.

    Raises:
        StripError: Another choice is needed.
    """
    strips = strips_of(_editor(scene))
    chosen = [strip for strip in strips if strip.select and strip.type != "SOUND" and not made_from(strip)]
    chosen = sorted(_without_sped_up(chosen), key=lambda strip: (strip.channel, strip.name))
    stills = [strip for strip in chosen if is_still(strip)]
    movies = [strip for strip in chosen if not is_still(strip)]
    if not stills or not movies:
        raise StripError(
            f"Select the stills, and the movies that move them (now: {len(stills)} stills, {len(movies)} movies)."
        )
    if len(stills) * len(movies) > MOST:
        raise StripError(f"These are {len(stills) * len(movies)} animations; at most {MOST} go into the queue at once.")
    return [(still, movie) for movie in movies for still in stills]


def _editor(scene: Any) -> Any:
    editor = scene.sequence_editor
    if editor is None:
        raise StripError("This scene has no strips yet. Add an image and a movie first.")
    if len(editor.meta_stack):
        raise StripError("You are inside a meta strip. Leave it first (Tab).")
    return editor


def _without_sped_up(chosen: list[Any]) -> list[Any]:
    """A Speed Control strip stands for the one that it works on."""
    under = [strip.input_1 for strip in chosen if strip.type == "SPEED"]
    return [strip for strip in chosen if strip not in under]


def is_still(strip: Any) -> bool:
    """Whether it shows one picture: an image, or a scene by its camera."""
    return strip.type == "SCENE" or (strip.type == "IMAGE" and len(strip.elements) == 1)
