"""Crops and pastes: both implementations, round trips, and what they leave alone."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch
from fomm_nodes.fomm_core.errors import RegionError
from fomm_nodes.fomm_core.fitting import from_uint8, to_uint8
from fomm_nodes.fomm_core.region import Cropper, Paster, Region, coverage, crop, crop_pixels, paste, region_mask
from fomm_nodes.fomm_core.region.matrices import crop_from_whole, moved_points, whole_from_crop
from fomm_nodes.fomm_core.shipped import ASSETS
from nearness import DOUBLE, PICTURE, near
from PIL import Image

EXACT = int(cv2.__version__.split(".")[0]) >= 5  # OpenCV 4 rounds positions to 1/32 pixel


def square(x: float, y: float, side: float, degrees: float = 0, size: tuple[int, int] = (256, 256)) -> Region:
    return Region(torch.tensor([[x, y]]), torch.tensor([side]), torch.tensor([math.radians(degrees)]), *size)


def photograph() -> np.ndarray:
    return np.array(Image.open(ASSETS / "source.png").convert("RGB"))


def smooth(height: int = 256, width: int = 256) -> np.ndarray:
    y, x = np.mgrid[:height, :width] / 40
    waves = [np.sin(x + 0.5 * y), np.cos(0.7 * y), np.sin(0.3 * x - y)]
    return (np.stack(waves, -1) * 110 + 127.5).astype(np.uint8)


SQUARES = [
    square(128, 128, 128),
    square(120.3, 99.8, 101.7),
    square(128, 120, 180, 30),
    square(20, 240, 120, -17),  # over two borders
    square(128, 128, 400, 45),  # larger than the image
    square(128, 128, 13, 200),
]


@pytest.mark.parametrize("region", SQUARES)
@pytest.mark.parametrize("size", [64, 128, 200])
def test_bytes_and_tensors_agree(region: Region, size: int) -> None:
    sharp = photograph()
    for picture, tolerance in ((smooth(), 1), (sharp, 1 if EXACT else 8)):
        ours = crop_pixels(picture, region, size)
        theirs = crop(from_uint8(picture), region, size)
        assert np.abs(ours.astype(int) - to_uint8(theirs)[0]).max() <= tolerance
        flipped = np.ascontiguousarray(ours[::-1])
        pasted = Paster(region)(picture, flipped)
        expected = to_uint8(paste(from_uint8(picture), from_uint8(flipped), region))[0]
        assert np.abs(pasted.astype(int) - expected).max() <= tolerance


@pytest.mark.parametrize("region", [square(128, 120, 100), square(60, 60, 120), square(250, 100, 64)])
def test_a_round_trip_upright_at_scale_one_changes_nothing(region: Region) -> None:
    picture = photograph()
    size = int(region.side[0])
    assert np.array_equal(Paster(region)(picture, crop_pixels(picture, region, size)), picture)
    images = from_uint8(picture)
    back = paste(images, crop(images, region, size), region)
    near(back, images, 1e-6, of=PICTURE)  # a blend of two equal numbers: a few steps of float32


@pytest.mark.parametrize("degrees", [5, 30, 45, -100])
@pytest.mark.parametrize("linear", [False, True])
def test_a_turned_round_trip_is_within_two_steps(degrees: float, linear: bool) -> None:
    picture, region = smooth(), square(130.4, 118.2, 101, degrees)
    back = Paster(region, linear=linear)(picture, crop_pixels(picture, region, 101))
    images = from_uint8(picture)
    again = to_uint8(paste(images, crop(images, region, 101), region, linear=linear))[0]
    inside = region_mask(region)[0].numpy() > 0
    for result in (back, again):
        assert np.abs(result.astype(int) - picture).max() <= 2
        assert np.array_equal(result[~inside], picture[~inside])


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("region", SQUARES)
def test_what_lies_outside_is_bit_identical(region: Region, linear: bool) -> None:
    picture = photograph()
    new = np.full((80, 80, 3), 255, np.uint8)
    outside = region_mask(region)[0].numpy() == 0
    assert np.array_equal(Paster(region, linear=linear)(picture, new)[outside], picture[outside])
    images = from_uint8(picture)
    pasted = paste(images, from_uint8(new), region, linear=linear)
    alone = torch.from_numpy(outside)
    assert torch.equal(pasted[0][:, alone], images[0][:, alone])


@pytest.mark.skipif(not EXACT, reason="OpenCV 4 rounds positions to 1/32 pixel")
@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("region", SQUARES)
@pytest.mark.parametrize("size", [64, 200])
def test_floats_are_pasted_as_tensors_are(region: Region, linear: bool, size: int) -> None:
    """In place, limited by a mask, and what lies outside stays to the last bit, even beyond 0..1."""
    draw = torch.Generator().manual_seed(0)
    images, new = torch.rand(1, 3, 256, 256, generator=draw), torch.rand(1, 3, size, size, generator=draw)
    mask = torch.rand(1, size, size, generator=draw)
    images[..., 0, 0] = 1.5
    frame = images[0].movedim(0, -1).contiguous().numpy()
    crop_of = new[0].movedim(0, -1).contiguous().numpy()
    for limits in (None, mask):
        expected = paste(images, new, region, linear=linear, mask=limits)[0].movedim(0, -1)
        got = frame.copy()
        limit = None if limits is None else limits[0].numpy()
        assert Paster(region, linear=linear)(got, crop_of, mask=limit, in_place=True) is got
        near(torch.from_numpy(got), expected, 1e-3, of=PICTURE)  # positions are rounded differently
        outside = region_mask(region)[0].numpy() == 0
        assert np.array_equal(got[outside], frame[outside])


def test_frame_and_crop_are_of_one_kind() -> None:
    with pytest.raises(RegionError, match="both as bytes or both as float32"):
        Paster(square(128, 128, 64))(photograph(), np.zeros((64, 64, 3), np.float32))


def test_a_crop_shows_the_square_it_names() -> None:
    picture = np.zeros((100, 200, 3), np.uint8)
    picture[40:60, 150:170] = 255
    for degrees in (0, 90, 180, 270):
        found = crop_pixels(picture, square(160, 50, 40, degrees, (100, 200)), 40)
        expected = np.zeros((40, 40, 3), np.uint8)
        expected[10:30, 10:30] = 255
        assert np.abs(found.astype(int) - expected).max() <= 1, degrees
    turned = crop_pixels(picture, square(160, 60, 40, 90, (100, 200)), 40)  # its x axis points down
    assert turned[20, 5].max() == 255
    assert turned[20, 35].max() == 0


def test_shrinking_averages() -> None:
    lines = np.zeros((256, 256, 3), np.uint8)
    lines[:, ::2] = 255
    for region in (square(128, 128, 256), square(128, 128, 256, 3)):
        inner = crop_pixels(lines, region, 64)[4:-4, 4:-4].astype(int)
        assert np.abs(inner - 127.5).max() < 20


def test_each_frame_has_its_own_square() -> None:
    images = torch.rand(3, 3, 64, 80)
    region = Region(
        torch.tensor([[20.0, 20], [40, 30], [60, 40]]), torch.tensor([20.0, 20, 20]), torch.zeros(3), 64, 80
    )
    crops = crop(images, region, 20)
    for i, (x, y) in enumerate([(10, 10), (30, 20), (50, 30)]):
        assert torch.equal(crops[i], images[i, :, y : y + 20, x : x + 20])
    frames = to_uint8(images)
    assert all(np.array_equal(Cropper(region, 20)(frames[i], i), to_uint8(crops)[i]) for i in range(3))
    with pytest.raises(RegionError, match="frame 3; it has 3 frames"):
        Cropper(region, 20)(frames[0], 3)
    with pytest.raises(RegionError, match="one square or of 2"):
        crop(images[:2], region, 20)
    with pytest.raises(RegionError, match="made for, 80x64; got 64x64"):
        crop(images[..., :64], region, 20)


def test_a_mask_limits_the_paste() -> None:
    picture = photograph()
    region, new = square(128, 128, 100), np.zeros((100, 100, 3), np.uint8)
    mask = np.zeros((100, 100), np.float32)
    mask[:, 50:] = 1
    pasted = Paster(region, feather=0)(picture, new, mask=mask)
    assert np.array_equal(pasted[:, :128], picture[:, :128])
    assert pasted[100:150, 130:170].max() == 0
    images = from_uint8(picture)
    again = to_uint8(paste(images, from_uint8(new), region, feather=0, mask=torch.from_numpy(mask)[None]))[0]
    assert np.array_equal(again, pasted)


def test_no_feather_on_the_pictures_border() -> None:
    cover = region_mask(square(50, 128, 100), 0.1)[0]
    assert float(cover[128, 0]) == 1
    assert float(cover[128, 99]) < 0.02
    assert torch.equal(region_mask(square(128, 128, 400), 0.3)[0], torch.ones(256, 256))


def test_gradients_flow_through_crop_and_paste() -> None:
    images = torch.rand(1, 3, 12, 12, dtype=torch.float64, requires_grad=True)
    region = square(6.3, 5.9, 7.2, 20, (12, 12))

    def there_and_back(whole: torch.Tensor) -> torch.Tensor:
        return paste(whole, crop(whole, region, 5) * 0.5 + 0.2, region)

    assert torch.autograd.gradcheck(there_and_back, (images,))


def test_matrices_are_inverse_and_keep_the_corners() -> None:
    region = Region.cat(SQUARES)
    corners = torch.tensor([[0.0, 0], [50, 0], [50, 50], [0, 50]], dtype=torch.float64)
    near(moved_points(whole_from_crop(region, 50), corners), region.corners(), DOUBLE)
    both = whole_from_crop(region, 50) @ crop_from_whole(region, 50)
    near(both, torch.eye(3).double().expand_as(both), DOUBLE)


def test_coverage_is_soft_and_whole() -> None:
    (left, top, right, bottom), cover = coverage(square(128, 128, 100, 30), 0.2)
    assert cover.shape == (bottom - top, right - left)
    assert 0 <= float(cover.min()) < 0.01
    assert float(cover.max()) == 1
    with pytest.raises(RegionError, match=r"0 to 0\.5"):
        coverage(square(128, 128, 100), 0.6)
