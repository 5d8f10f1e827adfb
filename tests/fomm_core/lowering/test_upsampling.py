from __future__ import annotations

import torch
from fomm_nodes.fomm_core.lowering import UpsampledConv2d
from hypothesis import given, settings
from hypothesis import strategies as st
from nearness import near
from torch import nn


@settings(max_examples=40, deadline=None)
@given(
    images=st.integers(1, 3),
    channels=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    bias=st.booleans(),
)
def test_it_is_upsampling_and_the_convolution(images, channels, size, bias) -> None:
    conv = nn.Conv2d(*channels, 3, padding=1, bias=bias).double().requires_grad_(False)
    x = torch.randn(images, channels[0], *size, dtype=torch.float64)
    want = conv(nn.functional.interpolate(x, scale_factor=2))
    near(UpsampledConv2d(conv)(x), want)


def test_the_result_is_channels_last() -> None:
    conv = nn.Conv2d(8, 4, 3, padding=1).requires_grad_(False)
    out = UpsampledConv2d(conv)(torch.randn(2, 8, 4, 4))
    assert out.is_contiguous(memory_format=torch.channels_last)
