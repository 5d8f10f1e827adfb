"""The texts that images carry: PNG's text chunks, and EXIF. Images themselves are not decoded."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ..fomm_core.errors import GraphError

if TYPE_CHECKING:
    from PIL import Image

MOST_TEXT = 64 << 20
"""Bytes of one text, unpacked. The largest graphs have a few million."""

MOST_PICTURE = 512 << 20
"""Bytes of an image of a kind that is read as a whole."""

KEYS = frozenset({b"prompt", b"workflow", b"comment", b"parameters"})
CHUNKS = (b"tEXt", b"zTXt", b"iTXt", b"comf", b"eXIf")
EXIF_PART, USER_COMMENT = 0x8769, 0x9286


@contextmanager
def opened(path: Path, what: str) -> Iterator[IO[bytes]]:
    """The file; what is wrong with it is a GraphError."""
    try:
        with path.open("rb") as file:
            yield file
    except (GraphError, MemoryError):
        raise
    except Exception as problem:  # each of Pillow's formats has its own
        raise GraphError(f"expected {what} with a workflow in it; '{path}' can't be read ({problem}).") from problem


def text_of(data: bytes) -> str:
    """As UTF-8, which many programs write, else as the Latin-1 that PNG and EXIF ask for."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def png_texts(path: Path) -> Iterator[tuple[str, str]]:
    """Of its text chunks, those of an animation (`comf`) and behind the image among them, and of its EXIF."""
    with opened(path, "a PNG") as file:
        file.seek(8)
        while len(header := file.read(8)) == 8:
            length, kind = int.from_bytes(header[:4], "big"), header[4:]
            if kind not in CHUNKS or length > MOST_TEXT:
                file.seek(length + 4, io.SEEK_CUR)
                continue
            data = file.read(length)
            file.seek(4, io.SEEK_CUR)
            if kind == b"eXIf":
                yield from _exif(data)
                continue
            key, _, rest = data.partition(b"\0")
            if key.lower() in KEYS:
                yield key.decode("latin-1"), _chunk_text(kind, rest)


def _chunk_text(kind: bytes, rest: bytes) -> str:
    if kind == b"zTXt":
        return text_of(_unpacked(rest[1:]))
    if kind == b"iTXt":
        packed, text = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[2]
        return text_of(_unpacked(text) if packed else text)
    return text_of(rest)


def _unpacked(data: bytes) -> bytes:
    """At most MOST_TEXT of it: a strange file may hold far more than memory has room for."""
    stream = zlib.decompressobj()
    text = stream.decompress(data, MOST_TEXT)
    if stream.unconsumed_tail:
        raise GraphError(f"expected a text of at most {MOST_TEXT >> 20} MB in an image; one of them is longer.")
    return text


def webp_texts(path: Path) -> Iterator[tuple[str, str]]:
    """Of its EXIF, wherever that stands among the chunks."""
    with opened(path, "a WebP") as file:
        if file.read(12)[8:] != b"WEBP":
            raise ValueError("it is no WebP")
        while len(header := file.read(8)) == 8:
            length = int.from_bytes(header[4:], "little")
            if header[:4] == b"EXIF" and length <= MOST_TEXT:
                yield from _exif(file.read(length))
                file.seek(length % 2, io.SEEK_CUR)
            else:
                file.seek(length + length % 2, io.SEEK_CUR)


def jpeg_texts(path: Path) -> Iterator[tuple[str, str]]:
    """Of its EXIF, and its comment."""
    yield from _pillow_texts(path, ("JPEG", "MPO"), "a JPEG")


def exif_texts(path: Path) -> Iterator[tuple[str, str]]:
    """Of the EXIF of an AVIF."""
    if path.stat().st_size > MOST_PICTURE:
        raise GraphError(f"expected an image of at most {MOST_PICTURE >> 20} MB; '{path}' is larger.")
    yield from _pillow_texts(path, ("AVIF",), "an AVIF")


def _pillow_texts(path: Path, kinds: tuple[str, ...], what: str) -> Iterator[tuple[str, str]]:
    from PIL import Image

    Image.init()
    with (
        opened(path, what) as file,
        Image.open(file, formats=[kind for kind in kinds if kind in Image.OPEN]) as picture,
    ):
        if isinstance(comment := picture.info.get("comment"), bytes):
            yield "comment", text_of(comment)
        yield from _entries(picture.getexif())


def _exif(data: bytes) -> Iterator[tuple[str, str]]:
    from PIL import Image

    exif = Image.Exif()
    exif.load(data)
    yield from _entries(exif)


def _entries(exif: Image.Exif) -> Iterator[tuple[str, str]]:
    """Every text in it. ComfyUI writes "prompt:{...}" as the camera's model, others into a comment."""
    for tag, value in (*exif.items(), *exif.get_ifd(EXIF_PART).items()):
        if tag == USER_COMMENT and isinstance(value, bytes):
            yield "comment", _user_comment(value)
        elif isinstance(value, str):
            yield "", text_of(value.encode("latin-1", "ignore"))


def _user_comment(value: bytes) -> str:
    """By the code in its first eight bytes; as UTF-16 of either order where it says Unicode."""
    code, text = value[:8], value[8:]
    if code == b"UNICODE\0":
        pairs = text[:200]
        big = pairs[::2].count(0) >= pairs[1::2].count(0)
        return text.decode("utf-16-be" if big else "utf-16-le", "replace").lstrip("\ufeff")
    return text_of(text if code in (b"ASCII\0\0\0", b"\0" * 8) else value)
