from __future__ import annotations

import copy

import pytest
import torch
from fomm_nodes.fomm_core.config import PRESETS
from fomm_nodes.fomm_core.lowering import (
    ResidualBlocks,
    Scratch,
    WinogradConv2d,
    WinogradResidualBlock,
    fold_normalisation,
    lower,
    winograd,
)
from fomm_nodes.fomm_core.model import MotionModel
from fomm_nodes.fomm_core.networks import ResidualBlock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nearness import DOUBLE, NETWORK, near
from torch import nn


def block_of(channels: int) -> ResidualBlock:
    block = ResidualBlock(channels)
    for norm in (block.norm1, block.norm2):
        assert isinstance(norm, nn.BatchNorm2d)
        nn.init.normal_(norm.weight)  # of either sign
        nn.init.normal_(norm.bias)
        nn.init.normal_(norm.running_mean)
        nn.init.uniform_(norm.running_var, 0.5, 2)
    return block.eval().requires_grad_(False).double()


def lowered(block: ResidualBlock, scratch: Scratch) -> WinogradResidualBlock:
    fast = copy.deepcopy(block)
    fold_normalisation(fast)
    fast.conv1, fast.conv2 = (WinogradConv2d(conv, scratch) for conv in (fast.conv1, fast.conv2))
    return WinogradResidualBlock(fast)


@pytest.mark.parametrize("in_rows", [False, True])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    images=st.integers(1, 2),
    channels=st.integers(1, 6),
    size=st.tuples(st.integers(1, 13), st.integers(1, 13)),
    count=st.integers(1, 3),
)
def test_it_is_the_blocks_one_after_the_other(in_rows, images, channels, size, count) -> None:
    blocks = [block_of(channels) for _ in range(count)]
    scratch = Scratch()
    x = torch.randn(images, channels, *size, dtype=torch.float64)
    before = x.clone()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd, "STRIP_BYTES", 0 if in_rows else 1 << 40)
        made = [lowered(block, scratch) for block in blocks]
        one = made[0](x)
        assert torch.equal(x, before), "a block for itself changed its input"
        got = ResidualBlocks(*made)(x)
    near(got, nn.Sequential(*blocks)(before), DOUBLE)
    near(one, blocks[0](before), DOUBLE)


def test_what_the_source_holds_is_not_written_to() -> None:
    model = MotionModel(PRESETS["vox-256"]).eval().requires_grad_(False)
    fast = lower(model)
    assert isinstance(fast.generator.bottleneck, ResidualBlocks)
    features = torch.rand(1, 256, 8, 8).contiguous(memory_format=torch.channels_last)
    before = features.clone()
    with torch.inference_mode():
        near(fast.generator.decode(features), model.generator.decode(features), NETWORK)
    assert torch.equal(features, before)


def test_blocks_that_have_not_gone_so_far_are_refused() -> None:
    with pytest.raises(ValueError, match="Winograd's convolutions"):
        WinogradResidualBlock(block_of(2))
    instance = ResidualBlock(2, instance=True)
    instance.conv1, instance.conv2 = (WinogradConv2d(conv) for conv in (instance.conv1, instance.conv2))
    with pytest.raises(ValueError, match="expected a batch norm"):
        WinogradResidualBlock(instance)
