"""What the numbers of an image mean as colours, and turning them into sRGB."""

from __future__ import annotations

import io
import logging
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from .pixels import BAND, Pixels
from .source import MediaSource

logger = logging.getLogger("fomm.video")

Chromaticities: TypeAlias = tuple[float, ...]
"""x, y of white, red, green and blue, as PNG's cHRM orders them."""

SRGB: Chromaticities = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
# ITU-T H.273, as PNG's cICP and the nclx box of HEIC and AVIF count.
HDR_TRANSFERS = {16: "PQ", 18: "HLG"}
PRIMARIES: dict[int, Chromaticities] = {
    1: SRGB,
    2: SRGB,  # not stated
    5: (0.3127, 0.3290, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (0.3127, 0.3290, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    9: (0.3127, 0.3290, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    12: (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
}
GAMMAS: dict[int, float | None] = {1: None, 2: None, 6: None, 13: None, 14: None, 15: None, 4: 2.2, 5: 2.8, 8: 1.0}
"""The exponents of transfers; None is sRGB's curve, which viewers take for the camera curves of video as well."""
NEAR = 0.02
"""A gamma this near to 1/2.2 means sRGB, relatively; so many writers round it."""


@dataclass(frozen=True)
class Coding:
    """How a picture's numbers stand for colours: its primaries, and the exponent of its curve (None: sRGB's).

    stated: the numbers of a file whose colours are not converted, for a warning. hdr: the name of an HDR curve.
    """

    primaries: Chromaticities = SRGB
    gamma: float | None = None
    stated: str = ""
    hdr: str = ""

    @classmethod
    def from_h273(cls, primaries: int, transfer: int) -> Coding:
        """By the numbers of ITU-T H.273."""
        if transfer in HDR_TRANSFERS:
            return cls(hdr=HDR_TRANSFERS[transfer])
        if primaries in PRIMARIES and transfer in GAMMAS:
            return cls(PRIMARIES[primaries], GAMMAS[transfer])
        return cls(stated=f"primaries {primaries}, transfer {transfer}")

    @property
    def is_srgb(self) -> bool:
        """Whether nothing is to be done."""
        return self.gamma is None and np.allclose(self.primaries, SRGB, atol=2e-3)

    def warning(self, name: str) -> str:
        """What a user should know of; empty where all is well."""
        if self.hdr:
            return (
                f"{name} is an HDR image ({self.hdr}); its colours are read as they are stored and look flat. "
                "Convert it to SDR first if that matters."
            )
        if self.stated:
            return (
                f"{name} states colours that are not converted ({self.stated}); export it in sRGB if they look wrong."
            )
        return ""

    def into_srgb(self, rgb: Pixels) -> Pixels:
        """uint8 [H, W, 3] of this coding as sRGB."""
        if self.is_srgb or self.hdr or self.stated:
            return rgb
        stored = np.arange(256) / 255
        light = _srgb_to_light(stored) if self.gamma is None else stored**self.gamma
        matrix = np.linalg.inv(_to_xyz(SRGB)) @ _to_xyz(self.primaries)
        if np.allclose(matrix, np.eye(3), atol=5e-3):
            return _bytes(_light_to_srgb(light))[rgb]
        out = np.empty_like(rgb)
        for top in range(0, len(rgb), BAND):
            out[top : top + BAND] = _bytes(_light_to_srgb(light.astype(np.float32)[rgb[top : top + BAND]] @ matrix.T))
        return out


def png_coding(media: MediaSource, info: Mapping[Any, Any]) -> Coding | None:
    """What a PNG states, the strongest first, as viewers read it: cICP, an ICC profile (None: follow that), sRGB, gAMA
    and cHRM.
    """
    if (
        cicp := next((data for kind, data in _png_chunks(media) if kind == b"cICP" and len(data) == 4), None)
    ) is not None:
        return Coding.from_h273(cicp[0], cicp[1])
    if info.get("icc_profile"):
        return None
    gamma = info.get("gamma")
    if "srgb" in info or not gamma or gamma <= 0:
        return Coding()
    exponent = None if abs(gamma * 2.2 - 1) < NEAR else 1 / gamma
    primaries = tuple(info.get("chromaticity", SRGB))
    return Coding(primaries if _is_gamut(primaries) else SRGB, exponent)


def nclx_coding(head: bytes) -> Coding | None:
    """What the nclx box in the first bytes of an AVIF or HEIC states; None without one."""
    place = head.find(b"colrnclx")
    if place < 0 or place + 12 > len(head):
        return None
    return Coding.from_h273(*struct.unpack(">HH", head[place + 8 : place + 12]))


def icc_coding(profile: bytes) -> Coding | None:
    """An HDR curve that an ICC profile's cicp tag names; None for all other profiles, which can be followed."""
    for entry in range(min(int.from_bytes(profile[128:132], "big"), 100)):
        kind, start, size = struct.unpack(">4sII", profile[132 + 12 * entry : 144 + 12 * entry].ljust(12, b"\0"))
        if kind == b"cicp" and size >= 12 and start + 12 <= len(profile):
            coding = Coding.from_h273(profile[start + 8], profile[start + 9])
            return coding if coding.hdr else None
    return None


def follow_profile(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """An RGB or CMYK image with an ICC profile as sRGB; others, and unreadable profiles, by Pillow's own rules."""
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


def _png_chunks(media: MediaSource) -> Iterator[tuple[bytes, bytes]]:
    """The (kind, data) of the small chunks before the pixels."""
    with media.open() as file:
        file.seek(8)
        while len(header := file.read(8)) == 8:
            length, kind = int.from_bytes(header[:4], "big"), header[4:]
            if kind == b"IDAT":
                return
            if length <= 16:
                yield kind, file.read(length)
                file.seek(4, io.SEEK_CUR)
            else:
                file.seek(length + 4, io.SEEK_CUR)


def _is_gamut(primaries: Chromaticities) -> bool:
    """Whether four points can be a white within three primaries."""
    if len(primaries) != 8 or min(primaries[1::2]) <= 0:
        return False
    corners = np.array(primaries[2:]).reshape(3, 2)
    return abs(float(np.linalg.det(np.column_stack([corners, np.ones(3)])))) > 1e-3


def _to_xyz(primaries: Chromaticities) -> NDArray[np.float64]:
    """[3, 3] from linear RGB to XYZ relative to the white, which is thought to be seen as white everywhere."""
    points = np.array(primaries, np.float64).reshape(4, 2)
    xyz = np.column_stack([points, 1 - points.sum(1)]) / points[:, 1:]
    white, corners = xyz[0], xyz[1:].T
    d65 = np.array([SRGB[0], SRGB[1], 1 - SRGB[0] - SRGB[1]]) / SRGB[1]
    return np.diag(d65 / white) @ corners @ np.diag(np.linalg.solve(corners, white))


def _srgb_to_light(values: NDArray[Any]) -> NDArray[Any]:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _light_to_srgb(light: NDArray[Any]) -> NDArray[Any]:
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def _bytes(values: NDArray[Any]) -> Pixels:
    return (values * 255 + 0.5).astype(np.uint8)
