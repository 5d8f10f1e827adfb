"""Graphs that other files carry: ComfyUI writes into what it saves how it was made."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..fomm_core.errors import GraphError
from .carried_headers import exr_texts, gltf_texts, is_cut_off, safetensors_texts, svg_texts
from .carried_pictures import exif_texts, jpeg_texts, png_texts, webp_texts

RUN, CANVAS, SETTINGS = "prompt", "workflow", "parameters"
"""ComfyUI's keys for the graph that ran, and for the canvas that it was made from; other programs' key for settings."""

Texts = Iterator[tuple[str, str]]

CLIPS = frozenset({".mp4", ".m4v", ".mov", ".webm", ".mkv", ".gif", ".flac", ".mp3", ".opus", ".ogg", ".m4a", ".wav"})
PICTURES: Mapping[str, Callable[[Path], Texts]] = {
    **{".png": png_texts, ".apng": png_texts, ".webp": webp_texts, ".jpg": jpeg_texts, ".jpeg": jpeg_texts},
    **{".avif": exif_texts, ".heic": exif_texts, ".svg": svg_texts, ".exr": exr_texts, ".glb": gltf_texts},
    **{".latent": safetensors_texts, ".safetensors": safetensors_texts},
}
STILL_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"mif1")
CUT = "it is cut off, and the workflow may lie in what is missing. Copy or download it again."
SOUNDS = (b"fLaC", b"OggS", b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2")


def carrier(path: Path) -> Callable[[Path], Texts] | None:
    """What reads the texts that a file carries: by its first bytes, else by its ending; None where it is neither an
    image, clip, sound nor model, but perhaps JSON.
    """
    with path.open("rb") as file:
        head = file.read(1024)
    for start, reader in ((b"\x89PNG\r\n\x1a\n", png_texts), (b"\xff\xd8\xff", jpeg_texts), (b"glTF", gltf_texts)):
        if head.startswith(start):
            return reader
    if head.startswith(b"\x76\x2f\x31\x01"):
        return exr_texts
    if head[:4] == b"RIFF":
        return webp_texts if head[8:12] == b"WEBP" else _clip_texts
    if head[4:8] == b"ftyp":
        return exif_texts if head[8:12] in STILL_BRANDS else _clip_texts
    if head.startswith((b"\x1aE\xdf\xa3", b"GIF8", *SOUNDS)) and head[:2] != b"\xff\xfe":
        return _clip_texts
    if head[8:9] == b"{" and b"\0\0" in head[4:8]:
        return safetensors_texts
    if b"<svg" in head and head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return svg_texts
    if head.lstrip(b"\xef\xbb\xbf \t\r\n\xff\xfe\0").startswith((b"{", b"[", b'"')):
        return None
    suffix = path.suffix.lower()
    return PICTURES.get(suffix) or (_clip_texts if suffix in CLIPS else None)


def carried_graphs(path: Path, read: Callable[[Path], Texts]) -> list[str]:
    """The JSON that a file carries: first of the graph that ran, then of the canvas; one of them at least.

    Args:
        path: of the file.
        read: see `carrier`.

    Raises:
        GraphError: the file cannot be read, or carries none.
    """
    found: dict[str, str] = {}
    for key, text in _spread(read(path)):
        if text.strip() not in ("", "{}", "null", '""'):
            found.setdefault(key, text)
    graphs = [found[key] for key in (RUN, CANVAS) if key in found]
    if not graphs and is_cut_off(path):
        raise GraphError(f"expected a file with its workflow; '{path}' carries none: {CUT}")
    if not graphs:
        other = " It has another program's settings (“parameters”), which are no graph." if SETTINGS in found else ""
        raise GraphError(
            f"expected a file that ComfyUI saved with its workflow; '{path}' carries none.{other} Other programs and "
            "web sites remove it: take the original file, or save the workflow as JSON."
        )
    return graphs


def _spread(texts: Texts) -> Texts:
    """Texts under ComfyUI's keys, also out of other entries: "prompt:{...}", or JSON that has these keys."""
    for name, text in texts:
        key = name.lower()
        if key in (RUN, CANVAS, SETTINGS):
            yield key, text
            continue
        before, colon, behind = text.partition(":")
        if colon and before.strip().lower() in (RUN, CANVAS):
            yield before.strip().lower(), behind.rstrip("\0")
        elif text.lstrip().startswith("{"):
            yield from _inside(text)


def _inside(text: str) -> Texts:
    try:
        table: Any = json.loads(text.rstrip("\0"))
    except (ValueError, RecursionError):
        return
    for key in (RUN, CANVAS):
        if value := table.get(key):
            yield key, value if isinstance(value, str) else json.dumps(value)


def _clip_texts(path: Path) -> Texts:
    import av

    try:
        with av.open(str(path), metadata_errors="replace") as container:
            tables = [container.metadata, *(stream.metadata for stream in container.streams)]
    except (av.error.FFmpegError, OSError, ValueError) as problem:
        why = f": {CUT}" if is_cut_off(path) else f" ({problem})."
        raise GraphError(f"expected a clip with a workflow in it; '{path}' can't be read{why}") from problem
    for table in tables:
        yield from table.items()
