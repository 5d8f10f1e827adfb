"""Single images in and out, as a viewer would show them."""

from __future__ import annotations

import logging
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from ..errors import FommError, ImageError
from ..files import atomic_path
from .colour import Coding, follow_profile, icc_coding, nclx_coding, png_coding
from .foreign import foreign_kind
from .heif import open_heif
from .info import Warn
from .pixels import WHITE, Colour, Orientation, Pixels, as_bytes, check_colour, over_background, reduced, too_large
from .source import MediaSource, PathLike, Readable, is_heif
from .tiff import is_tiff, read_tiff

logger = logging.getLogger("fomm.video")

READ_FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "BMP", "DIB", "TIFF", "GIF", "PPM", "AVIF", "JPEG2000", "TGA")
WRITE_OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {"compress_level": 6}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", {"quality": 95, "method": 4}),
    ".bmp": ("BMP", {}),
    ".tif": ("TIFF", {"compression": "tiff_adobe_deflate"}),
    ".tiff": ("TIFF", {"compression": "tiff_adobe_deflate"}),
}
EXIF_ORIENTATION = 0x0112
DAMAGED = (
    *(
        OSError,
        SyntaxError,
        EOFError,
        ValueError,
        RuntimeError,
        TypeError,
        LookupError,
        ArithmeticError,
        AttributeError,
    ),
    *(struct.error, zlib.error, cv2.error, Image.DecompressionBombError),
)
"""What Pillow and its plug-ins raise over damaged files."""

LARGEST = 180_000_000
"""Pixels of an image that is still decoded: half a gigabyte."""
LARGEST_JPEG = 400_000_000
"""A JPEG can be decoded at a half or a quarter of its size, which takes as much less memory."""
ENOUGH = 50_000_000
"""Pixels that are kept of a larger image, 8000x6000 or so: more than any frame has."""


def read_picture(source: Readable, *, warn: Warn | None = None) -> Pixels:
    """Read one picture: uint8 RGB [H, W, 3], or RGBA [H, W, 4] with straight alpha where some of it is transparent.

    Palette, greyscale and CMYK images become RGB; an embedded colour profile, and what a PNG, AVIF or HEIC states of
    its colours, is followed into sRGB (HDR is not; `warn` hears of it); 16-bit samples are scaled to 8 bit, and float
    samples from 0..1; the orientation is applied. Of an image with several frames or pages this is the first. An
    image of more than 50 megapixels is reduced to half, a third, ... of its size.

    Raises ImageError where the file is missing, empty, damaged, too large or of another kind.
    """
    return _read(MediaSource(source), warn or logger.warning)


def read_image(source: Readable, *, background: Colour = WHITE) -> Pixels:
    """Read one image in any supported format; see `read_picture` for what is done with colours and orientation.

    Args:
        source: A path, or a binary file object that can seek.
        background: The RGB colour in 0..255 that transparent pixels are laid over.

    Returns:
        uint8 RGB [H, W, 3].

    Raises:
        ImageError: The file is missing, empty, damaged, too large or of another kind.

    Example:
        >>> from fomm_nodes.fomm_core.shipped import ASSETS
        >>> from fomm_nodes.fomm_core.video import read_image
        >>> read_image(ASSETS / "source.png").shape[-1]
        3
    """
    return read_media(MediaSource(source), check_colour(background))


def read_media(media: MediaSource, background: Colour, warn: Warn | None = None) -> Pixels:
    """`read_image` of a file that is known already."""
    pixels = _read(media, warn or logger.warning)
    return over_background(pixels, background) if pixels.shape[-1] == 4 else pixels


def _read(media: MediaSource, warn: Warn) -> Pixels:
    """The one border that damaged images meet: whatever a library raises over them comes as an ImageError."""
    try:
        return _read_any(media, warn)
    except FommError:
        raise
    except DAMAGED as error:
        raise _not_whole(media, error) from error


