"""What a file states of its colours is followed, or warned about."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from fomm_nodes.fomm_core.video import read_picture
from nearness import ONE_STEP, steps_near
from PIL import Image

SRGB_CHRM = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
P3_CHRM = (31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
GREY_TYPE, RGB_TYPE, RGBA_TYPE = 0, 2, 6
PRIMARIES = 3
"""Of 8 bits: red in P3 leaves next to no green and blue in sRGB, whose curve is steepest there."""


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(colour: tuple[int, ...], *chunks: bytes, bits: int = 8) -> io.BytesIO:
    """8x8 pixels of one colour."""
    kind = {1: GREY_TYPE, 3: RGB_TYPE, 4: RGBA_TYPE}[len(colour)]
    row = b"\0" + struct.pack(f">{len(colour)}{'B' if bits == 8 else 'H'}", *colour) * 8
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, bits, kind, 0, 0, 0))
    parts = [b"\x89PNG\r\n\x1a\n", head, *chunks, chunk(b"IDAT", zlib.compress(row * 8)), chunk(b"IEND", b"")]
    return io.BytesIO(b"".join(parts))


def cicp(primaries: int, transfer: int) -> bytes:
    return chunk(b"cICP", bytes([primaries, transfer, 0, 1]))


def gama(value: int) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", value))


def chrm(points: tuple[int, ...]) -> bytes:
    return chunk(b"cHRM", struct.pack(">8I", *points))


def shown(file: io.BytesIO) -> tuple[list[int], list[str]]:
    """(a pixel, warnings)."""
    heard: list[str] = []
    return read_picture(file, warn=heard.append)[4, 4].tolist(), heard


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_an_hdr_png_is_warned_about(bits: int, transfer: int, name: str) -> None:
    scale = 1 if bits == 8 else 257
    pixel, heard = shown(png((200 * scale, 100 * scale, 50 * scale), cicp(9, transfer), bits=bits))
    assert pixel == [200, 100, 50]
    assert len(heard) == 1
    assert f"HDR image ({name})" in heard[0]


def test_a_curve_that_is_not_converted_is_warned_about() -> None:
    pixel, heard = shown(png((200, 100, 50), cicp(1, 11)))
    assert pixel == [200, 100, 50]
    assert "transfer 11" in heard[0]


@pytest.mark.parametrize("chunks", [(cicp(1, 13),), (cicp(12, 13), gama(100_000))], ids=["sRGB", "P3"])
def test_cicp_comes_before_all_else(chunks) -> None:
    pixel, heard = shown(png((234, 51, 35), *chunks))
    expected = [234, 51, 35] if len(chunks) == 1 else [255, 0, 0]
    steps_near(pixel, expected, PRIMARIES)
    assert not heard


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ((gama(100_000),), [128, 63, 255]),  # in linear light, 55 of 255 is what sRGB calls 128
        ((gama(45_455),), [55, 13, 255]),
        ((gama(45_455), chrm(SRGB_CHRM)), [55, 13, 255]),
        ((gama(100_000), chunk(b"sRGB", b"\0")), [55, 13, 255]),
        ((chrm(SRGB_CHRM),), [55, 13, 255]),
        ((gama(0),), [55, 13, 255]),
        ((gama(100_000), chrm((0,) * 8)), [128, 63, 255]),
    ],
    ids=["linear", "usual", "usual and primaries", "sRGB wins", "primaries alone", "nonsense", "nonsense primaries"],
)
def test_gamma_and_primaries_of_a_png_are_followed(bits: int, chunks, expected: list[int]) -> None:
    scale = 1 if bits == 8 else 257
    pixel, heard = shown(png((55 * scale, 13 * scale, 255 * scale), *chunks, bits=bits))
    steps_near(pixel, expected, ONE_STEP)
    assert not heard


def test_primaries_of_a_png_are_followed() -> None:
    pixel, _ = shown(png((234, 51, 35), gama(45_455), chrm(P3_CHRM)))
    steps_near(pixel, [255, 0, 0], PRIMARIES)


def test_gamma_leaves_alpha_alone() -> None:
    pixel, _ = shown(png((55, 13, 255, 55), gama(100_000)))
    steps_near(pixel, [128, 63, 255, 55], ONE_STEP)


def test_a_profile_of_a_16_bit_png_is_followed(linear_profile: bytes) -> None:
    profile = chunk(b"iCCP", b"linear\0\0" + zlib.compress(linear_profile))
    pixel, _ = shown(png((55 * 257, 13 * 257, 65535), profile, bits=16))
    steps_near(pixel, [128, 63, 255], 2)  # 16 bits are rounded to 8 before the profile is followed, and then again


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("colour", [(77,), (77, 20, 30)], ids=["grey", "RGB"])
def test_one_colour_of_a_png_may_mean_nothing(bits: int, colour: tuple[int, ...]) -> None:
    scale = 1 if bits == 8 else 257
    value = tuple(number * scale for number in colour)
    stated = chunk(b"tRNS", struct.pack(f">{len(value)}H", *value))
    pixel, _ = shown(png(value, stated, bits=bits))
    assert pixel[3] == 0
    pixel, _ = shown(
        png(value, chunk(b"tRNS", struct.pack(f">{len(value)}H", *(each + 1 for each in value))), bits=bits)
    )
    assert len(pixel) == 3


def tag_with_cicp(profile: bytes, primaries: int, transfer: int) -> bytes:
    """An ICC profile with a cicp tag in the place of its copyright."""
    data = bytearray(profile)
    place = 132 + 12 * next(i for i in range(data[131]) if data[132 + 12 * i :][:4] == b"cprt")
    start = int.from_bytes(data[place + 4 : place + 8], "big")
    data[place : place + 4] = b"cicp"
    data[start : start + 12] = b"cicp" + bytes(4) + bytes([primaries, transfer, 0, 1])
    return bytes(data)


def test_an_hdr_profile_is_warned_about(linear_profile: bytes) -> None:
    file = io.BytesIO()
    Image.new("RGB", (16, 16), (200, 100, 50)).save(
        file, "JPEG", quality=95, icc_profile=tag_with_cicp(linear_profile, 9, 16)
    )
    pixel, heard = shown(file)
    steps_near(pixel, [200, 100, 50], 4)  # JPEG's loss
    assert "HDR image (PQ)" in heard[0]


def test_an_hdr_avif_is_warned_about() -> None:
    file = io.BytesIO()
    Image.new("RGB", (16, 16), (200, 100, 50)).save(file, "AVIF", quality=95)
    data = file.getvalue()
    place = data.index(b"colrnclx") + 8
    plain, heard = shown(io.BytesIO(data))
    steps_near(plain, [200, 100, 50], 6)  # AVIF's loss
    assert not heard
    _, heard = shown(io.BytesIO(data[:place] + struct.pack(">HH", 9, 16) + data[place + 4 :]))
    assert "HDR image (PQ)" in heard[0]
