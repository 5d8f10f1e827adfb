"""Pictures of unusual size or make, and files that are no images."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from fomm_nodes.fomm_core.errors import ImageError
from fomm_nodes.fomm_core.video import VideoReader, images, read_image, read_picture
from fomm_nodes.fomm_core.video.pixels import colour_named
from nearness import steps_near
from PIL import Image

JPEG_XL_BOX = b"\0\0\0\x0cJXL \r\n\x87\n"
LOSS = 8
"""Of 8 bits: what JPEG and WebP lose of a plain, saturated colour."""
FOREIGN = {
    "a.jxl": (b"\xff\x0a" + bytes(50), "JPEG XL"),
    "b.jxl": (JPEG_XL_BOX + bytes(50), "JPEG XL"),
    "a.psd": (b"8BPS\0\1" + bytes(50), "Photoshop"),
    "a.xcf": (b"gimp xcf v011" + bytes(50), "GIMP"),
    "a.svg": (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="9"/>', "SVG"),
    "b.svg": (b'\xef\xbb\xbf  <svg width="9" height="9"></svg>', "SVG"),
    "a.pdf": (b"%PDF-1.7\n" + bytes(50), "PDF"),
    "a.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript"),
    "a.cr2": (b"II*\0\x10\0\0\0CR\2\0" + bytes(50), "raw file"),
    "a.cr3": (b"\0\0\0\x18ftypcrx " + bytes(50), "raw file"),
    "a.raf": (b"FUJIFILMCCD-RAW 0201" + bytes(50), "raw file"),
    "a.orf": (b"IIRO\x08\0\0\0" + bytes(50), "raw file"),
    "a.rw2": (b"IIU\0\x18\0\0\0" + bytes(50), "raw file"),
    "a.exr": (b"\x76\x2f\x31\x01\2\0\0\0" + bytes(50), "OpenEXR"),
    "a.hdr": (b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n", "HDR"),
    "a.docx": (b"PK\3\4" + bytes(50), "ZIP"),
    "a.png": (b"<!DOCTYPE html>\n<html><body>404</body></html>", "web page"),
    "b.png": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    "a.mp4": (b"\0\0\0\x18ftypisom\0\0\2\0" + bytes(50), "a video"),
    "a.mkv": (b"\x1aE\xdf\xa3" + bytes(50), "a video"),
    "a.avi": (b"RIFF\x10\0\0\0AVI LIST" + bytes(50), "a video"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_no_picture_for_us_is_named(tmp_path, name: str) -> None:
    data, says = FOREIGN[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ImageError, match=says) as caught:
        read_image(tmp_path / name)
    assert name in str(caught.value)


def png_of(width: int, height: int, data: bytes = b"") -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("width", "height"), [(20_000, 10_000), (50_000, 50_000), (2**31 - 1, 1_000)])
def test_a_bomb_is_refused_before_it_is_decoded(width: int, height: int) -> None:
    with pytest.raises(ImageError, match=rf"at most 180 megapixels; .* has {width}x{height}"):
        read_image(io.BytesIO(png_of(width, height)))


def test_a_jpeg_that_claims_to_be_huge_is_refused() -> None:
    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, "JPEG")
    data = bytearray(file.getvalue())
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = struct.pack(">HH", 60_000, 60_000)
    with pytest.raises(ImageError, match="at most 400 megapixels"):
        read_image(io.BytesIO(data))


def halves(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """Red above, blue below; the lower left quarter transparent where there is transparency."""
    picture = Image.new("RGB", (width, height), (200, 30, 20))
    picture.paste((20, 30, 200), (0, height // 2, width, height))
    if mode == "RGBA":
        alpha = Image.new("L", (width, height), 255)
        alpha.paste(0, (0, height // 2, width // 2, height))
        picture.putalpha(alpha)
    return picture


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_a_huge_picture_is_reduced(tmp_path, monkeypatch, suffix: str) -> None:
    monkeypatch.setattr(images, "ENOUGH", 30_000)
    halves(400, 300).save(tmp_path / f"a.{suffix}")
    shown = read_image(tmp_path / f"a.{suffix}").astype(int)
    assert shown.shape == (150, 200, 3)
    steps_near(shown[20, 100], (200, 30, 20), LOSS)
    steps_near(shown[130, 100], (20, 30, 200), LOSS)


def test_a_huge_transparent_picture_is_reduced_without_an_edge(monkeypatch) -> None:
    """Hidden colours do not mix into those that are seen."""
    monkeypatch.setattr(images, "ENOUGH", 31_000)
    picture = halves(401, 301, "RGBA")
    file = io.BytesIO()
    picture.save(file, "PNG")
    shown = read_picture(file).astype(int)
    assert shown.shape == (150, 200, 4)
    expected = np.broadcast_to((20, 30, 200), (50, 99, 3))
    steps_near(shown[100:, 101:, :3], expected, 2)  # dimmed by alpha, mixed with their like, undimmed
    assert shown[140, 20, 3] == 0
    assert shown[140, 150, 3] == 255


def test_a_12000x9000_jpeg_is_read_at_half_its_size(tmp_path) -> None:
    halves(12_000, 9_000).save(tmp_path / "a.jpg", quality=50)
    shown = read_image(tmp_path / "a.jpg")
    assert shown.shape == (4_500, 6_000, 3)
    steps_near(shown[100, 100], (200, 30, 20), LOSS)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 4_000), (4_000, 1)])
@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "bmp"])
def test_thin_pictures(tmp_path, width: int, height: int, suffix: str) -> None:
    Image.new("RGB", (width, height), (90, 90, 90)).save(tmp_path / f"a.{suffix}")
    shown = read_image(tmp_path / f"a.{suffix}")
    assert shown.shape == (height, width, 3)
    steps_near(shown, 90, 3)  # what JPEG and WebP lose of grey


def test_a_cmyk_jpeg_with_adobes_marker(tmp_path) -> None:
    """Adobe's marker says that ink is stored as its opposite; Pillow writes and reads it so."""
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=95)
    data = (tmp_path / "a.jpg").read_bytes()
    assert b"Adobe" in data
    steps_near(read_image(tmp_path / "a.jpg")[8, 8], [255, 0, 0], 6)  # JPEG's loss at quality 95


