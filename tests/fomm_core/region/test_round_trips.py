"""Crop, paste back, nothing changed in between: what is lost, in stills and clips, at any place and angle."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from fomm_nodes.fomm_core.fitting import from_uint8, to_uint8
from fomm_nodes.fomm_core.region import Cropper, Paster, Region, crop, paste, region_at, region_mask
from nearness import ONE_STEP, PICTURE, near, steps_near

HEIGHT, WIDTH = 200, 320
TURNED = 2
"""Steps of 8 bits that a turn and the turn back may cost a smooth picture: it is interpolated and rounded twice."""


def smooth(phase: float) -> np.ndarray:
    """Without noise or edges: waves of 250 pixels and more."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] / 40
    waves = [np.sin(x + 0.5 * y + phase), np.cos(0.7 * y - phase), np.sin(0.3 * x - y)]
    return (np.stack(waves, -1) * 110 + 127.5).astype(np.uint8)


def squares(seed: int, count: int, *, turned: bool) -> tuple[Region, int]:
    """Anywhere, some of them over the border; all of one whole side, for which the crop's size stands too."""
    random = np.random.default_rng(seed)
    side = int(random.integers(30, 150))
    centre = torch.from_numpy(random.uniform((0, 0), (WIDTH, HEIGHT), (count, 2)))
    angle = torch.from_numpy(random.uniform(-math.pi, math.pi, count)) * turned
    return Region(centre, torch.full((count,), float(side)), angle, HEIGHT, WIDTH), side


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("turned", [False, True], ids=["upright", "turned"])
@pytest.mark.parametrize("frames", [1, 5], ids=["still", "clip"])
def test_a_round_trip_loses_a_step_or_two(frames: int, turned: bool, seed: int) -> None:
    region, size = squares(seed, frames, turned=turned)
    clip = [smooth(i / 5) for i in range(frames)]
    cropper, paster = Cropper(region, size), Paster(region)
    whole = from_uint8(np.stack(clip))
    back = to_uint8(paste(whole, crop(whole, region, size), region))
    inside = region_mask(region).numpy() > 0
    for i, frame in enumerate(clip):
        for result in (paster(frame, cropper(frame, i), i), back[i]):
            assert np.array_equal(result[~inside[i]], frame[~inside[i]])
            steps_near(result.astype(float), frame.astype(float), TURNED if turned else ONE_STEP)


@pytest.mark.parametrize("seed", range(4))
def test_on_whole_pixels_nothing_is_lost_even_of_noise(seed: int) -> None:
    region, _ = squares(seed, 4, turned=False)
    region = region.snapped()
    size = int(region.side[0])
    frame = np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    cropper, paster = Cropper(region, size), Paster(region)
    for i in range(len(region)):
        assert np.array_equal(paster(frame, cropper(frame, i), i), frame)


def test_masks_that_cover_nothing_or_everything() -> None:
    region, size = squares(3, 1, turned=True)
    frame, new = smooth(0), np.full((size, size, 3), 9, np.uint8)
    paster = Paster(region)
    assert np.array_equal(paster(frame, new, mask=np.zeros((size, size), np.float32)), frame)
    assert np.array_equal(paster(frame, new, mask=np.ones((size, size), np.float32)), paster(frame, new))
    images, crops = from_uint8(frame), from_uint8(new)
    assert torch.equal(paste(images, crops, region, mask=torch.zeros(1, size, size)), images)
    near(paste(images, crops, region, mask=torch.ones(1, size, size)), paste(images, crops, region), of=PICTURE)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 4000), (4000, 1), (6000, 8000)])
def test_pictures_of_extreme_sizes(height: int, width: int) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    for side, angle in ((2.0, 0.0), (301.0, 0.7), (float(max(height, width)), 0.0)):
        region = region_at(width * 0.7, height * 0.6, side, angle, height=height, width=width)
        made = Cropper(region, 64)(frame)
        assert made.shape == (64, 64, 3)
        pasted = Paster(region)(frame, made)
        left, top, right, bottom = (round(edge) for edge in region.bounds()[0].tolist())
        untouched = np.ones((height, width), bool)
        untouched[max(top - 1, 0) : max(bottom + 1, 0), max(left - 1, 0) : max(right + 1, 0)] = False
        assert np.array_equal(pasted[untouched], frame[untouched])
