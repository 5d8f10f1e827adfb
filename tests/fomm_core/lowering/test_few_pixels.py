from __future__ import annotations

import torch
from fomm_nodes.fomm_core.lowering import FewPixelsConv2d
from hypothesis import given, settings
from hypothesis import strategies as st
from nearness import DOUBLE, near
from torch import nn


@settings(max_examples=40, deadline=None)
@given(
    images=st.integers(1, 3),
    channels=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    bias=st.booleans(),
)
def test_it_is_the_convolution(images, channels, size, bias) -> None:
    conv = nn.Conv2d(*channels, 3, padding=1, bias=bias).double().requires_grad_(False)
    x = torch.randn(images, channels[0], *size, dtype=torch.float64)
    got = FewPixelsConv2d(conv)(x)
    near(got, conv(x), DOUBLE)
    assert got.is_contiguous(memory_format=torch.channels_last)
