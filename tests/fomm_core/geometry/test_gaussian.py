from __future__ import annotations

import math

import kornia
import pytest
import torch
from fomm_nodes.fomm_core.geometry import antialias_kernel, as_pixels, downsample, keypoint_gaussians, region_gaussians
from nearness import near


def test_peak_is_one_at_the_keypoint() -> None:
    position = torch.tensor([[[0.0, 0.0], [1.0, -1.0], [-0.5, 0.5]]])
    got = keypoint_gaussians(position, 9, 17, 0.01)
    assert got.shape == (1, 3, 9, 17)
    for heat, (x, y) in zip(got[0], as_pixels(position[0], 9, 17).int().tolist(), strict=True):
        assert heat[y, x] == heat.max() == 1


def test_far_away_it_has_no_denormal_numbers() -> None:
    """Processors take many times as long for them."""
    corners = torch.tensor([[[-1.0, -1.0], [1.0, 0.3]]])
    covariance = torch.eye(2).mul(0.01).expand(1, 2, 2, 2)
    for got in (keypoint_gaussians(corners, 64, 64, 0.01), region_gaussians(corners, covariance, 64, 64)):
        assert got.min() >= torch.finfo(torch.float32).tiny
        assert got.max() > 0.9


def test_falls_off_as_a_gaussian_of_the_variance() -> None:
    variance = 0.02
    position = torch.rand(2, 4, 2, dtype=torch.float64) - 0.5
    got = keypoint_gaussians(position, 11, 13, variance)
    assert got.dtype == torch.float64
    for y, x in ((0, 0), (5, 6), (10, 3)):
        pixel = torch.tensor([2 * x / 12 - 1, 2 * y / 10 - 1], dtype=torch.float64)
        squared = (position - pixel).square().sum(-1)
        near(got[:, :, y, x], torch.exp(-squared / (2 * variance)))


def test_agrees_with_kornia_where_the_pixels_are_square() -> None:
    size, variance = 33, 0.01
    position = torch.rand(1, 5, 2) - 0.5
    std = math.sqrt(variance) * (size - 1) / 2  # pixels
    theirs = kornia.geometry.subpix.render_gaussian2d(
        as_pixels(position[0], size, size), torch.full((5, 2), std), (size, size), normalized_coordinates=False
    )
    theirs = theirs * (2 * math.pi * std**2)  # theirs sums to 1, ours peaks at 1
    near(
        keypoint_gaussians(position, size, size, variance)[0], theirs, 0.002
    )  # theirs ends at the picture's edge, and sums to 1 there


@pytest.mark.parametrize(("scale", "size"), [(1, 1), (0.5, 5), (0.25, 13), (0.125, 29)])
def test_kernel_is_a_normalised_gaussian(scale: float, size: int) -> None:
    kernel = antialias_kernel(scale)
    assert kernel.shape == (size, size)
    near(kernel.sum(), 1)
    assert torch.equal(kernel, kernel.T)
    assert torch.equal(kernel, kernel.flip(0))
    if size > 1:
        sigma = (1 / scale - 1) / 2
        middle = size // 2
        near(kernel[middle, middle + 2] / kernel[middle, middle], math.exp(-2 / sigma**2))


@pytest.mark.parametrize(("scale", "size", "sigma"), [(0.25, 13, 1.5), (0.5, 5, 0.5)])
def test_downsample_agrees_with_kornia(scale: float, size: int, sigma: float) -> None:
    image = torch.rand(2, 3, 32, 48)
    kernel = antialias_kernel(scale).expand(3, 1, size, size)
    step = round(1 / scale)
    theirs = kornia.filters.gaussian_blur2d(image, (size, size), (sigma, sigma), border_type="constant")
    got = downsample(image, kernel, scale)
    near(got, theirs[..., ::step, ::step])
    reflected = kornia.filters.gaussian_blur2d(image, (size, size), (sigma, sigma))[..., ::step, ::step]
    assert (got - reflected).abs().max() > 0.01


def test_downsample_by_one_changes_nothing() -> None:
    image = torch.rand(1, 3, 8, 8)
    assert downsample(image, antialias_kernel(1).expand(3, 1, 1, 1), 1) is image


def test_downsample_keeps_the_images_precision() -> None:
    image = torch.rand(1, 3, 16, 16).bfloat16()
    assert downsample(image, antialias_kernel(0.25).expand(3, 1, 13, 13), 0.25).dtype == torch.bfloat16
