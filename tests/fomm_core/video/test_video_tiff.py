"""TIFFs of every make: shown as they are meant, or refused with a word on what to do; never garbage."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
import tifffile
from fomm_nodes.fomm_core.errors import ImageError
from fomm_nodes.fomm_core.video import read_image, read_picture
from nearness import ONE_STEP, steps_near
from PIL import Image, TiffImagePlugin

HEIGHT, WIDTH = 48, 64


def colours() -> np.ndarray:
    """uint8 [H, W, 3], every pixel of its own."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.stack([x * 4, y * 5, (x + 2 * y) % 256], -1).astype(np.uint8)


def deep(values: np.ndarray) -> np.ndarray:
    return values.astype(np.uint16) * 257


def floats(values: np.ndarray) -> np.ndarray:
    return (values / 255).astype(np.float32)


def planes(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(values, -1, 0))


def opacity() -> np.ndarray:
    alpha = np.full((HEIGHT, WIDTH, 1), 128, np.uint8)
    alpha[:, :20], alpha[:, -20:] = 0, 255
    return alpha


def with_alpha(values: np.ndarray) -> np.ndarray:
    return np.concatenate([values, opacity()], -1)


def dimmed(rgba: np.ndarray) -> np.ndarray:
    """Colours multiplied by alpha, in the samples' own type."""
    most = 1 if rgba.dtype.kind == "f" else np.iinfo(rgba.dtype).max
    return np.concatenate([(rgba[..., :-1] * (rgba[..., -1:] / most)).astype(rgba.dtype), rgba[..., -1:]], -1)


def written(values: np.ndarray, **options) -> io.BytesIO:
    file = io.BytesIO()
    tifffile.imwrite(file, values, **options)
    return file


def packed(values: np.ndarray, compression: int, predictor: int = 1) -> io.BytesIO:
    """By OpenCV, which knows packings that tifffile alone does not."""
    options = [cv2.IMWRITE_TIFF_COMPRESSION, compression, cv2.IMWRITE_TIFF_PREDICTOR, predictor]
    done, data = cv2.imencode(".tif", values[..., ::-1] if values.ndim == 3 else values, options)
    assert done
    return io.BytesIO(data.tobytes())


def separate(values: np.ndarray, **options) -> io.BytesIO:
    return written(planes(values), photometric="rgb", planarconfig="separate", **options)


