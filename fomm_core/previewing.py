"""What an animation of files would do, as one image, before hours of rendering."""

from __future__ import annotations

import base64
import html
import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from .files import atomic_path, check_new
from .motion import Performance
from .options import FileOptions, PathLike
from .pipeline import Animator
from .session import AnimationSession
from .video import Seconds, VideoReader, write_image
from .video.pixels import Pixels
from .whole import preview_sheet

SHOWN = 5
"""Frames of the clip that are shown, evenly spread."""


def preview_files(
    session: AnimationSession,
    source: PathLike,
    driving: PathLike | Sequence[PathLike] | None,
    output: PathLike,
    options: FileOptions | None = None,
    *,
    performance: Performance | None = None,
    animator: Animator | None = None,
) -> str:
    """Write one image (or, with .html, a page) of the squares in image and clips and of five frames of each clip
    that drive, as `animate_files` would take them, warnings below; returns what was found, in words.

    animator: of that session and these options, which may know some of the files already.

    Raises ExistsError for a file that exists and must not be overwritten, and what `animate_files` does.
    """
    options = options or FileOptions()
    output = Path(output)
    check_new(output, overwrite=options.overwrite)
    warnings: list[str] = []
    clips: Sequence[PathLike] = ()
    if driving is not None and performance is None:
        clips = [driving] if isinstance(driving, str | os.PathLike) else driving
    found = (animator or Animator(session, options)).find(source, clips, warnings.append, lambda progress: None)
    shown = []
    for clip, in_clip in zip(clips, found.driving, strict=True):
        with _open(clip, options) as reader:
            shown.append((_spread(reader, options), in_clip.region))
    words = [found.words or "image and clip are taken as they are", *warnings]
    sheet = preview_sheet(found.picture, found.source.regions, shown, words)
    if output.suffix.lower() in (".html", ".htm"):
        with atomic_path(output) as temporary:
            temporary.write_text(_page(sheet, words), encoding="utf-8")
    else:
        write_image(output, sheet)
    return found.words


def _open(driving: PathLike, options: FileOptions) -> VideoReader:
    return VideoReader(driving, start=options.start, length=options.frames)


def _spread(reader: VideoReader, options: FileOptions) -> list[tuple[int, Pixels]]:
    """The anchor's frame where it was chosen by its number, otherwise the first; and others, evenly spread."""
    count = reader.count()
    anchor = options.animation.anchor
    first = anchor if isinstance(anchor, int) and anchor < count else 0
    numbers = list(dict.fromkeys([first, *(round(i * (count - 1) / (SHOWN - 1)) for i in range(SHOWN))]))[:SHOWN]
    if not isinstance(options.start, Seconds):
        return list(zip(numbers, reader.at(numbers), strict=True))
    wanted = {number: frame for number, frame in enumerate(reader) if number in numbers}
    return [(number, wanted[number]) for number in numbers if number in wanted]


def _page(sheet: Pixels, words: list[str]) -> str:
    """A page that needs no other file."""
    done, data = cv2.imencode(".png", np.ascontiguousarray(sheet[..., ::-1]))
    assert done
    picture = base64.b64encode(data.tobytes()).decode()
    lines = "".join(f"<p>{html.escape(line)}</p>" for line in words)
    return (
        '<!doctype html><meta charset="utf-8"><title>fomm animate --preview</title>'
        '<body style="font-family:sans-serif"><img style="max-width:100%" '
        f'src="data:image/png;base64,{picture}">{lines}'
    )