def _read_any(media: MediaSource, warn: Warn) -> Pixels:
    head = media.head(65_536)
    if is_heif(head):
        picture = open_heif(media, LARGEST)
        return _trimmed(_to_srgb(picture, _coding(picture, media, head), media.name, warn))
    if is_tiff(head) and (pixels := read_tiff(media, LARGEST)) is not None:
        return _trimmed(pixels)
    try:
        with opened_picture(media) as picture:
            return _trimmed(_read_opened(picture, media, head, warn))
    except ImageError:
        if is_tiff(head) and (pixels := read_tiff(media, LARGEST, plain=True)) is not None:
            return _trimmed(pixels)
        raise


def _read_opened(picture: Image.Image, media: MediaSource, head: bytes, warn: Warn) -> Pixels:
    picture.load()  # which turns a TIFF, and takes its orientation away
    orientation = Orientation.from_exif(_exif_orientation(picture))
    coding = _coding(picture, media, head)
    if picture.format != "TIFF" and _is_deep(picture, head):
        deep = Image.fromarray(_read_deep(picture, media))
        deep.info = {key: value for key, value in picture.info.items() if key == "icc_profile"}
        picture = deep
    return orientation.apply(_to_srgb(picture, coding, media.name, warn))


def write_image(path: PathLike, picture: NDArray[np.uint8]) -> None:
    """Write uint8 [H, W], [H, W, 3] RGB or [H, W, 4] RGBA; the file is whole or not there.

    The suffix chooses the format: .png, .jpg, .jpeg, .webp, .bmp, .tif, .tiff. JPEG and WebP lose a little, and JPEG
    takes no transparency. Raises ImageError for other shapes, types and suffixes.
    """
    path = Path(path)
    if path.suffix.lower() not in WRITE_OPTIONS:
        raise ImageError(f"expected an image's suffix ({', '.join(WRITE_OPTIONS)}); got {path.name!r}.")
    channels = {2: 1, 3: picture.shape[-1]}.get(picture.ndim)
    if picture.dtype != np.uint8 or channels not in (1, 3, 4) or 0 in picture.shape or picture.shape[-1:] == (1,):
        raise ImageError(
            f"expected uint8 [H, W], [H, W, 3] or [H, W, 4]; got {picture.dtype} {list(picture.shape)}. "
            "Scale floats by 255 and round first."
        )
    file_format, options = WRITE_OPTIONS[path.suffix.lower()]
    if file_format == "JPEG" and channels == 4:
        raise ImageError(f"expected [H, W] or [H, W, 3] for {path.name}; got transparency. Write a .png or .webp.")
    with atomic_path(path) as temporary:
        Image.fromarray(np.ascontiguousarray(picture)).save(temporary, format=file_format, **options)


