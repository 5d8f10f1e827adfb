"""Both frames of a pair are varied alike, each pair on its own."""

from __future__ import annotations

import colorsys
import math
from dataclasses import replace

import pytest
import torch
from fomm_nodes.fomm_core.training.config import AugmentationConfig
from fomm_nodes.fomm_core.training.data.augment import Augmentation, augment, turned_hue
from kornia import enhance
from nearness import NETWORK, near

OFF = AugmentationConfig(
    horizontal_flip=False,
    time_flip=False,
    brightness=0.0,
    contrast=0.0,
    saturation=0.0,
    hue=0.0,
    rotation_degrees=0.0,
    zoom=0.0,
)
NONE = Augmentation.draw(OFF, 0)
CUT_AT_FOUR_DEVIATIONS = 1e-3
"""Of a Gaussian's weight 6e-5 lies further out; the rest is made up to 1, on whole pixels."""


def smooth(count=1, height=33, width=41):
    """Pairs of waves, [count, 2, 3, height, width]."""
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    waves = [0.5 + 0.3 * torch.sin(2 * math.pi * (a * x + b * y)) for a, b in ((1, 0.3), (0.5, 1), (0.8, -0.6))]
    picture = torch.stack(waves)
    return torch.stack((picture, picture.flip(0)))[None].repeat(count, 1, 1, 1, 1)


def test_nothing_is_exactly_nothing():
    pairs = torch.rand(3, 2, 3, 8, 8)
    assert torch.equal(augment(pairs, [NONE] * 3, OFF), pairs)


def test_draws_stay_within_the_configuration_and_use_it(varied):
    drawn = [Augmentation.draw(varied, seed) for seed in range(400)]
    for name, centre, reach in (
        ("brightness", 1, 0.2),
        ("contrast", 1, 0.2),
        ("saturation", 1, 0.2),
        ("hue", 0, 0.2 * math.pi),
        ("rotation", 0, math.radians(10)),
        ("zoom", 1, 0.2),
    ):
        values = [getattr(one, name) - centre for one in drawn]
        assert -reach <= min(values) < -0.9 * reach, name
        assert 0.9 * reach < max(values) <= reach, name
    assert not any(one.time_flip and one.horizontal_flip for one in drawn)  # as published
    assert 150 < sum(one.time_flip for one in drawn) < 250
    assert 60 < sum(one.horizontal_flip for one in drawn) < 140
    assert Augmentation.draw(varied, 5) == drawn[5]


@pytest.mark.parametrize("part", ["brightness", "contrast", "saturation", "hue", "rotation_degrees", "zoom"])
def test_each_part_acts_alike_on_both_frames(part, varied):
    """The second frame is the first: what comes out has to be equal, too, and something else than before."""
    config = replace(OFF, **{part: getattr(varied, part)})
    pairs = smooth(6)[:, :1].repeat(1, 2, 1, 1, 1)
    result = augment(pairs, [Augmentation.draw(config, seed) for seed in range(6)], config)
    assert torch.equal(result[:, 0], result[:, 1])
    assert result.shape == pairs.shape
    assert ((result - pairs).abs().amax((1, 2, 3, 4)) > 1e-3).sum() >= 5
    assert result.min() >= 0
    assert result.max() <= 1


def test_a_colour_stays_one_colour_in_both_frames():
    """Contrast turns about the mean of both frames: a colour found in both is changed alike, whatever is beside it."""
    config = replace(OFF, contrast=0.5)
    pairs = torch.full((1, 2, 3, 4, 4), 0.4)
    pairs[0, 1, :, 2:] = 0.9
    result = augment(pairs, [replace(NONE, contrast=1.5)], config)
    assert torch.equal(result[0, 0, :, 0], result[0, 1, :, 0])
    mean = 0.4 * 0.75 + 0.9 * 0.25
    near(result[0, 0, :, 0], torch.full((3, 4), mean + 1.5 * (0.4 - mean)))


def test_hue_by_the_standard_library():
    config = replace(OFF, hue=0.5)
    red, green, blue = 0.7, 0.3, 0.2
    pairs = torch.tensor([red, green, blue]).view(1, 1, 3, 1, 1).repeat(1, 2, 1, 2, 2)
    result = augment(pairs, [replace(NONE, hue=0.25 * 2 * math.pi)], config)[0, 0, :, 0, 0]
    hue, saturation, value = colorsys.rgb_to_hsv(red, green, blue)
    expected = colorsys.hsv_to_rgb((hue + 0.25) % 1, saturation, value)
    near(result, torch.tensor(expected), NETWORK)


