"""The texts in the headers of files that are no images to look at: latents and models, 3D, SVG, EXR."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..fomm_core.errors import GraphError
from .carried_pictures import MOST_TEXT, opened, text_of


def is_cut_off(path: Path) -> bool:
    """Whether an ISO file (MP4, MOV, AVIF) or RIFF file (WebP) states more parts than are there: many programs put what
    a file says of itself at its end.
    """
    total = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] == b"RIFF":
            return 8 + int.from_bytes(head[4:8], "little") > total
        at = 0
        while head[4:8] == b"ftyp" and at < total:
            file.seek(at)
            start = file.read(16)
            size = int.from_bytes(start[:4], "big")
            if size == 1:
                size = int.from_bytes(start[8:16], "big")
            if len(start) < 8 or (0 < size < 8):
                return True
            at = at + size if size else total
        return at > total


def safetensors_texts(path: Path) -> Iterator[tuple[str, str]]:
    """Of a safetensors header, which ComfyUI's latents and saved models have."""
    with opened(path, "a latent or model") as file:
        header = _table(file.read(_checked(int.from_bytes(file.read(8), "little"), path)), path)
        yield from _texts(header.get("__metadata__"))


def gltf_texts(path: Path) -> Iterator[tuple[str, str]]:
    """Of a binary glTF's (GLB) notes on itself."""
    with opened(path, "a 3D model") as file:
        magic, _, _, length, kind = struct.unpack("<4sIII4s", file.read(20).ljust(20, b"\0"))
        if magic != b"glTF" or kind != b"JSON":
            raise ValueError("it is no binary glTF")
        asset = _table(file.read(_checked(length, path)), path).get("asset")
        yield from _texts(asset.get("extras") if isinstance(asset, Mapping) else None)


def svg_texts(path: Path) -> Iterator[tuple[str, str]]:
    """Of the JSON in an SVG's metadata. What follows the JSON does not count: a text in it may look like an end."""
    with opened(path, "an SVG") as file:
        text = text_of(file.read(MOST_TEXT))
        at = text.find("<metadata")
        start = text.find("<![CDATA[", at) if at >= 0 else -1
        brace = text.find("{", start) if start >= 0 else -1
        if brace >= 0:
            try:
                yield from _texts(json.JSONDecoder().raw_decode(text, brace)[0])
            except RecursionError:
                raise GraphError(f"expected a workflow in '{path}'; its metadata is nested too deep.") from None


def exr_texts(path: Path) -> Iterator[tuple[str, str]]:
    """Of an EXR's attributes that are texts."""
    with opened(path, "an EXR") as file:
        file.seek(8)
        while name := _until_zero(file.read, path):
            kind = _until_zero(file.read, path)
            length = int.from_bytes(file.read(4), "little")
            if kind == b"string" and length <= MOST_TEXT:
                yield name.decode("latin-1"), text_of(file.read(length))
            else:
                file.seek(length, 1)


def _until_zero(read: Any, path: Path) -> bytes:
    found = bytearray()
    while (letter := read(1)) not in (b"\0", b""):
        found += letter
        if len(found) > 255:
            raise ValueError("its header is damaged")
    return bytes(found)


def _checked(length: int, path: Path) -> int:
    if length > MOST_TEXT:
        raise GraphError(
            f"expected a header of at most {MOST_TEXT >> 20} MB in '{path}'; it states {length} bytes. It is damaged, "
            "or of another kind."
        )
    return length


def _table(data: bytes, path: Path) -> Mapping[str, Any]:
    try:
        table = json.loads(data)
    except RecursionError:
        raise GraphError(f"expected a header of a sensible depth in '{path}'; it is nested too deep.") from None
    return table if isinstance(table, Mapping) else {}


def _texts(table: Any) -> Iterator[tuple[str, str]]:
    """Texts as they are, and other values as JSON."""
    for key, value in table.items() if isinstance(table, Mapping) else ():
        yield str(key), value if isinstance(value, str) else json.dumps(value)
