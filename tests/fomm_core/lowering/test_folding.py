"""Each rewriting against the plain form, on random weights, shapes and odd sizes."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from fomm_nodes.fomm_core.config import PRESETS, MotionModelConfig
from fomm_nodes.fomm_core.lowering import (
    cast,
    fold_normalisation,
    fold_upsampling,
    four_at_once,
    lower,
    transposed_kernel,
)
from fomm_nodes.fomm_core.model import MotionModel
from fomm_nodes.fomm_core.networks import ConvBlock, DownBlock, ResidualBlock, UpBlock
from hypothesis import given, settings
from hypothesis import strategies as st
from nearness import DOUBLE, near
from torch import nn


def lively(block: nn.Module) -> nn.Module:
    for layer in block.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias)
            nn.init.normal_(layer.running_mean)
            nn.init.uniform_(layer.running_var, 0.5, 2)
    return block.eval().requires_grad_(False).double()


@settings(max_examples=25, deadline=None)
@given(channels=st.tuples(st.integers(1, 5), st.integers(1, 5)), height=st.integers(1, 9), width=st.integers(1, 9))
def test_upsampling_and_convolution_are_one_transposed_convolution(channels, height, width) -> None:
    weight = torch.randn(channels[1], channels[0], 3, 3, dtype=torch.float64)
    x = torch.randn(2, channels[0], height, width, dtype=torch.float64)
    plain = nn.functional.conv2d(nn.functional.interpolate(x, scale_factor=2), weight, padding=1)
    ours = nn.functional.conv_transpose2d(x, transposed_kernel(weight), stride=2, padding=1)
    near(ours, plain, DOUBLE)


@pytest.mark.parametrize(
    "block", [ConvBlock(3, 5), ConvBlock(3, 4, kernel_size=7), DownBlock(4, 6), UpBlock(4, 3), ResidualBlock(5)]
)
@pytest.mark.parametrize("size", [(6, 8), (7, 13)])
def test_folding_normalisation(block: nn.Module, size: tuple[int, int]) -> None:
    plain = lively(block)
    folded = copy.deepcopy(plain)
    fold_normalisation(folded)
    left = [layer for layer in folded.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert len(left) == (1 if isinstance(block, ResidualBlock) else 0)
    channels = next(plain.parameters()).shape[0] if isinstance(block, ResidualBlock) else plain.conv.in_channels
    x = torch.randn(2, channels, *size, dtype=torch.float64)
    near(folded(x), plain(x), DOUBLE)


def test_folding_an_up_block() -> None:
    plain = lively(UpBlock(4, 3))
    folded = copy.deepcopy(plain)
    fold_normalisation(folded)
    fold_upsampling(folded)
    x = torch.randn(2, 4, 5, 7, dtype=torch.float64)
    near(folded(x), plain(x), DOUBLE)


@settings(max_examples=15, deadline=None)
@given(
    size=st.sampled_from([1, 3, 5, 7]), channels=st.integers(1, 4), rows=st.integers(1, 5), columns=st.integers(1, 5)
)
def test_four_pixels_at_once(size, channels, rows, columns) -> None:
    conv = nn.Conv2d(3, channels, size, padding=size // 2).double().requires_grad_(False)
    x = torch.randn(2, 3, 2 * rows, 2 * columns, dtype=torch.float64)
    near(four_at_once(conv).double()(x), conv(x), DOUBLE)


@pytest.mark.parametrize("changes", [{}, {"estimate_jacobian": False}, {"dense_motion": None}])
@pytest.mark.parametrize("size", [(64, 64), (32, 96)])
def test_a_lowered_model_is_the_same_function(make, changes, size: tuple[int, int]) -> None:
    model = make(**changes)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    fast = lower(model)
    source, driving = torch.rand(1, 3, *size), torch.rand(2, 3, *size)
    results = [net(source, net.detect(source), net.detect(driving)) for net in (model, fast)]
    near(results[1].images, results[0].images)
    for key, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[key]), f"{key} of the plain model changed"


def shapes_of_all_presets() -> dict[str, MotionModelConfig]:
    """One preset for each form of the first-order networks; they differ in the discriminator otherwise. The other
    families are lowered in `tests/fomm_core/family`.
    """
    first_order = {name: config for name, config in PRESETS.items() if config.family == "fomm"}
    forms = {replace(config, discriminator=None): name for name, config in first_order.items()}
    return {name: config for config, name in forms.items()}


@pytest.mark.slow
@torch.inference_mode()
@pytest.mark.parametrize("config", shapes_of_all_presets().values(), ids=shapes_of_all_presets())
def test_a_lowered_preset_is_the_same_function_at_full_width(config: MotionModelConfig) -> None:
    side = config.size_multiple()
    model = MotionModel(config)
    pictures = torch.rand(3, 3, side, side)
    pictures = nn.functional.avg_pool2d(pictures, 9, stride=1, padding=4)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = None  # statistics that fit the weights and images
    model.train()
    model(pictures, model.detect(pictures), model.detect(pictures))
    model.eval()
    model.double()  # weights that nobody trained magnify float32's rounding of sums
    nets = model, lower(model, dtype=torch.float64)
    pictures = pictures.double()
    results = [net(pictures[:1], net.detect(pictures[:1]), net.detect(pictures[1:])) for net in nets]
    near(results[1].images, results[0].images, DOUBLE)
    assert (results[0].images[0] - results[0].images[1]).abs().max() > 1e-3, "the frames should differ"


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_keeps_geometry_in_float32(make, dtype: torch.dtype) -> None:
    model = cast(make(), dtype)
    assert model.generator.final.weight.dtype == dtype
    assert model.dense_motion is not None
    assert model.dense_motion.mask_head.weight.dtype == (dtype if dtype == torch.float16 else torch.float32)
    assert {parameter.dtype for parameter in model.detector.parameters()} == {torch.float32}
    assert model.dense_motion.downsample is not None
    assert model.dense_motion.downsample.kernel.dtype == torch.float32
    images = torch.rand(1, 3, 64, 64)
    keypoints = model.detect(images)
    out = model(images, keypoints, keypoints)
    assert out.motion is not None
    assert out.motion.occlusion is not None
    assert {out.images.dtype, out.motion.flow.dtype, out.motion.occlusion.dtype} == {torch.float32}