def test_exif_turns_the_picture_and_not_its_thumbnail(tmp_path) -> None:
    """A camera's thumbnail may be stored another way round; EXIF's second directory has no say."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8769)
    exif._ifds[1] = {0x0112: 1}
    halves(40, 20).save(tmp_path / "a.jpg", exif=exif, quality=95)
    shown = read_image(tmp_path / "a.jpg").astype(int)
    assert shown.shape == (40, 20, 3)
    steps_near(shown[20, 2], (20, 30, 200), 1.5 * LOSS)  # what was below is at the left; the edge is near
    steps_near(shown[20, 17], (200, 30, 20), 1.5 * LOSS)


def test_of_an_mpo_the_first_picture(tmp_path) -> None:
    halves(40, 20).save(tmp_path / "a.mpo", "MPO", save_all=True, append_images=[Image.new("RGB", (20, 10))])
    assert read_image(tmp_path / "a.mpo").shape == (20, 40, 3)
    with VideoReader(tmp_path / "a.mpo") as reader:
        assert len(list(reader)) == 1


@pytest.mark.parametrize(
    ("text", "expected"), [("white", (255, 255, 255)), ("#20b040", (32, 176, 64)), (" Navy ", (0, 0, 128))]
)
def test_colours_have_names(text: str, expected: tuple[int, int, int]) -> None:
    assert colour_named(text) == expected


@pytest.mark.parametrize("text", ["", "whit", "#12", "12,13,14"])
def test_other_colours_are_refused(text: str) -> None:
    with pytest.raises(ImageError, match="expected a colour"):
        colour_named(text)