def test_hue_by_kornia():
    pictures = torch.rand(5, 3, 16, 16)
    pictures[0, :, :4] = pictures[0, :1, :4]  # grey
    pictures[0, 1, 4:8] = pictures[0, 0, 4:8]  # two channels equal
    pictures[0, :, 8:] = pictures[0, :, 8:].round()  # pure colours, black and white
    angles = torch.tensor([0.3, 0.0, -3.0, 2.5, math.pi])
    near(turned_hue(pictures, angles), enhance.adjust_hue(pictures, angles), 2e-5)  # a hue is a quotient of differences


def test_flips():
    config = replace(OFF, horizontal_flip=True, time_flip=True)
    pairs = torch.rand(3, 2, 3, 6, 5)
    result = augment(pairs, [replace(NONE, time_flip=True), replace(NONE, horizontal_flip=True), NONE], config)
    assert torch.equal(result[0], pairs[0].flip(0))
    assert torch.equal(result[1], pairs[1].flip(-1))
    assert torch.equal(result[2], pairs[2])


def test_a_quarter_turn_of_a_square():
    config = replace(OFF, rotation_degrees=90.0)
    pairs = torch.rand(1, 2, 3, 9, 9)
    result = augment(pairs, [replace(NONE, rotation=math.pi / 2)], config)
    ways = [torch.rot90(pairs, way, (-2, -1)) for way in (1, -1)]
    near(result, min(ways, key=lambda turned: (result - turned).abs().max()))


def test_rotation_keeps_angles_in_a_wide_picture():
    """A square in the middle of a wide image stays a square: after a quarter turn it is where it was."""
    config = replace(OFF, rotation_degrees=90.0)
    pairs = torch.zeros(1, 2, 3, 21, 61)
    pairs[..., 6:15, 26:35] = 1
    result = augment(pairs, [replace(NONE, rotation=math.pi / 2)], config)
    near(result, pairs, NETWORK)


@pytest.mark.parametrize("zoom", [0.8, 1.25])
def test_zoom_about_the_centre(zoom):
    """The distance between two lines grows by the factor, and the middle stays."""
    config = replace(OFF, zoom=0.3)
    pairs = torch.zeros(1, 2, 3, 5, 101)
    pairs[..., 30] = pairs[..., 70] = 1
    result = augment(pairs, [replace(NONE, zoom=zoom, shift=(0.0, 0.0))], config)[0, 0, 0, 2]
    columns = torch.arange(101.0)
    left = (result * columns)[:50].sum() / result[:50].sum()
    right = (result * columns)[51:].sum() / result[51:].sum()
    assert abs(float(right - left) - 40 * zoom) < 0.5
    assert abs(float(right + left) / 2 - 50) < 0.1


@pytest.mark.parametrize("shift", [(-1.0, -1.0), (1.0, 1.0), (1.0, -1.0)])
def test_an_enlarged_picture_is_moved_to_the_edge_and_no_further(shift):
    config = replace(OFF, zoom=0.5)
    result = augment(smooth(), [replace(NONE, zoom=1.5, shift=shift)], config)[0, 0]
    row, column = (0 if way < 0 else -1 for way in reversed(shift))
    near(result[:, row, column], smooth()[0, 0, :, row, column])


def test_no_sample_depends_on_another(varied):
    pairs = torch.rand(7, 2, 3, 16, 20)
    drawn = [Augmentation.draw(varied, seed) for seed in range(7)]
    together = augment(pairs, drawn, varied)
    for index in range(7):
        assert torch.equal(augment(pairs[index : index + 1], drawn[index : index + 1], varied)[0], together[index])


def test_a_blur_takes_the_waves_that_its_width_says_and_leaves_the_others_alone():
    deviation, side = 1.5, 96
    config = replace(OFF, blur=2.0)
    length = 12  # pixels of a wave
    wave = 0.5 + 0.4 * torch.sin(2 * math.pi * torch.arange(side) / length).expand(2, 2, 3, side, side)
    sharp, blurred = augment(wave, [NONE, replace(NONE, blur=deviation)], config)
    near(sharp, wave[0], NETWORK)
    left = math.exp(-2 * (math.pi * deviation / length) ** 2)  # of a wave's height, by a Gaussian's own transform
    inner = slice(length, -length)
    near(blurred[..., inner] - 0.5, left * (wave[1, ..., inner] - 0.5), CUT_AT_FOUR_DEVIATIONS, of=0.4)


def test_blurs_are_drawn_up_to_the_widest():
    drawn = [Augmentation.draw(replace(OFF, blur=2.0), seed).blur for seed in range(400)]
    assert 0 <= min(drawn) < 0.1
    assert 1.9 < max(drawn) <= 2.0
