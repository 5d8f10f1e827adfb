from __future__ import annotations

import pytest
import torch
from fomm_nodes.fomm_core.checkpoints import load_builtin
from fomm_nodes.fomm_core.lowering import WinogradConv2d, lower
from fomm_nodes.fomm_core.networks import ConvBlock, UpBlock
from hypothesis import given, settings
from hypothesis import strategies as st
from nearness import DOUBLE, NETWORK, near
from torch import nn


@settings(max_examples=40, deadline=None)
@given(
    images=st.integers(1, 3),
    channels=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    size=st.tuples(st.integers(1, 17), st.integers(1, 17)),
    bias=st.booleans(),
)
def test_it_is_the_convolution(images, channels, size, bias) -> None:
    conv = nn.Conv2d(*channels, 3, padding=1, bias=bias).double().requires_grad_(False)
    x = torch.randn(images, channels[0], *size, dtype=torch.float64)
    near(WinogradConv2d(conv)(x), conv(x), DOUBLE)


def test_float32_error_is_small() -> None:
    conv = nn.Conv2d(256, 256, 3, padding=1).requires_grad_(False)
    x = torch.randn(1, 256, 33, 64)
    want = conv.double()(x.double())
    got = WinogradConv2d(conv.float())(x).double()
    near(got, want, 2 * NETWORK, of=want.std().item())  # its transforms multiply sums of up to 6 by up to 20


def test_the_result_is_channels_last() -> None:
    conv = nn.Conv2d(8, 4, 3, padding=1).requires_grad_(False)
    for images in (1, 3):
        out = WinogradConv2d(conv)(torch.randn(images, 8, 8, 8))
        assert out.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(2, 2, 5, padding=2),
        nn.Conv2d(2, 2, 3),
        nn.Conv2d(2, 2, 3, 2, 1),
        nn.Conv2d(2, 2, 3, padding=1, groups=2),
    ],
)
def test_other_convolutions_are_refused(conv: nn.Conv2d) -> None:
    with pytest.raises(ValueError, match="3x3 convolution of stride 1"):
        WinogradConv2d(conv)


def test_where_it_is_used() -> None:
    model = load_builtin()
    kinds = {type(layer) for layer in lower(model).modules()}
    assert WinogradConv2d in kinds
    half = lower(model, dtype=torch.bfloat16)
    assert not any(isinstance(layer, WinogradConv2d) for layer in half.generator.bottleneck.modules())
    other = lower(model, device="meta")
    assert not any(isinstance(layer, WinogradConv2d) for layer in other.modules())
    assert all(
        isinstance(layer, ConvBlock | UpBlock) for layer in [*other.detector.hourglass.down, *other.generator.up]
    )
