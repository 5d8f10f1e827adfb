"""TIFF images that Pillow cannot read, or would cut down: deep and float samples, planes, odd channels."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import ImageError
from .colour import follow_profile
from .foreign import RAW, RAW_SUFFIXES
from .pixels import Orientation, Pixels, as_bytes, too_large
from .source import MediaSource

logger = logging.getLogger("fomm.video")

STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
REDUCED = 1  # a bit of NewSubfileType
MINISWHITE, MINISBLACK, RGB, PALETTE, SEPARATED, CFA = 0, 1, 2, 3, 5, 32803
INTERLEAVED = 1
ASSOCIATED, UNASSOCIATED = 1, 2
ORIENTATION, ICC_PROFILE, DNG_VERSION = 274, 34675, 50706
UNREADABLE = "Export it as a PNG, or as an ordinary TIFF (RGB, interleaved, 8 or 16 bit)."


@dataclass(frozen=True, eq=False)
class _Layout:
    """How the first full image of a TIFF is stored: what is needed to tell what its samples mean."""

    width: int
    height: int
    photometric: int
    bits: int
    samples: int
    kind: str
    extra: tuple[int, ...]
    interleaved: bool
    orientation: Orientation
    profile: bytes | None
    colours: NDArray[np.uint16] | None

    @classmethod
    def of(cls, page: Any) -> _Layout:
        """Read from a `tifffile` page."""
        orientation, profile = page.tags.get(ORIENTATION), page.tags.get(ICC_PROFILE)
        return cls(
            width=page.imagewidth,
            height=page.imagelength,
            photometric=int(page.photometric),
            bits=int(page.bitspersample),
            samples=int(page.samplesperpixel),
            kind=page.dtype.kind if page.dtype is not None else "?",
            extra=tuple(int(kind) for kind in page.extrasamples),
            interleaved=int(page.planarconfig) == INTERLEAVED,
            orientation=Orientation.from_exif(int(orientation.value)) if orientation is not None else Orientation(),
            profile=bytes(profile.value) if profile is not None else None,
            colours=page.colormap if int(page.photometric) == PALETTE else None,
        )

    @property
    def is_plain(self) -> bool:
        """Whether Pillow reads it as it is meant."""
        return self.bits <= 8 and self.kind in "ub"


def is_tiff(head: bytes) -> bool:
    """Whether a file, by its first bytes, is a TIFF or BigTIFF."""
    return head.startswith(STARTS)


def read_tiff(media: MediaSource, most: int, *, plain: bool = False) -> Pixels | None:
    """uint8 sRGB [H, W, 3], or straight [H, W, 4] with transparency, upright; of several pages the first full one.

    None for an image that Pillow reads as it is meant, unless `plain` asks for these, too. Raises ImageError where it
    is damaged, stored in a way that is not read, a camera's raw file, or of more than `most` pixels.
    """
    import tifffile  # here, since few need it

    try:
        with media.open() as file, tifffile.TiffFile(file) as tiff:
            page = _full_page(tiff, media.name)
            layout = _Layout.of(page)
            if layout.is_plain and not plain:
                return None
            if layout.width * layout.height > most:
                raise too_large(media.name, layout.width, layout.height, most)
            samples = _samples(page, layout, media)
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # tifffile lets through whatever a damaged file brings about
        if not plain:
            logger.debug("tifffile cannot read %s: %s", media.name, error)
            return None
        raise _unreadable(media.name, str(error)) from error
    return _shown(samples, layout, media.name)


def _full_page(tiff: Any, name: str) -> Any:
    """The first page that is no preview."""
    pages = [page for page in tiff.pages if not int(page.subfiletype) & REDUCED]
    page = pages[0] if pages else tiff.pages[0]
    inner = [page, *(tiff.pages[0].pages or ())]
    raw = DNG_VERSION in tiff.pages[0].tags or any(
        int(p.photometric) == CFA for p in inner if hasattr(p, "photometric")
    )
    if raw or any(name.lower().endswith(suffix) for suffix in RAW_SUFFIXES):
        raise ImageError(f"expected an image; {name} is {RAW}.")
    return page


def _samples(page: Any, layout: _Layout, media: MediaSource) -> NDArray[Any]:
    """As stored, but upright: [H, W] or [H, W, S]."""
    axes = page.axes
    if sorted(axes) not in (["X", "Y"], ["S", "X", "Y"]):
        raise _unreadable(media.name, f"it holds a stack of images, {axes}")
    try:
        samples = np.asarray(page.asarray())
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise
        return _by_opencv(layout, media, str(error))
    return layout.orientation.apply(np.moveaxis(samples, axes.index("S"), -1) if axes.startswith("S") else samples)


def _by_opencv(layout: _Layout, media: MediaSource, reason: str) -> NDArray[Any]:
    """The samples of an image whose packing tifffile alone cannot undo.

    Only where OpenCV is known to read them right: of separate planes it gives memory that was never written, as of 5.0.
    """
    simple = layout.interleaved and layout.photometric in (MINISWHITE, MINISBLACK, RGB)
    if not simple or (layout.kind, layout.bits) not in (("u", 16), ("f", 32), ("f", 64)) or layout.samples == 2:
        raise _unreadable(media.name, reason)
    with media.open() as file:
        data = np.frombuffer(file.read(), np.uint8)
    try:
        samples = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    except cv2.error:
        samples = None
    width, height = layout.orientation.size(layout.width, layout.height)  # it turns TIFFs, whatever the flags
    expected = (height, width, *([] if layout.samples == 1 else [layout.samples]))
    if samples is None or samples.shape != expected or samples.dtype != np.dtype(f"{layout.kind}{layout.bits // 8}"):
        raise _unreadable(media.name, reason)
    if samples.ndim == 2:
        return samples
    return samples[..., [2, 1, 0, *range(3, layout.samples)]]


def _shown(samples: NDArray[Any], layout: _Layout, name: str) -> Pixels:
    """uint8 [H, W, 3] or [H, W, 4] in sRGB."""
    if layout.colours is not None and samples.ndim == 2:
        return as_bytes(np.moveaxis(layout.colours[:, samples], 0, -1), name)
    layers = samples[..., None] if samples.ndim == 2 else samples
    count = {MINISWHITE: 1, MINISBLACK: 1, RGB: 3, SEPARATED: 4}.get(layout.photometric)
    if count is None or layers.shape[-1] < count or (count == 1 and layers.shape[-1] > 2):
        raise _unreadable(name, f"its colours are of kind {layout.photometric} in {layers.shape[-1]} channels")
    kinds = dict(enumerate(layout.extra, start=layers.shape[-1] - len(layout.extra)))
    place, kind = next(((at, kind) for at, kind in kinds.items() if kind in (ASSOCIATED, UNASSOCIATED)), (None, 0))
    colour = layers[..., :count]
    if kind == ASSOCIATED:
        colour = _undimmed(colour, layers[..., place], layout.bits)
    colour = as_bytes(colour, name, bits=0 if layout.kind == "f" else layout.bits)
    if layout.photometric == MINISWHITE:
        colour = 255 - colour
    if count == 1:
        colour = np.repeat(colour, 3, -1)
    picture = Image.fromarray(np.ascontiguousarray(colour), mode="CMYK" if count == 4 else "RGB")
    rgb = np.asarray(follow_profile(picture, layout.profile))
    if place is None:
        return np.array(rgb)
    alpha = as_bytes(layers[..., place], name, bits=0 if layout.kind == "f" else layout.bits)
    return np.dstack([rgb, alpha])


def _undimmed(colour: NDArray[Any], alpha: NDArray[Any], bits: int) -> NDArray[Any]:
    """Samples that were multiplied by alpha, as they were."""
    most = 1.0 if colour.dtype.kind == "f" else 2.0**bits - 1
    whole = colour / np.maximum(alpha[..., None] / most, 1 / 65536)
    return np.clip(whole, 0, most).astype(colour.dtype)


def _unreadable(name: str, reason: str) -> ImageError:
    return ImageError(f"expected a TIFF that can be read; {name} cannot ({reason}). {UNREADABLE}")
