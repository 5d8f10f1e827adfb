from __future__ import annotations

import pytest
import torch
from fomm_nodes.fomm_core.geometry import (
    as_pixels,
    coordinate_grid,
    downsample_factor,
    identity_flow,
    resize_flow,
    resize_maps,
    warp,
)
from nearness import HALF_SIDE, near
from torch import Tensor

LIKE = torch.zeros(1)
SIZES = pytest.mark.parametrize(("height", "width"), [(8, 8), (5, 12), (33, 7)])


@SIZES
def test_grid_corners_are_pixel_centres(height: int, width: int) -> None:
    grid = coordinate_grid(height, width, like=LIKE)
    assert grid.shape == (height, width, 2)
    assert grid[0, 0].tolist() == [-1, -1]
    assert grid[0, -1].tolist() == [1, -1]
    assert grid[-1, 0].tolist() == [-1, 1]
    assert grid[-1, -1].tolist() == [1, 1]


@SIZES
def test_grid_follows_the_formula(height: int, width: int) -> None:
    grid = coordinate_grid(height, width, like=LIKE.double())
    assert grid.dtype == torch.float64
    for y in range(height):
        for x in range(width):
            expected = torch.tensor([2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1], dtype=torch.float64)
            near(grid[y, x], expected, of=HALF_SIDE)


@SIZES
def test_identity_flow_returns_the_image(height: int, width: int) -> None:
    image = torch.rand(2, 3, height, width)
    flow = identity_flow(2, height, width, like=image)
    near(warp(image, flow, align_corners=True), image)
    assert (warp(image, flow, align_corners=False) - image).abs().max() > 0.01


@pytest.mark.parametrize(("right", "down"), [(0, 1), (3, 0), (-2, -1), (2, -3)])
def test_constant_offset_moves_by_whole_pixels(right: int, down: int) -> None:
    height, width = 9, 14
    image = torch.rand(1, 2, height, width)
    offset = torch.tensor([2 * right / (width - 1), 2 * down / (height - 1)])
    got = warp(image, identity_flow(1, height, width, like=image) + offset, align_corners=True)
    expected = torch.zeros_like(image)
    for y in range(height):
        for x in range(width):
            if 0 <= y + down < height and 0 <= x + right < width:
                expected[..., y, x] = image[..., y + down, x + right]
    near(got, expected)


def test_warp_takes_the_size_of_the_flow() -> None:
    image = torch.rand(1, 3, 9, 17)
    got = warp(image, identity_flow(1, 5, 9, like=image), align_corners=True)
    near(got, image[..., ::2, ::2])


def test_half_precision_images_are_sampled_at_full_precision() -> None:
    image = torch.rand(1, 1, 4, 512).half()
    flow = identity_flow(1, 4, 512, like=LIKE)
    got = warp(image, flow, align_corners=True)
    assert got.dtype == torch.float16
    near(got, image, 2**-10)  # two steps of float16, whose mantissa has 10 bits


def test_warp_passes_gradients_to_image_and_flow() -> None:
    image = torch.rand(1, 1, 4, 5, dtype=torch.float64, requires_grad=True)
    flow = (0.7 * identity_flow(1, 3, 3, like=image.detach()) + 0.05).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, f: warp(x, f, align_corners=True), (image, flow))


def test_resize_maps_is_not_corner_aligned() -> None:
    maps = torch.tensor([0.0, 1.0]).view(1, 1, 1, 2)
    assert resize_maps(maps, 1, 4).flatten().tolist() == [0, 0.25, 0.75, 1]
    assert resize_maps(maps, 1, 2) is maps


@pytest.mark.parametrize("align_corners", [True, False])
def test_resize_flow_resizes_each_coordinate(align_corners: bool) -> None:
    flow = torch.rand(2, 4, 6, 2)
    got = resize_flow(flow, 8, 9, align_corners=align_corners)
    assert got.shape == (2, 8, 9, 2)
    for axis in range(2):
        expected = resize_maps(flow[..., axis][:, None], 8, 9, align_corners=align_corners)[:, 0]
        near(got[..., axis], expected)
    assert torch.equal(resize_flow(flow, 4, 6, align_corners=align_corners), flow)


def test_an_affine_flow_stays_itself_at_any_size() -> None:
    matrix, shift = torch.randn(2, 2), torch.randn(2)

    def affine(height: int, width: int) -> Tensor:
        return (coordinate_grid(height, width, like=LIKE) @ matrix.T + shift)[None]

    for size in ((2, 3), (7, 19), (128, 64)):
        near(resize_flow(affine(5, 8), *size), affine(*size))


def test_as_pixels() -> None:
    position = torch.tensor([[-1.0, -1.0], [1.0, 1.0], [0.0, 0.0], [1.0, -1.0]])
    assert as_pixels(position, 64, 101).tolist() == [[0, 0], [100, 63], [50, 31.5], [100, 0]]
    grid = as_pixels(coordinate_grid(5, 9, like=LIKE.double()), 5, 9)
    near(grid[3, 7], torch.tensor([7.0, 3.0], dtype=torch.float64))


@pytest.mark.parametrize(("scale", "factor"), [(1, 1), (0.5, 2), (0.25, 4), (1 / 3, 3), (0.125, 8), (0.0625, 16)])
def test_downsample_factor(scale: float, factor: int) -> None:
    assert downsample_factor(scale) == factor


@pytest.mark.parametrize("scale", [0.3, 0.75, 2.0, 0.26])
def test_scales_that_are_no_whole_fraction_are_refused(scale: float) -> None:
    with pytest.raises(ValueError, match=f"1/n .* got {scale}"):
        downsample_factor(scale)