@contextmanager
def opened_picture(media: MediaSource) -> Iterator[Image.Image]:
    """The image as Pillow sees it; whatever Pillow finds wrong with it, on opening or decoding, is an ImageError.

    A JPEG of more than `ENOUGH` pixels is set to be decoded at a half, quarter or eighth of its size.
    """
    Image.init()
    with media.open() as file:
        try:
            with _opened(file) as picture:
                width, height = picture.size
                jpeg = picture.format in ("JPEG", "MPO")
                if width * height > (LARGEST_JPEG if jpeg else LARGEST):
                    raise too_large(media.name, width, height, LARGEST_JPEG if jpeg else LARGEST)
                if jpeg and width * height > ENOUGH:
                    scale = next((scale for scale in (2, 4) if width * height <= ENOUGH * scale**2), 8)
                    picture.draft(None, (width // scale, height // scale))
                yield picture
        except DAMAGED as error:
            raise _not_whole(media, error) from error


def _opened(file: BinaryIO) -> Image.Image:
    """As `Image.open`, which refuses images that a half-size JPEG decoder has memory for."""
    prefix = file.read(16)
    for name in READ_FORMATS:
        factory, accept = Image.OPEN.get(name, (None, None))
        accepted = accept is None or accept(prefix)
        if factory is None or not accepted or isinstance(accepted, str):  # a text says what Pillow lacks
            continue
        file.seek(0)
        try:
            return factory(file, "")
        except (SyntaxError, LookupError, TypeError, struct.error):
            continue
    raise UnidentifiedImageError("not a known kind")


def _not_whole(media: MediaSource, error: Exception) -> ImageError:
    head = media.head(1024)
    unknown = isinstance(error, UnidentifiedImageError)
    if unknown and (what := foreign_kind(head, media.name)):
        return ImageError(f"expected an image (PNG, JPEG, WebP, HEIC, AVIF, TIFF, BMP, GIF); {media.name} is {what}.")
    return ImageError(
        f"expected a whole PNG, JPEG, WebP, HEIC, AVIF, BMP, GIF or TIFF image; {media.name} is not one ({error}). "
        "Open it in an image editor and export it as a PNG."
    )


def to_rgb(picture: Image.Image, background: Colour) -> Pixels:
    """An opened 8-bit image of any mode as uint8 [H, W, 3], not yet turned."""
    pixels = _to_srgb(picture, None, "", logger.warning)
    return over_background(pixels, background) if pixels.shape[-1] == 4 else pixels


def _to_srgb(picture: Image.Image, coding: Coding | None, name: str, warn: Warn) -> Pixels:
    """uint8 [H, W, 3], or [H, W, 4] where some of it is transparent. coding: None follows the colour profile."""
    transparent = picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info
    profile = picture.info.get("icc_profile")
    alpha = None
    if transparent:
        rgba = picture.convert("RGBA")
        picture, alpha = rgba.convert("RGB"), np.asarray(rgba.getchannel("A"))
    if coding is None:
        rgb = np.array(follow_profile(picture, profile))
    else:
        if message := coding.warning(name):
            warn(message)
        rgb = coding.into_srgb(np.array(picture.convert("RGB")))
    return rgb if alpha is None or alpha.min(initial=255) == 255 else np.dstack([rgb, alpha])


def _coding(picture: Image.Image, media: MediaSource, head: bytes) -> Coding | None:
    """What the file states of its colours; None where its colour profile is to be followed, or says all."""
    profile = picture.info.get("icc_profile")
    if head.startswith(b"\x89PNG"):
        return png_coding(media, picture.info)
    nclx = nclx_coding(head) if head[4:8] == b"ftyp" else None
    if nclx is not None and (nclx.hdr or not profile):
        return nclx
    return icc_coding(profile) if profile else None


def _trimmed(pixels: Pixels) -> Pixels:
    return reduced(pixels, ENOUGH)


def _exif_orientation(picture: Image.Image) -> int:
    try:
        return int(picture.getexif().get(EXIF_ORIENTATION, 1))
    except (SyntaxError, ValueError, TypeError, OSError):  # a damaged EXIF block does not spoil the image
        return 1


def _is_deep(picture: Image.Image, head: bytes) -> bool:
    """Whether samples have more than 8 bits. Pillow would cut 16-bit RGB down, and clip 16-bit grey."""
    if picture.format == "PNG":
        return head[24] == 16
    return picture.mode in ("I", "F") or picture.mode.startswith("I;")


def _read_deep(picture: Image.Image, media: MediaSource) -> Pixels:
    """uint8 [H, W, 3], or straight [H, W, 4] with transparency, not turned."""
    with media.open() as file:
        data = np.frombuffer(file.read(), np.uint8)
    try:
        pixels = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    except cv2.error:
        pixels = None
    if pixels is None or pixels.size == 0:
        raise ImageError(f"expected a whole 16-bit or float image; {media.name} is damaged. Export it as a PNG.")
    if pixels.ndim == 3 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    if pixels.ndim == 3:
        return as_bytes(pixels[..., [2, 1, 0, *range(3, pixels.shape[-1])]], media.name)
    grey = np.repeat(as_bytes(pixels, media.name)[..., None], 3, -1)
    hidden = picture.info.get("transparency")  # of grey, OpenCV overlooks it
    return (
        grey if not isinstance(hidden, int) else np.dstack([grey, np.where(pixels == hidden, 0, 255).astype(np.uint8)])
    )
