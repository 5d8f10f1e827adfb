from __future__ import annotations

import pytest
import torch
from fomm_nodes.fomm_core.checkpoints import load_builtin
from fomm_nodes.fomm_core.lowering import UpsampledWinogradConv2d, WinogradConv2d, lower, winograd
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


@settings(max_examples=40, deadline=None)
@given(
    channels=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    size=st.tuples(st.integers(1, 25), st.integers(1, 25)),
    bias=st.booleans(),
    doubled=st.booleans(),
    limits=st.tuples(st.sampled_from([0, 1 << 40]), st.sampled_from([1, 3000, 1 << 20]), st.sampled_from([1, 1 << 20])),
)
def test_it_is_the_convolution_however_it_is_cut(channels, size, bias, doubled, limits) -> None:
    conv = nn.Conv2d(*channels, 3, padding=1, bias=bias).double().requires_grad_(False)
    x = torch.randn(2, channels[0], *size, dtype=torch.float64)
    want = conv(nn.functional.interpolate(x, scale_factor=2) if doubled else x)
    layer = (UpsampledWinogradConv2d if doubled else WinogradConv2d)(conv)
    with pytest.MonkeyPatch.context() as patch:
        for name, limit in zip(("STRIP_BYTES", "LINE_BYTES", "CACHE_BYTES"), limits, strict=True):
            patch.setattr(winograd, name, limit)
        near(layer(x), want, DOUBLE)


@pytest.mark.parametrize("in_rows", [False, True])
def test_a_result_is_added_where_it_is_asked_for(in_rows, monkeypatch) -> None:
    monkeypatch.setattr(winograd, "STRIP_BYTES", 0 if in_rows else 1 << 40)
    conv = nn.Conv2d(3, 5, 3, padding=1).double().requires_grad_(False)
    x, there = torch.randn(1, 3, 8, 12, dtype=torch.float64), torch.randn(10, 14, 5, dtype=torch.float64)
    layer, before = WinogradConv2d(conv), there.clone()
    padded = layer.padded(8, 12, like=x)
    padded[1:-1, 1:-1] = x[0].permute(1, 2, 0)
    layer.convolve(padded, there[1:-1, 1:-1], add=True)  # rows that lie apart
    want = before.clone()
    want[1:-1, 1:-1] += conv(x)[0].permute(1, 2, 0)
    near(there, want, DOUBLE)


@pytest.mark.parametrize(("kind", "scale"), [(WinogradConv2d, 1), (UpsampledWinogradConv2d, 2)])
def test_float32_error_is_small(kind, scale: int) -> None:
    conv = nn.Conv2d(256, 256, 3, padding=1).requires_grad_(False)
    x = torch.randn(1, 256, 33, 64)
    want = conv.double()(nn.functional.interpolate(x.double(), scale_factor=scale))
    got = kind(conv.float())(x).double()
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
