"""`fomm animate` with several images or clips: which are meant, what the results are called, one after the other."""

from __future__ import annotations

import argparse
import glob
import mimetypes
import os
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..fomm_core.wording import counted
from .hints import checked, is_still, none_fits, picture_and_clip, why_no_picture
from .terminal import progress_display, say

if TYPE_CHECKING:
    from ..fomm_core.motion import Performance
    from ..fomm_core.options import FileOptions, Report
    from ..fomm_core.session import AnimationSession

NO_MEDIA = ("text/", "application/")
"""Kinds of files that a pattern passes over."""


@dataclass(frozen=True)
class Inputs:
    """Pictures, and the clips that move them; none where saved movement does."""

    sources: tuple[Path, ...]
    clips: tuple[Path, ...]


def given_inputs(names: Sequence[str], *, performance: bool) -> Inputs:
    """What the names and patterns mean: images come first, then clips; without a saved performance the last name is a
    clip, or a pattern of them. A pattern of images alone is one clip there, as a folder of images is.

    Raises ImageError where a name or pattern stands for nothing, or a clip stands where an image should.
    """
    first_clip = next((place for place, name in enumerate(names) if place > 0 and not _shows_stills(name)), len(names))
    first_clip = first_clip if performance else min(first_clip, len(names) - 1)
    pictures, clips = names[:first_clip], names[first_clip:]
    sources = [path for name in pictures for path in _files(name)]
    drivers = [path for name in clips for path in ([Path(name)] if _is_one_clip(name) else _files(name))]
    if len(sources) == len(pictures) == 1 and len(drivers) == len(clips) <= 1:
        picture, clip = picture_and_clip(names[0], clips[0] if clips else None)
        return Inputs((picture,), () if clip is None else (clip,))
    if (wrong := why_no_picture(sources[0], drivers[0] if drivers else None)) is not None:
        raise wrong
    return Inputs(
        tuple(checked(path, "an image") for path in dict.fromkeys(sources)),
        tuple(checked(path, "a clip") for path in drivers),
    )


def result_names(inputs: Inputs) -> dict[tuple[Path, Path | None], str]:
    """A name without ending for each pair, SOURCE-DRIVING; SOURCE where saved movement drives."""
    sources, clips = _labels(inputs.sources), _labels(inputs.clips)
    if not inputs.clips:
        return {(source, None): sources[source] for source in inputs.sources}
    names: dict[tuple[Path, Path | None], str] = {}
    taken: set[str] = set()
    for source in inputs.sources:
        for clip in dict.fromkeys(inputs.clips):
            name, number = f"{sources[source]}-{clips[clip]}", 1
            while name.casefold() in taken:
                number += 1
                name = f"{sources[source]}-{clips[clip]}-{number}"
            taken.add(name.casefold())
            names[source, clip] = name
    return names


def place_of(pattern: Path | None, name: str) -> Path:
    """Where a result of that name goes: into the folder `pattern` (here, if None), or in place of its *."""
    if pattern is None:
        return Path(f"{name}.mp4")
    text = os.fspath(pattern)
    return Path(text.replace("*", name)) if "*" in text else pattern / f"{name}.mp4"


