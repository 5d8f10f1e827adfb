"""HEIC and HEIF pictures, as phones take them."""

from __future__ import annotations

from PIL import Image

from ..errors import ImageError
from .pixels import too_large
from .source import MediaSource


def open_heif(media: MediaSource, most: int) -> Image.Image:
    """The primary picture, upright, its tiles joined, as 8-bit RGB or RGBA with its colour profile in `info`.

    libheif follows the file's own turns and mirrors; an EXIF orientation beside them is no second turn. Raises
    ImageError where the file is damaged, holds no picture, or one of more than `most` pixels.
    """
    try:
        import pi_heif  # here, since few need it: 10 ms and a library
    except ImportError as error:
        raise ImageError(
            f"expected a picture in a kind that can be read here; {media.name} is a HEIC, which needs the package "
            "pi-heif (pip install pi-heif). Or export it as a JPEG or PNG."
        ) from error
    try:
        with media.open() as file:
            opened = pi_heif.open_heif(file, convert_hdr_to_8bit=True)
        picture = opened[opened.primary_index]
        width, height = picture.size
        if width * height <= most:
            shown = picture.to_pillow()
            shown.info.pop("exif", None)
            return shown
    except (OSError, SyntaxError, EOFError, ValueError, IndexError, RuntimeError) as error:
        raise ImageError(
            f"expected a whole HEIC picture; {media.name} is damaged, or holds no still picture ({error}). Export it "
            "as a JPEG or PNG."
        ) from error
    raise too_large(media.name, width, height, most)
