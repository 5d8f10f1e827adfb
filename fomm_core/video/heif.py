"""HEIC and HEIF images, as phones take them."""

from __future__ import annotations

import re
from typing import BinaryIO

from PIL import Image

from ..errors import ImageError
from .pixels import too_large
from .source import MediaSource


def open_heif(media: MediaSource, most: int) -> Image.Image:
    """The primary image, upright, its tiles joined, as 8-bit RGB or RGBA with its colour profile in `info`.

    libheif follows the file's own turns and mirrors; an EXIF orientation beside them is no second turn. Raises
    ImageError where the file is damaged, holds no image, or one of more than `most` pixels.
    """
    try:
        import pi_heif  # here, since few need it: 10 ms and a library
    except ImportError as error:
        raise ImageError(
            f"expected an image in a kind that can be read here; {media.name} is a HEIC, which needs the package "
            "pi-heif (pip install pi-heif). Or export it as a JPEG or PNG."
        ) from error
    try:
        with media.open() as file:
            _check_texts(file)
            file.seek(0)
            opened = pi_heif.open_heif(file, convert_hdr_to_8bit=True)
        picture = opened[opened.primary_index]
        width, height = picture.size
        if width * height <= most:
            shown = picture.to_pillow()
            shown.info.pop("exif", None)
            return shown
    except (OSError, SyntaxError, EOFError, ValueError, IndexError, RuntimeError) as error:
        raise ImageError(
            f"expected a whole HEIC image; {media.name} is damaged, or holds no still image ({error}). Export it "
            "as a JPEG or PNG."
        ) from error
    raise too_large(media.name, width, height, most)


MOST_HEADER = 16 << 20
"""Bytes of the part that names what is in a file."""


def _check_texts(file: BinaryIO) -> None:
    """Raise ValueError for damaged names of items, which pi-heif does not survive."""
    while len(head := file.read(8)) == 8:
        size, kind, read = int.from_bytes(head[:4], "big"), head[4:], 8
        if size == 1:
            size, read = int.from_bytes(file.read(8), "big"), 16
        if kind == b"meta":
            _check_items(file.read(MOST_HEADER if size == 0 else min(size - read, MOST_HEADER)))
        elif size < read:  # the last one, to the end of the file; or it is damaged, which others say better
            return
        else:
            file.seek(size - read, 1)


def _check_items(header: bytes) -> None:
    for found in re.finditer(rb"infe(.)...", header, re.DOTALL):
        end = found.start() - 4 + int.from_bytes(header[max(0, found.start() - 4) : found.start()], "big")
        number = 4 if found[1] == b"\3" else 2
        for text in header[found.end() + number + 2 : max(end, found.end() + 10)].split(b"\0"):
            text.decode()
    for found in re.finditer(rb"auxC....", header, re.DOTALL):
        header[found.end() :].partition(b"\0")[0].decode()