RGB = colours()
OPAQUE = {
    "8 bit": lambda: written(RGB, photometric="rgb"),
    "8 bit BigTIFF": lambda: written(RGB, photometric="rgb", bigtiff=True),
    "8 bit planes": lambda: separate(RGB),
    "8 bit and an unnamed channel": lambda: written(with_alpha(RGB), photometric="rgb", extrasamples=["unspecified"]),
    "16 bit": lambda: written(deep(RGB), photometric="rgb"),
    "16 bit big-endian": lambda: written(deep(RGB), photometric="rgb", byteorder=">"),
    "16 bit BigTIFF": lambda: written(deep(RGB), photometric="rgb", bigtiff=True),
    "16 bit tiles": lambda: written(deep(RGB), photometric="rgb", tile=(16, 16)),
    "16 bit planes": lambda: separate(deep(RGB)),
    "16 bit planes in tiles": lambda: separate(deep(RGB), tile=(16, 16)),
    "16 bit zip": lambda: written(deep(RGB), photometric="rgb", compression="zlib"),
    "16 bit zip planes": lambda: separate(deep(RGB), compression="zlib"),
    "16 bit LZW": lambda: packed(deep(RGB), 5),
    "16 bit LZW predictor 2": lambda: packed(deep(RGB), 5, 2),
    "16 bit, two pages": lambda: written(np.stack([deep(RGB), deep(RGB) // 2]), photometric="rgb"),
    "16 bit and an unnamed channel": lambda: written(
        deep(with_alpha(RGB)), photometric="rgb", extrasamples=["unspecified"]
    ),
    "32 bit": lambda: written(RGB.astype(np.uint32) * 16_843_009, photometric="rgb"),
    "half": lambda: written(floats(RGB).astype(np.float16), photometric="rgb"),
    "float": lambda: written(floats(RGB), photometric="rgb"),
    "float planes": lambda: separate(floats(RGB)),
    "float LZW predictor 3": lambda: packed(floats(RGB), 5, 3),
    "float zip predictor 3": lambda: packed(floats(RGB), 8, 3),
    "double": lambda: written(floats(RGB).astype(np.float64), photometric="rgb"),
}


@pytest.mark.parametrize("make", OPAQUE.values(), ids=OPAQUE)
def test_rgb_comes_as_it_was_saved(make) -> None:
    for _ in range(2):  # memory that was never written differs from run to run
        steps_near(read_picture(make()), RGB, ONE_STEP)


GREY = RGB[..., 0]
GREYS = {
    "bilevel": (lambda: written(GREY > 100, photometric="minisblack"), np.where(GREY > 100, 255, 0)),
    "8 bit": (lambda: written(GREY, photometric="minisblack"), GREY),
    "8 bit, white is 0": (lambda: written(255 - GREY, photometric="miniswhite"), GREY),
    "16 bit": (lambda: written(deep(GREY), photometric="minisblack"), GREY),
    "16 bit, white is 0": (lambda: written(deep(255 - GREY), photometric="miniswhite"), GREY),
    "16 bit LZW": (lambda: packed(deep(GREY), 5), GREY),
    "32 bit": (lambda: written(GREY.astype(np.uint32) * 16_843_009, photometric="minisblack"), GREY),
    "float": (lambda: written(floats(GREY), photometric="minisblack"), GREY),
}


@pytest.mark.parametrize(("make", "expected"), GREYS.values(), ids=GREYS)
def test_grey_comes_as_it_was_saved(make, expected) -> None:
    steps_near(read_picture(make()), np.repeat(expected[..., None], 3, -1), ONE_STEP)


RGBA = with_alpha(RGB)
TRANSPARENT = {
    "8 bit": lambda: written(RGBA, photometric="rgb", extrasamples=["unassalpha"]),
    "8 bit multiplied": lambda: written(dimmed(RGBA), photometric="rgb", extrasamples=["assocalpha"]),
    "16 bit": lambda: written(deep(RGBA), photometric="rgb", extrasamples=["unassalpha"]),
    "16 bit multiplied": lambda: written(dimmed(deep(RGBA)), photometric="rgb", extrasamples=["assocalpha"]),
    "16 bit planes": lambda: separate(deep(RGBA), extrasamples=["unassalpha"]),
    "float": lambda: written(floats(RGBA), photometric="rgb", extrasamples=["unassalpha"]),
    "float multiplied": lambda: written(dimmed(floats(RGBA)), photometric="rgb", extrasamples=["assocalpha"]),
}


@pytest.mark.parametrize("make", TRANSPARENT.values(), ids=TRANSPARENT)
def test_alpha_is_straight_whichever_way_it_was_saved(make) -> None:
    read = read_picture(make()).astype(int)
    steps_near(read[..., 3], RGBA[..., 3], ONE_STEP)
    seen = RGBA[..., 3] > 0
    steps_near(read[seen], RGBA[seen], 3)  # of 8 bits, half were lost to an alpha of a half


@pytest.mark.parametrize("bits", [8, 16])
def test_grey_with_alpha(bits: int) -> None:
    values = np.dstack([GREY, opacity()])
    values = values if bits == 8 else deep(values)
    read = read_picture(
        written(values, photometric="minisblack", extrasamples=["unassalpha"], planarconfig="contig")
    ).astype(int)
    steps_near(read[..., 3], opacity()[..., 0], ONE_STEP)
    seen = opacity()[..., 0] > 0
    steps_near(read[seen][:, 0], GREY[seen], ONE_STEP)


@pytest.mark.parametrize("bits", [8, 16])
def test_cmyk_is_ink(bits: int) -> None:
    ink = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    ink[:, :32, 1:3] = 255  # magenta and yellow: red
    values = ink if bits == 8 else deep(ink)
    read = read_picture(written(values, photometric="separated"))
    assert read[0, 0].tolist() == [255, 0, 0]
    assert read[0, -1].tolist() == [255, 255, 255]


def test_lab_becomes_rgb() -> None:
    values = np.full((4, 4, 3), (136, 80, 67), np.uint8)  # L, a, b of red
    read = read_picture(written(values, photometric="cielab"))[0, 0]
    steps_near(read, [255, 0, 0], 12)  # L, a and b are rounded to 8 bits, and red is at the rim of sRGB


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_palette(dtype: type) -> None:
    count = 2 ** (8 * np.dtype(dtype).itemsize)
    table = np.zeros((3, count), np.uint16)
    table[:, 7] = deep(np.array([10, 200, 30]))
    read = read_picture(written(np.full((4, 4), 7, dtype), photometric="palette", colormap=table))
    steps_near(read[0, 0], [10, 200, 30], ONE_STEP)


@pytest.mark.parametrize("code", range(1, 9))
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
def test_orientation_is_applied_once(tmp_path, code: int, compression: str) -> None:
    small = np.arange(6, dtype=np.uint8).reshape(2, 3) * 20
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[274] = code
    shown = []
    for values in (small, deep(small)):
        Image.fromarray(values).save(tmp_path / "a.tif", tiffinfo=tags, compression=compression)
        shown.append(read_image(tmp_path / "a.tif")[..., 0].astype(int))
    turned = {1: small, 2: small[:, ::-1], 3: small[::-1, ::-1], 4: small[::-1], 5: small.T}
    turned |= {6: np.rot90(small, -1), 7: np.rot90(small, 2).T, 8: np.rot90(small)}
    for read in shown:
        steps_near(read, turned[code], ONE_STEP)


def test_a_profile_of_a_deep_tiff_is_followed(linear_profile: bytes) -> None:
    """In linear light, 55 of 255 is what sRGB calls 128."""
    values = np.full((4, 4, 3), 55 * 257, np.uint16)
    read = read_picture(written(values, photometric="rgb", iccprofile=linear_profile))
    steps_near(read[0, 0], 128, 2)  # 16 bits are rounded to 8 before the profile is followed, and then again


def test_a_preview_before_the_picture_is_passed_over() -> None:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(np.zeros((6, 8, 3), np.uint16), photometric="rgb", subfiletype=1)
        writer.write(deep(RGB), photometric="rgb")
    steps_near(read_picture(file), RGB, ONE_STEP)


REFUSED = {
    "many channels": (
        lambda: written(np.zeros((8, 9, 7), np.uint16), photometric="minisblack", planarconfig="contig"),
        "channels",
    ),
    "signed": (lambda: written(np.full((8, 9), -5, np.int16), photometric="minisblack"), "int16"),
    "complex": (lambda: written(np.zeros((8, 9), np.complex64), photometric="minisblack"), "complex"),
    "Lab": (lambda: written(deep(RGB), photometric="cielab"), "kind 8"),
    "floats of 0 to 255": (lambda: written(RGB.astype(np.float32), photometric="rgb"), "Divide"),
    "NaN": (lambda: written(floats(RGB) * np.nan, photometric="rgb"), "NaN"),
    "cut": (lambda: io.BytesIO(written(deep(RGB), photometric="rgb").getvalue()[:3000]), "a whole|cannot"),
    "camera raw": (
        lambda: written(deep(RGB), photometric="rgb", extratags=[(50706, 1, 4, (1, 4, 0, 0), True)]),
        "develop",
    ),
    "sensor": (lambda: written(deep(GREY), photometric="cfa"), "develop"),
}


@pytest.mark.parametrize(("make", "says"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_read_is_refused_with_advice(make, says: str) -> None:
    with pytest.raises(ImageError, match=says) as caught:
        read_picture(make())
    assert any(word in str(caught.value) for word in ("Export", "export", "Divide"))


def test_packed_planes_are_refused_rather_than_guessed() -> None:
    """A zip file of planes that claims LZW stands for one: OpenCV would return memory that was never written."""
    data = bytearray(separate(deep(RGB), compression="zlib").getvalue())
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        place = tiff.pages[0].tags["Compression"].valueoffset
    data[place : place + 2] = (5).to_bytes(2, "little")
    with pytest.raises(ImageError, match="LZW"):
        read_picture(io.BytesIO(data))