def check_places(arguments: argparse.Namespace, results: int) -> None:
    """Wrong usage where many results would go to one file."""
    from ..fomm_core.video.encoders import CONTAINERS

    output = arguments.output
    files = (*CONTAINERS, ".gif", ".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
    if output is not None and "*" not in str(output) and output.suffix.lower() in files and not output.is_dir():
        arguments.usage_error(
            f"expected a folder for {results} results, or a name with *, such as out/*.webm; got -o {output}"
        )
    for option in ("occlusion", "save_keypoints", "preview"):
        path = getattr(arguments, option)
        if path is not None and "*" not in str(path):
            called = "--" + option.replace("_", "-")
            arguments.usage_error(
                f"expected a name with * for {called}, in place of the name of each of {results} results; got {path}"
            )


def animate_many(
    session: AnimationSession,
    inputs: Inputs,
    arguments: argparse.Namespace,
    options: FileOptions,
    performance: Performance | None,
    summary: Any,
) -> int:
    """Each image moved by each clip. One that fails does not end the others, a full disk does; returns the exit
    code.
    """
    from ..fomm_core.errors import FommError
    from ..fomm_core.files import NO_ROOM
    from ..fomm_core.pipeline import Animator

    animator = Animator(session, options)
    names = result_names(inputs)
    done, kept, failed = 0, 0, []
    for number, ((source, clip), name) in enumerate(names.items(), 1):
        output = place_of(arguments.preview or arguments.output, name)
        if output.exists() and not options.overwrite:
            kept += 1
            continue
        if not arguments.quiet:
            say(f"{number} of {len(names)}: {output}")
        try:
            told = _one(animator, source, clip, name, output, arguments, performance)
        except (FommError, OSError, RuntimeError, MemoryError) as problem:
            if isinstance(problem, OSError) and problem.errno in NO_ROOM:
                raise
            if arguments.debug:
                traceback.print_exc()
            say(f"error: {output}: {problem}")
            failed.append(output)
            continue
        done += 1
        if not arguments.quiet:
            print(summary(told) if not isinstance(told, str) else told, flush=True)
    if not arguments.quiet:
        left = f", {kept} already there (-y replaces them)" if kept else ""
        say(f"{counted(done, 'result')} made{left}, {len(failed)} failed.")
    return 1 if failed else 0


def _one(
    animator: Any,
    source: Path,
    clip: Path | None,
    name: str,
    output: Path,
    arguments: argparse.Namespace,
    performance: Performance | None,
) -> Report | str:
    clips = [] if clip is None else [clip]
    if arguments.preview is not None:
        from ..fomm_core.previewing import preview_files

        preview_files(
            animator.session,
            source,
            clips,
            output,
            animator.options,
            performance=performance,
            animator=animator,
        )
        return f"{output.resolve()}"
    with progress_display(quiet=arguments.quiet) as progress:
        report: Report = animator.animate(
            source,
            clips,
            output,
            occlusion=None if arguments.occlusion is None else place_of(arguments.occlusion, name),
            keypoints=None if arguments.save_keypoints is None else place_of(arguments.save_keypoints, name),
            performance=performance,
            on_progress=progress,
            on_found=None if arguments.quiet else say,
        )
    return report


def _labels(paths: Sequence[Path]) -> dict[Path, str]:
    """Names without ending; those that several have with their ending, then their folder, then a number."""
    ways = (
        lambda path: path.stem,
        lambda path: path.name.replace(".", "-"),
        lambda path: f"{path.resolve().parent.name}-{path.name.replace('.', '-')}",
    )
    labels: dict[Path, str] = {}
    left = list(dict.fromkeys(paths))
    for way in ways:
        found = {path: _plain(way(path)) for path in left}
        counts = Counter(label.casefold() for label in (*found.values(), *labels.values()))
        labels |= {path: label for path, label in found.items() if counts[label.casefold()] == 1}
        left = [path for path in left if path not in labels]
    for number, path in enumerate(left, 1):
        labels[path] = f"{_plain(path.stem)}-{number}"
    return labels


def _plain(label: str) -> str:
    return label.replace("%", "").replace("*", "").replace("?", "") or "clip"  # of patterns


def _files(name: str) -> list[Path]:
    """The file of that name, or those that a pattern fits, as people count."""
    if not glob.has_magic(name) or Path(name).exists():
        return [Path(name)]
    from ..fomm_core.video.source import counting_order

    found = [path for path in sorted(glob.glob(name), key=counting_order) if Path(path).is_file()]
    media = [path for path in found if not (mimetypes.guess_type(path)[0] or "").startswith(NO_MEDIA)]
    if not found:
        raise none_fits(name)
    return [Path(path) for path in media or found]


def _shows_stills(name: str) -> bool:
    """Whether a name or pattern is of images alone."""
    return all(path.is_file() and is_still(path) for path in _files(name))


def _is_one_clip(name: str) -> bool:
    """Whether a pattern or folder is of images, which are the frames of one clip."""
    return Path(name).is_dir() or (glob.has_magic(name) and not Path(name).exists() and _shows_stills(name))
