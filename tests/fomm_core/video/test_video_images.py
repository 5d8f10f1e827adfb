from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from fomm_nodes.fomm_core.errors import ImageError
from fomm_nodes.fomm_core.video import read_image, write_image
from nearness import HALF_STEP, steps_near
from PIL import Image, ImageCms, TiffImagePlugin


@pytest.fixture
def picture() -> np.ndarray:
    y, x = np.mgrid[0:20, 0:30]
    return np.stack([x * 8, y * 12, 255 - x * 5], -1).astype(np.uint8)


def saved(image: Image.Image, path: Path, **options) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".tiff", ".jpg", ".JPEG", ".webp"])
def test_written_pictures_come_back(tmp_path, picture, suffix):
    write_image(tmp_path / f"a{suffix}", picture)
    back = read_image(tmp_path / f"a{suffix}")
    assert back.dtype == np.uint8
    exact = suffix in (".png", ".bmp", ".tif", ".tiff")
    steps_near(back, picture, 0 if exact else 14)  # what the codecs lose at their default quality


@pytest.mark.parametrize("shape", [(8, 9), (8, 9, 4)])
def test_grey_and_rgba_are_written(tmp_path, shape):
    values = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    write_image(tmp_path / "a.png", values)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.png")), values)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("a.png", np.zeros((4, 4, 3), np.float32)),
        ("a.png", np.zeros((4, 4, 2), np.uint8)),
        ("a.png", np.zeros((4, 4, 1), np.uint8)),
        ("a.png", np.zeros((0, 4, 3), np.uint8)),
        ("a.png", np.zeros((1, 4, 4, 3), np.uint8)),
        ("a.jpg", np.zeros((4, 4, 4), np.uint8)),
        ("a.xyz", np.zeros((4, 4, 3), np.uint8)),
        ("a", np.zeros((4, 4, 3), np.uint8)),
    ],
)
def test_what_is_no_picture_is_not_written(tmp_path, name, array):
    with pytest.raises(ImageError, match=r"expected .*; got "):
        write_image(tmp_path / name, array)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_older_file(tmp_path, picture, monkeypatch):
    path = tmp_path / "a.png"
    write_image(path, picture)
    before = path.read_bytes()

    def broken(self, file, **options):
        Path(file).write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(Image.Image, "save", broken)
    with pytest.raises(KeyboardInterrupt):
        write_image(path, 255 - picture)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_grey_becomes_rgb(tmp_path):
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    back = read_image(saved(Image.fromarray(grey), tmp_path / "a.png"))
    np.testing.assert_array_equal(back, np.repeat(grey[..., None], 3, -1))


def test_bilevel_becomes_rgb(tmp_path):
    bits = np.eye(8, dtype=bool)
    back = read_image(saved(Image.fromarray(bits), tmp_path / "a.png"))
    np.testing.assert_array_equal(back[..., 0], bits * np.uint8(255))


def test_palette_becomes_rgb(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putdata([0, 1])
    back = read_image(saved(image, tmp_path / "a.png"))
    assert back.tolist() == [[[10, 20, 30], [200, 100, 50]]]


def test_transparent_palette_entries_show_the_background(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putdata([0, 1])
    path = saved(image, tmp_path / "a.png", transparency=0)
    assert read_image(path).tolist() == [[[255, 255, 255], [200, 100, 50]]]
    assert read_image(path, background=(1, 2, 3)).tolist() == [[[1, 2, 3], [200, 100, 50]]]


def test_alpha_is_laid_over_white(tmp_path):
    rgba = np.array([[[100, 0, 200, 0], [100, 0, 200, 255], [100, 0, 200, 51]]], np.uint8)
    write_image(tmp_path / "a.png", rgba)
    back = read_image(tmp_path / "a.png").astype(int)
    assert back[0, 0].tolist() == [255, 255, 255]
    assert back[0, 1].tolist() == [100, 0, 200]
    steps_near(back[0, 2], 255 + 0.2 * (np.array([100, 0, 200]) - 255), HALF_STEP)


def test_grey_with_alpha(tmp_path):
    image = Image.merge("LA", [Image.new("L", (2, 2), 40), Image.new("L", (2, 2), 128)])
    back = read_image(saved(image, tmp_path / "a.png"))
    assert np.unique(back).tolist() == [147]  # 40 * 128/255 + 255 * 127/255


@pytest.mark.parametrize("shape", [(16, 16), (16, 16, 3), (16, 16, 4)])
@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_16_bit_is_scaled_not_clipped(tmp_path, shape, suffix):
    values = np.minimum(np.arange(256) * 257 + 180, 65535).astype(np.uint16).reshape(16, 16)
    deep = values if len(shape) == 2 else np.repeat(values[..., None], shape[2], -1)
    if len(shape) == 3:
        deep[..., 1] = 65535 - deep[..., 1]
        deep[..., 3:] = 65535
        cv2.imwrite(
            str(tmp_path / f"a{suffix}"), cv2.cvtColor(deep, {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}[shape[2]])
        )
    else:
        cv2.imwrite(str(tmp_path / f"a{suffix}"), deep)
    back = read_image(tmp_path / f"a{suffix}")
    exact = values / 257
    steps_near(back[..., 0], exact, HALF_STEP)
    steps_near(back[..., 1], 255 - exact if len(shape) == 3 else exact, HALF_STEP)


def test_16_bit_alpha_is_laid_over_white(tmp_path):
    deep = np.zeros((2, 2, 4), np.uint16)
    deep[..., 3] = 32896  # 128 of 255
    cv2.imwrite(str(tmp_path / "a.png"), deep)
    assert np.unique(read_image(tmp_path / "a.png")).tolist() == [127]


def test_float_tiff_is_taken_as_0_to_1(tmp_path):
    image = Image.fromarray(np.array([[0.0, 0.5, 1.0, 2.0]], np.float32))
    assert read_image(saved(image, tmp_path / "a.tiff"))[0, :, 0].tolist() == [0, 128, 255, 255]


def test_a_float_picture_with_nan_is_refused(tmp_path):
    path = saved(Image.fromarray(np.array([[0.0, np.nan]], np.float32)), tmp_path / "a.tiff")
    with pytest.raises(ImageError, match="NaN"):
        read_image(path)


def test_cmyk_is_not_inverted(tmp_path):
    path = saved(Image.new("CMYK", (8, 8), (0, 0, 0, 0)), tmp_path / "white.jpg", quality=95)
    assert read_image(path).min() > 250
    path = saved(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), tmp_path / "red.tiff")
    assert read_image(path)[0, 0].tolist() == [255, 0, 0]


# By hand from the EXIF standard: where the stored row 0 and column 0 are shown.
EXIF_TURNS = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: np.rot90(p, -1),
    7: lambda p: np.rot90(p[:, ::-1], -1),
    8: lambda p: np.rot90(p, 1),
}


