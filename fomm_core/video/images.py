"""Single pictures in and out, as a viewer would show them."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, UnidentifiedImageError

from ..errors import ImageError
from ..files import atomic_path
from .pixels import WHITE, Colour, Orientation, Pixels, as_bytes, check_colour, over_background
from .source import MediaSource, PathLike, Readable

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
TIFF_BITS_PER_SAMPLE = 258


def read_image(source: Readable, *, background: Colour = WHITE) -> Pixels:
    """Read one picture as uint8 RGB [H, W, 3].

    Palette, greyscale and CMYK pictures become RGB; an embedded colour profile is followed into sRGB; 16-bit and
    float samples are scaled to 8 bit; transparent pixels are laid over `background` (white); the EXIF orientation is
    applied. Of a picture with several frames this is the first.

    Raises ImageError where the file is missing, empty, damaged or of another kind.
    """
    return read_media(MediaSource(source), check_colour(background))


def read_media(media: MediaSource, background: Colour) -> Pixels:
    """`read_image` of a file that is known already."""
    with opened_picture(media) as picture:
        orientation = Orientation.from_exif(_exif_orientation(picture))
        deep = _is_deep(picture, media)
        if deep and picture.format == "TIFF":  # OpenCV turns these itself
            orientation = Orientation()
        pixels = None if deep else to_rgb(picture, background)
    if pixels is None:
        pixels = _read_deep(media, background)
    return orientation.apply(pixels)


def write_image(path: PathLike, picture: NDArray[np.uint8]) -> None:
    """Write uint8 [H, W], [H, W, 3] RGB or [H, W, 4] RGBA; the file is whole or not there.

    The suffix chooses the format: .png, .jpg, .jpeg, .webp, .bmp, .tif, .tiff. JPEG and WebP lose a little, and JPEG
    takes no transparency. Raises ImageError for other shapes, types and suffixes.
    """
    path = Path(path)
    if path.suffix.lower() not in WRITE_OPTIONS:
        raise ImageError(f"expected a picture's suffix ({', '.join(WRITE_OPTIONS)}); got {path.name!r}.")
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
    """The picture as Pillow sees it; whatever Pillow finds wrong with it, on opening or decoding, is an ImageError."""
    Image.init()
    with media.open() as file:
        try:
            with Image.open(file, formats=[name for name in READ_FORMATS if name in Image.OPEN]) as picture:
                yield picture
        except (OSError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
            reason = "not a known kind" if isinstance(error, UnidentifiedImageError) else str(error)
            raise ImageError(
                f"expected a whole PNG, JPEG, WebP, BMP, GIF or TIFF picture; {media.name} is not one ({reason}). "
                "Open it in a picture editor and export it as a PNG."
            ) from error


def to_rgb(picture: Image.Image, background: Colour) -> Pixels:
    """An opened 8-bit picture of any mode as uint8 [H, W, 3], not yet turned."""
    if picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info:
        rgba = picture.convert("RGBA")
        colours = _to_srgb(rgba.convert("RGB"), picture.info.get("icc_profile"))
        return over_background(np.dstack([np.asarray(colours), np.asarray(rgba.getchannel("A"))]), background)
    return np.array(_to_srgb(picture, picture.info.get("icc_profile")))


def _to_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    if profile and picture.mode in ("RGB", "CMYK"):
        try:
            theirs = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if "sRGB" not in ImageCms.getProfileDescription(theirs):
                ours = ImageCms.createProfile("sRGB")
                changed = ImageCms.profileToProfile(picture, theirs, ours, outputMode="RGB")
                return changed if changed is not None else picture
        except (ImageCms.PyCMSError, OSError) as error:
            logger.info("an unreadable colour profile was left out: %s", error)
    return picture.convert("RGB")


def _exif_orientation(picture: Image.Image) -> int:
    try:
        return int(picture.getexif().get(EXIF_ORIENTATION, 1))
    except (SyntaxError, ValueError, TypeError, OSError):  # a damaged EXIF block does not spoil the picture
        return 1


def _is_deep(picture: Image.Image, media: MediaSource) -> bool:
    """Whether samples have more than 8 bits. Pillow would cut 16-bit RGB down, and clip 16-bit grey."""
    if picture.format == "PNG":
        return media.head(25)[24] == 16
    bits = picture.tag_v2.get(TIFF_BITS_PER_SAMPLE, (8,)) if hasattr(picture, "tag_v2") else (8,)
    return picture.mode in ("I", "F") or picture.mode.startswith("I;") or max(bits) > 8


def _read_deep(media: MediaSource, background: Colour) -> Pixels:
    with media.open() as file:
        data = np.frombuffer(file.read(), np.uint8)
    try:
        pixels = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    except cv2.error:
        pixels = None
    if pixels is None or pixels.size == 0:
        raise ImageError(f"expected a whole 16-bit or float picture; {media.name} is damaged. Export it as a PNG.")
    pixels = as_bytes(pixels, media.name)
    if pixels.ndim == 2 or pixels.shape[-1] == 1:
        return cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB).astype(np.uint8, copy=False)
    if pixels.shape[-1] == 4:
        return over_background(cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA).astype(np.uint8, copy=False), background)
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)
