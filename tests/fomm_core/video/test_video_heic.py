"""HEIC as phones write it; every file is made here, box by box."""

from __future__ import annotations

import io
import sys

import heic_files as heic
import numpy as np
import pytest
from fomm_nodes.fomm_core.errors import ImageError
from fomm_nodes.fomm_core.video import VideoReader, read_image, read_picture
from fomm_nodes.fomm_core.video.heif import _check_items
from nearness import steps_near

AS_STATED = heic.colours(1, 13)
LOSS = 6
"""Of 8 bits: what HEVC loses of soft colours, their own resolution halved."""


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """Soft, and different in each corner."""
    y, x = np.mgrid[0:64, 0:96]
    return np.stack([40 + 2 * x, 30 + 3 * y, 200 - x - y], -1).astype(np.uint8)


def read(file) -> np.ndarray:
    return read_picture(io.BytesIO(file.bytes())).astype(int)


def test_a_heic_picture_is_read(picture, tmp_path) -> None:
    file = heic.Heic()
    file.picture(picture, AS_STATED)
    (tmp_path / "IMG_0001.HEIC").write_bytes(file.bytes())
    steps_near(read_image(tmp_path / "IMG_0001.HEIC"), picture, LOSS)
    with VideoReader(tmp_path / "IMG_0001.HEIC") as reader:
        assert (reader.info.width, reader.info.height) == (96, 64)
        assert len(list(reader)) == 1


def test_tiles_are_joined(picture) -> None:
    """Phones store tiles; FFmpeg shows them as streams of their own."""
    file = heic.Heic()
    file.primary = file.grid(picture[:60, :90], 32, AS_STATED)
    shown = read(file)
    assert shown.shape == (60, 90, 3)
    steps_near(shown, picture[:60, :90], 8)  # more than of a whole image, as each tile is coded by itself


@pytest.mark.parametrize("quarters", range(4))
@pytest.mark.parametrize("orientation", [1, 6, 8])
def test_it_is_turned_once_whatever_exif_says_besides(picture, quarters: int, orientation: int) -> None:
    file = heic.Heic()
    one = file.picture(picture, AS_STATED, heic.turned(quarters))
    file.exif(one, orientation)
    steps_near(read(file), np.rot90(picture, quarters), LOSS)


def test_it_is_mirrored(picture) -> None:
    file = heic.Heic()
    file.picture(picture, AS_STATED, heic.mirrored(1))
    steps_near(read(file), picture[:, ::-1], LOSS)


def test_ten_bits_become_eight(picture) -> None:
    file = heic.Heic()
    file.picture(picture.astype(np.uint16) * 257, AS_STATED, ten_bit=True)
    steps_near(read(file), picture, LOSS)


def test_alpha_is_kept_and_laid_over_the_background(picture) -> None:
    opacity = np.zeros((64, 96), np.uint8)
    opacity[:, 48:] = 255
    file = heic.Heic()
    file.alpha(file.picture(picture, AS_STATED), opacity)
    shown = read(file)
    steps_near(shown[..., 3], opacity, 2)  # HEVC's loss in black and white, without colours
    steps_near(shown[:, 52:, :3], picture[:, 52:], LOSS)
    over = read_image(io.BytesIO(file.bytes()), background=(0, 0, 255))
    steps_near(over[:, :44], np.broadcast_to([0, 0, 255], (64, 44, 3)), 3)  # that of opacity


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_hdr_is_warned_about(picture, transfer: int, name: str) -> None:
    file = heic.Heic()
    file.picture(picture, heic.colours(9, transfer))
    heard: list[str] = []
    read_picture(io.BytesIO(file.bytes()), warn=heard.append)
    assert len(heard) == 1
    assert f"HDR image ({name})" in heard[0]


def test_wide_colours_without_a_profile_are_followed() -> None:
    """Display P3 (234, 51, 35) is sRGB's reddest red, (255, 0, 0)."""
    file = heic.Heic()
    file.picture(np.full((64, 64, 3), (234, 51, 35), np.uint8), heic.colours(12, 13))
    steps_near(read(file)[30, 30], [255, 0, 0], 2 * LOSS)  # the matrix enlarges it


def test_a_profile_is_followed(linear_profile: bytes) -> None:
    file = heic.Heic()
    file.picture(np.full((64, 64, 3), 55, np.uint8), AS_STATED, heic.profile(linear_profile))
    steps_near(read(file)[30, 30], 128, 8)  # HEVC's loss, which the curve enlarges


def test_a_damaged_heic_is_refused(picture) -> None:
    file = heic.Heic()
    file.picture(picture, AS_STATED)
    data = file.bytes()
    for cut in (40, 200, len(data) // 2, len(data) - 200):
        with pytest.raises(ImageError, match="HEIC"):
            read_picture(io.BytesIO(data[:cut]))


def test_without_the_library_the_message_names_it(picture, monkeypatch) -> None:
    file = heic.Heic()
    file.picture(picture, AS_STATED)
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    with pytest.raises(ImageError, match="pip install pi-heif"):
        read_picture(io.BytesIO(file.bytes()))


@pytest.mark.parametrize("name", [b"Exif", "Bild für mich".encode()])
def test_names_of_items_are_checked_before_the_decoder_sees_them(name: bytes) -> None:
    """On a lone entry, which is no image."""
    entry = b"\0\0\0\x40infe\2\0\0\0" + bytes(4)
    _check_items(entry + name + b"\0")
    with pytest.raises(ValueError, match="decode"):
        _check_items(entry + name + b"\xff\0")