@pytest.mark.parametrize("code", EXIF_TURNS)
def test_exif_orientation_is_applied(tmp_path, picture, code):
    exif = Image.Exif()
    exif[0x0112] = code
    path = saved(Image.fromarray(picture), tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_image(path), EXIF_TURNS[code](picture))


def test_exif_orientation_of_a_16_bit_tiff_is_applied_once(tmp_path):
    deep = np.arange(6, dtype=np.uint16).reshape(2, 3) * 257 * 20
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[274] = 6
    path = saved(Image.fromarray(deep), tmp_path / "a.tiff", tiffinfo=tags)
    np.testing.assert_array_equal(read_image(path)[..., 0], np.rot90(np.arange(6).reshape(2, 3) * 20, -1))


def test_exif_orientation_of_a_16_bit_png_is_applied(tmp_path):
    grey = np.arange(6, dtype=np.uint16).reshape(2, 3) * 257 * 20
    exif = Image.Exif()
    exif[0x0112] = 6
    path = saved(Image.fromarray(grey), tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_image(path)[..., 0], np.rot90(np.arange(6).reshape(2, 3) * 20, -1))


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_colour_profile_is_followed_into_srgb(tmp_path, mode, linear_profile):
    """In linear light, 55 of 255 is what sRGB calls 128, and 13 what it calls 63."""
    plain = Image.new("RGB", (4, 4), (55, 13, 255)).convert(mode)
    path = saved(plain, tmp_path / "a.png", icc_profile=linear_profile)
    steps_near(read_image(path)[0, 0], [128, 63, 255], 2)  # two roundings on the way


def test_srgb_and_unreadable_profiles_change_nothing(tmp_path):
    plain = Image.new("RGB", (4, 4), (128, 64, 32))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (srgb, b"no profile at all"):
        assert read_image(saved(plain, tmp_path / "a.png", icc_profile=profile))[0, 0].tolist() == [128, 64, 32]


def test_a_file_object_is_read_and_left_open(tmp_path, picture):
    write_image(tmp_path / "a.png", picture)
    file = io.BytesIO((tmp_path / "a.png").read_bytes())
    file.seek(7)
    np.testing.assert_array_equal(read_image(file), picture)
    np.testing.assert_array_equal(read_image(file), picture)
    assert not file.closed


def test_bad_pictures_are_named(tmp_path, picture):
    write_image(tmp_path / "whole.png", picture)
    whole = (tmp_path / "whole.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("not a picture\n" * 20)
    (tmp_path / "folder").mkdir()
    for name, expected in {
        "cut.png": "expected a whole",
        "empty.png": "is empty",
        "text.png": "not a known kind",
        "folder": "got the folder",
        "missing.png": "does not exist",
    }.items():
        with pytest.raises(ImageError, match=expected) as caught:
            read_image(tmp_path / name)
        assert name in str(caught.value)


def test_a_cut_16_bit_picture_is_refused(tmp_path):
    deep = np.random.default_rng(0).integers(0, 65536, (64, 64, 3)).astype(np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), deep)
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(data[: len(data) // 2])
    with pytest.raises(ImageError):
        read_image(tmp_path / "a.png")


def test_a_file_object_that_cannot_seek_is_refused():
    class Pipe(io.RawIOBase):
        def seekable(self) -> bool:
            return False

    with pytest.raises(ImageError, match=r"io\.BytesIO"):
        read_image(Pipe())


@pytest.mark.parametrize("background", [(0, 0), (0, 0, 256), (-1, 0, 0)])
def test_a_background_is_three_bytes(tmp_path, picture, background):
    write_image(tmp_path / "a.png", picture)
    with pytest.raises(ImageError, match="background"):
        read_image(tmp_path / "a.png", background=background)
