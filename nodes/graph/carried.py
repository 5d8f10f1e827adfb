"""Graphs that pictures and clips carry: ComfyUI writes into what it saves how it was made."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...fomm_core.errors import GraphError

RUN, CANVAS = "prompt", "workflow"
"""ComfyUI's keys for the graph that ran, and for the canvas that it was made from."""

PICTURES = frozenset({".png", ".apng", ".webp", ".jpg", ".jpeg", ".avif"})
CLIPS = frozenset({".mp4", ".m4v", ".mov", ".webm", ".mkv", ".gif", ".flac", ".mp3", ".opus", ".ogg", ".m4a"})


def carried_graph(path: Path) -> str:
    """The JSON that a file carries: of the graph that ran where it is there, else of the canvas.

    Args:
        path: a picture (PNG and animated PNG by their text chunks, WebP, JPEG and AVIF by EXIF) or a clip or sound
            (MP4, MOV, WebM, MKV, FLAC, MP3, Opus, by the tags of their container).

    Raises:
        GraphError: the file cannot be read, or carries none.
    """
    found: dict[str, str] = {}
    texts = _picture_texts if path.suffix.lower() in PICTURES else _clip_texts
    for key, text in texts(path):
        found.setdefault(key, text)
    for key in (RUN, CANVAS):
        if key in found:
            return found[key]
    raise GraphError(
        f"expected a file that ComfyUI saved with its workflow; '{path}' carries none. Other programs and web sites "
        "remove it: take the original file, or save the workflow as JSON."
    )


def _picture_texts(path: Path) -> Iterator[tuple[str, str]]:
    from PIL import Image

    try:
        with Image.open(path) as picture:
            yield from _entries(picture.info)
            for value in picture.getexif().values():
                yield from _prefixed(value)
            if picture.format == "PNG":
                picture.load()  # an animation has them behind its first frame
                yield from _entries(picture.info)
                for name, chunk in ((entry[0], entry[1]) for entry in getattr(picture, "private_chunks", ())):
                    if name == b"comf":
                        key, _, text = chunk.partition(b"\0")
                        yield key.decode("latin-1"), text.decode("latin-1")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as problem:
        raise GraphError(f"expected a picture with a workflow in it; '{path}' can't be read ({problem}).") from problem


def _clip_texts(path: Path) -> Iterator[tuple[str, str]]:
    import av

    try:
        with av.open(str(path), metadata_errors="replace") as container:
            tables = [container.metadata, *(stream.metadata for stream in container.streams)]
    except (OSError, ValueError) as problem:
        raise GraphError(f"expected a clip with a workflow in it; '{path}' can't be read ({problem}).") from problem
    for table in tables:
        yield from _entries({key.lower(): value for key, value in table.items()})


def _entries(table: Mapping[Any, Any]) -> Iterator[tuple[str, str]]:
    """Texts under ComfyUI's keys, or under its keys inside the JSON of a comment."""
    for key in (RUN, CANVAS):
        if isinstance(text := table.get(key), str):
            yield key, text
    if isinstance(comment := table.get("comment"), str) and comment.lstrip().startswith("{"):
        try:
            inner = json.loads(comment)
        except (ValueError, RecursionError):
            return
        for key in (RUN, CANVAS):
            if value := inner.get(key):
                yield key, value if isinstance(value, str) else json.dumps(value)


def _prefixed(value: Any) -> Iterator[tuple[str, str]]:
    """ComfyUI writes "prompt:{...}" as the maker or model of the camera."""
    key, separator, text = value.partition(":") if isinstance(value, str) else ("", "", "")
    if separator and key.lower() in (RUN, CANVAS):
        yield key.lower(), text.rstrip("\0")
