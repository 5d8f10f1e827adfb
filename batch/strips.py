"""Thumbnail strips: what a job made, at a glance."""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
from PIL import Image

log = logging.getLogger("fomm.render")

COUNT, HEIGHT, QUALITY = 6, 96, 70
CLIPS = {".mp4", ".webm", ".mov", ".mkv", ".gif"}
PICTURES = {".png", ".jpg", ".jpeg", ".webp"}


def strip_of(files: Sequence[Path]) -> bytes:
    """A JPEG of a few frames, side by side, of the first clip among the files, or of their images; empty where
    there is nothing to see.
    """
    try:
        clip = next((path for path in files if path.suffix.lower() in CLIPS), None)
        pictures = [path for path in files if path.suffix.lower() in PICTURES]
        frames = _of_clip(clip) if clip is not None else [_small(Image.open(path)) for path in _spread(pictures)]
    except (OSError, av.FFmpegError, SyntaxError) as problem:
        log.info("no thumbnails of %s: %s", files[0].name if files else "nothing", problem)
        return b""
    if not frames:
        return b""
    joined = Image.fromarray(np.concatenate([np.asarray(frame) for frame in frames], axis=1))
    target = io.BytesIO()
    joined.save(target, "JPEG", quality=QUALITY)
    return target.getvalue()


def _spread(items: Sequence[Path]) -> list[Path]:
    """At most COUNT of them, evenly."""
    return [items[round(index)] for index in np.linspace(0, len(items) - 1, min(COUNT, len(items)))]


def _small(picture: Image.Image) -> Image.Image:
    width = max(1, round(picture.width * HEIGHT / picture.height))
    return picture.convert("RGB").resize((min(width, 4 * HEIGHT), HEIGHT))


def _of_clip(path: Path) -> list[Image.Image]:
    """Frames at even distances; long clips are read from the key frames before them."""
    frames: list[Image.Image] = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        length = stream.duration or 0
        for share in (np.arange(COUNT) + 0.5) / COUNT:
            wanted = int(length * share)
            if length and stream.time_base:
                container.seek(wanted, stream=stream)
            for frame in container.decode(stream):
                if not length or frame.pts is None or frame.pts >= wanted:
                    frames.append(_small(frame.to_image()))
                    break
    return frames
